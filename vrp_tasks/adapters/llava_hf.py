"""``--model llava_hf``, chat (lmms-eval's default) and simple.

The stock adapters cannot answer a document without an image: chat fails in the processor, simple
fails too or takes the inputs of the document before. Here such a document has inputs of its own.
"""

from __future__ import annotations

from typing import Any

from lmms_eval.models.chat.llava_hf import LlavaHf
from lmms_eval.models.simple.llava_hf import VICUNA_CHAT_TEMPLATE
from lmms_eval.models.simple.llava_hf import LlavaHf as LlavaHfSimple
from transformers import BatchFeature

from vrp_tasks.adapters.base import ProbedAdapter
from vrp_tasks.adapters.serving import GenerateHandler


class ProbedLlavaHf(ProbedAdapter, LlavaHf):
    """LLaVA 1.5 checkpoints through chat messages."""

    family_type = "llava"
    _image_processor: Any

    def serve(self, requests: list[Any], handler: GenerateHandler) -> list[str]:
        """With a processor that makes text inputs where there is no image."""
        stock: Any = self._image_processor
        self._image_processor = _WithoutImages(stock)
        try:
            return super().serve(requests, handler)
        finally:
            self._image_processor = stock


class ProbedLlavaHfSimple(ProbedAdapter, LlavaHfSimple):
    """LLaVA 1.5 checkpoints through a text context."""

    family_type = "llava"

    def serve(self, requests: list[Any], handler: GenerateHandler) -> list[str]:
        """Documents without an image are prepared here, the others by the stock adapter."""
        texts: dict[int, str] = {}
        shown = []
        for index, request in enumerate(requests):
            if request.args[2](self.doc(request)):
                shown.append(index)
            else:
                texts[index] = self._answer_text(request, handler)
        if shown:
            answers = super().serve([requests[index] for index in shown], handler)
            texts |= dict(zip(shown, answers, strict=True))
        return [texts[index] for index in range(len(requests))]

    def _answer_text(self, request: Any, handler: GenerateHandler) -> str:
        """As the stock adapter would answer, with inputs that hold the text alone."""
        context, settings = request.args[0], request.args[1]
        if self.chat_template is not None:
            self.tokenizer.chat_template = self.chat_template
        elif self.tokenizer.chat_template is None:
            self.tokenizer.chat_template = VICUNA_CHAT_TEMPLATE
        text = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": context}], tokenize=False, add_generation_prompt=True
        )
        inputs = _text_inputs(self._image_processor, text).to(self._device)
        temperature = settings.get("temperature", 0)
        options = {
            "do_sample": temperature > 0,
            "temperature": temperature if temperature > 0 else None,
            "top_p": settings.get("top_p"),
            "num_beams": settings.get("num_beams", 1),
            "max_new_tokens": settings.get("max_new_tokens", 1024),
            "use_cache": self.use_cache,
            "pad_token_id": self.eot_token_id,
            "eos_token_id": self.eot_token_id,
        }
        sequences = handler(dict(inputs), options, [str(request.doc_id)])
        answer = sequences[:, inputs["input_ids"].shape[-1] :]
        return str(self.tokenizer.batch_decode(answer, skip_special_tokens=True)[0])


def _text_inputs(processor: Any, text: str) -> BatchFeature:
    """What the processor would make of a text alone.

    It refuses one that has the image token in it; the capture says so of that document.
    """
    return BatchFeature(dict(processor.tokenizer(text, return_tensors="pt")))


class _WithoutImages:
    """A processor, except that it takes an empty list of images."""

    def __init__(self, processor: Any) -> None:
        self._processor = processor

    def __call__(self, *, images: Any = None, videos: Any = None, **options: Any) -> Any:
        if not images and not videos:
            return _text_inputs(self._processor, options["text"])
        return self._processor(images=images, videos=videos, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._processor, name)
