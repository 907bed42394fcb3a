"""``--model paligemma``: lmms-eval has no adapter for this family, so here is one in its form."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import torch
from accelerate import Accelerator
from lmms_eval import utils
from lmms_eval.api.model import lmms
from tqdm import tqdm
from transformers import AutoProcessor, BatchFeature, PaliGemmaForConditionalGeneration

from vrp_tasks.adapters.base import ProbedAdapter


class PaliGemma(lmms):
    """PaliGemma through ``<image>`` and the task's text; answers are what follows the prompt.

    Parameters
    ----------
    pretrained : str
        Checkpoint folder or hub id.
    device, device_map, dtype, batch_size
        As in lmms-eval's other Hugging Face adapters.
    max_new_tokens : int
        Used where the task sets none.
    """

    is_simple = True

    def __init__(
        self,
        pretrained: str = "google/paligemma-3b-mix-224",
        device: str = "cuda",
        device_map: str = "cuda",
        dtype: str = "auto",
        batch_size: int | str = 1,
        max_new_tokens: int = 128,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        if kwargs:
            names = ", ".join(sorted(kwargs))
            raise ValueError(f"paligemma: unexpected model argument(s) {names}.")
        accelerator = Accelerator()
        if accelerator.num_processes > 1 and torch.cuda.is_available():
            device = device_map = f"cuda:{accelerator.local_process_index}"
        self._device = torch.device(device)
        self._model = PaliGemmaForConditionalGeneration.from_pretrained(
            pretrained, dtype=dtype, device_map=device_map
        ).eval()
        self.processor = AutoProcessor.from_pretrained(pretrained)
        self.processor.tokenizer.padding_side = "left"
        self.batch_size_per_gpu = int(batch_size)
        self.max_new_tokens = max_new_tokens
        self.accelerator = accelerator
        self._rank, self._world_size = accelerator.process_index, accelerator.num_processes

    @property
    def model(self) -> PaliGemmaForConditionalGeneration:
        """The model."""
        return self._model

    @property
    def tokenizer(self) -> Any:
        """The processor's tokenizer."""
        return self.processor.tokenizer

    @property
    def batch_size(self) -> int:
        """Prompts per `generate` call."""
        return self.batch_size_per_gpu

    @property
    def device(self) -> torch.device:
        """Where inputs go."""
        return self._device

    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
        """Not offered: the tasks of this family generate."""
        raise NotImplementedError("paligemma answers generate_until tasks only.")

    def generate_until_multi_round(self, requests: list[Any]) -> list[str]:
        """Not offered: PaliGemma has no dialogue format."""
        raise NotImplementedError("paligemma has no multi-round format.")

    def generate_until(self, requests: list[Any]) -> list[str]:
        """Answer each request, longest prompts first."""
        results: list[str] = []

        def collate(arguments: tuple) -> tuple[int, str]:
            return -len(self.tokenizer.encode(arguments[0])), arguments[0]

        ordered = utils.Collator([r.args for r in requests], collate, grouping=True)
        bar = tqdm(total=len(requests), disable=self.rank != 0, desc="Model Responding")
        for chunk in ordered.get_batched(n=self.batch_size, batch_fn=None):
            contexts, settings, doc_to_visual, doc_ids, tasks, splits = zip(*chunk, strict=True)
            docs = [
                self.task_dict[task][split][doc]
                for task, split, doc in zip(tasks, splits, doc_ids, strict=True)
            ]
            images = [
                [image.convert("RGB") for image in visual(doc)]
                for visual, doc in zip(doc_to_visual, docs, strict=True)
            ]
            texts = [
                "<image>" * len(own) + context.replace("<image>", "").strip()
                for own, context in zip(images, contexts, strict=True)
            ]
            # the processor takes no batch in which only some prompts show an image
            pairs = zip(texts, images, strict=True)
            for _, alike in groupby(pairs, key=lambda pair: bool(pair[1])):
                some_texts, some_images = map(list, zip(*alike, strict=True))
                answers = self._answer(some_texts, some_images, dict(settings[0]))
                results += answers
                bar.update(len(answers))
        bar.close()
        return ordered.get_original(results)

    def _answer(self, texts: list[str], images: list[list[Any]], settings: dict) -> list[str]:
        inputs = self._prepared(texts, images).to(self.device, self.model.dtype)
        until = settings.get("until") or []
        temperature = settings.get("temperature") or 0
        output = self.model.generate(
            **inputs,
            do_sample=temperature > 0,
            temperature=temperature if temperature > 0 else None,
            top_p=settings.get("top_p"),
            num_beams=settings.get("num_beams", 1),
            max_new_tokens=settings.get("max_new_tokens", self.max_new_tokens),
        )
        generated = output[:, inputs["input_ids"].shape[1] :]
        answers = self.tokenizer.batch_decode(generated, skip_special_tokens=True)
        for stop in [until] if isinstance(until, str) else until:
            answers = [answer.split(stop)[0] if stop else answer for answer in answers]
        return [answer.strip() for answer in answers]

    def _prepared(self, texts: list[str], images: list[list[Any]]) -> Any:
        """What the processor makes of prompts; of those without an image, its text format alone."""
        if not any(images):
            plain = [f"{self.tokenizer.bos_token}{text}\n" for text in texts]
            inputs = self.tokenizer(
                plain, return_tensors="pt", padding=True, add_special_tokens=False
            )
            inputs["token_type_ids"] = torch.zeros_like(inputs["input_ids"])
            return BatchFeature(dict(inputs))
        inputs = self.processor(text=texts, images=images, return_tensors="pt", padding=True)
        inputs.pop("labels", None)
        return inputs


class ProbedPaliGemma(ProbedAdapter, PaliGemma):
    """PaliGemma checkpoints."""

    family_type = "paligemma"
