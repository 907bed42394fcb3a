"""``--model paligemma``: lmms-eval has no adapter for this family, so here is one in its form."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import torch
from lmms_eval import utils
from tqdm import tqdm
from transformers import AutoProcessor, BatchFeature, PaliGemmaForConditionalGeneration

from vrp_tasks.adapters.local import LocalModel, refuse_unknown


class PaliGemma(LocalModel):
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
        refuse_unknown("paligemma", kwargs)
        super().__init__(
            device=device, device_map=device_map, batch_size=batch_size,
            max_new_tokens=max_new_tokens,
        )  # fmt: skip
        model = PaliGemmaForConditionalGeneration.from_pretrained(
            pretrained, dtype=dtype, device_map=self.device_map
        )
        self._hold(model, AutoProcessor.from_pretrained(pretrained))

    def generate_until(self, requests: list[Any]) -> list[str]:
        """Answer each request, longest prompts first."""
        results: list[str] = []
        ordered = utils.Collator([r.args for r in requests], self._collate, grouping=True)
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
        found: list[str] = ordered.get_original(results)
        return found

    def _answer(
        self, texts: list[str], images: list[list[Any]], settings: dict[str, Any]
    ) -> list[str]:
        inputs = self._prepared(texts, images).to(self.device, self.model.dtype)
        return self._generated(inputs, settings)

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
