"""``--model vrp_hf``: any checkpoint of transformers that answers about images, in chat form.

lmms-eval's own ``huggingface`` loads models without their head; this is one that does not.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

from lmms_eval import utils
from lmms_eval.protocol import ChatMessages
from tqdm import tqdm
from transformers import AutoModelForImageTextToText, AutoProcessor

from vrp_tasks.adapters.local import LocalModel, refuse_unknown
from vrp_tasks.errors import SetupError


class VrpHf(LocalModel):
    """Prompts by the checkpoint's own chat template, images by its own processor.

    Parameters
    ----------
    pretrained : str
        Checkpoint folder or hub id; any that ``AutoModelForImageTextToText`` loads.
    device, device_map, dtype, batch_size, max_new_tokens
        As in `LocalModel`; ``dtype`` "auto" is the checkpoint's.
    attn_implementation : str, optional
        Of transformers; its own choice by default.
    trust_remote_code : bool
        Whether code that comes with the checkpoint may run.
    """

    is_simple = False

    def __init__(
        self,
        pretrained: str,
        device: str = "cuda",
        device_map: str = "cuda",
        dtype: str = "auto",
        batch_size: int | str = 1,
        max_new_tokens: int = 128,
        attn_implementation: str | None = None,
        trust_remote_code: bool = False,
        **kwargs: Any,
    ) -> None:
        refuse_unknown("vrp_hf", kwargs)
        super().__init__(
            device=device, device_map=device_map, batch_size=batch_size,
            max_new_tokens=max_new_tokens,
        )  # fmt: skip
        try:  # the processor first: what it lacks shows before the weights are read
            processor = AutoProcessor.from_pretrained(
                pretrained, trust_remote_code=trust_remote_code
            )
        except ImportError as error:
            needed = " ".join(str(error).split())
            raise SetupError(f"pretrained={pretrained} needs another package: {needed}") from error
        if not hasattr(processor, "image_processor"):
            raise SetupError(
                f"pretrained={pretrained} has no image processor (a {type(processor).__name__} "
                "only): its prompts cannot show an image."
            )
        model = AutoModelForImageTextToText.from_pretrained(
            pretrained, dtype=dtype, device_map=self.device_map,
            attn_implementation=attn_implementation, trust_remote_code=trust_remote_code,
        )  # fmt: skip
        self._hold(model, processor)

    def generate_until(self, requests: list[Any]) -> list[str]:
        """Answer each request, longest prompts first; a batch shares its generation settings."""
        results: list[str] = []
        ordered = utils.Collator(
            [r.args for r in requests], self._collate, group_fn=lambda a: a[2], grouping=True
        )
        bar = tqdm(total=len(requests), disable=self.rank != 0, desc="Model Responding")
        for chunk in ordered.get_batched(n=self.batch_size, batch_fn=None):
            _, doc_to_messages, settings, doc_ids, tasks, splits = zip(*chunk, strict=True)
            asked = [
                self._asked(messages(self.task_dict[task][split][doc]))
                for messages, task, split, doc in zip(
                    doc_to_messages, tasks, splits, doc_ids, strict=True
                )
            ]
            # few processors take a batch in which only some prompts show an image
            for _, alike in groupby(asked, key=lambda own: bool(own[1])):
                answers = self._answer(list(alike), dict(settings[0]))
                results += answers
                bar.update(len(answers))
        bar.close()
        answered: list[str] = ordered.get_original(results)
        return answered

    def _asked(self, messages: list[Any]) -> tuple[str, list[Any]]:
        """A prompt's text, and its images in order."""
        chat = ChatMessages(messages=messages)
        images, videos, audios = chat.extract_media()
        if videos or audios:
            raise SetupError("vrp_hf answers about images; this task shows video or audio.")
        told = chat.to_hf_messages()
        if getattr(self.processor, "chat_template", None) is None:
            text = self._without_template(told)
        else:
            text = self.processor.apply_chat_template(
                told, tokenize=False, add_generation_prompt=True
            )
        return text, [image.convert("RGB") for image in images]

    def _without_template(self, messages: list[dict[str, Any]]) -> str:
        """Image tokens and texts in their order, for a checkpoint that has no dialogue format."""
        marker = getattr(self.processor, "boi_token", None)
        marker = marker or getattr(self.processor, "image_token", None)
        if marker is None:
            raise SetupError("this checkpoint has neither a chat template nor an image token.")
        parts = [part for message in messages for part in message["content"]]
        return "".join(marker if part["type"] == "image" else part["text"] for part in parts)

    def _answer(self, asked: list[tuple[str, list[Any]]], settings: dict[str, Any]) -> list[str]:
        texts, images = map(list, zip(*asked, strict=True))
        shown = {"images": images} if any(images) else {}
        inputs = self.processor(text=texts, padding=True, return_tensors="pt", **shown)
        inputs.pop("labels", None)
        return self._generated(inputs.to(self.device, self.model.dtype), settings)
