"""``--model llava_hf``, chat (lmms-eval's default) and simple.

The stock adapters cannot answer a document without an image: chat fails in the processor, simple
fails too or takes the inputs of the document before. Here such a document has inputs of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from transformers import BatchFeature

from vrp_tasks.access.serving import GenerateHandler
from vrp_tasks.access.stock_adapters.base import Uncut


class LlavaHfChat(Uncut):
    """Chat messages."""

    @contextmanager
    def preparing(self, lm: Any) -> Iterator[None]:
        """A processor that makes text inputs where there is no image."""
        stock = lm._image_processor
        lm._image_processor = _WithoutImages(stock)
        try:
            yield
        finally:
            lm._image_processor = stock


class LlavaHfSimple(Uncut):
    """A text context."""

    def stands_apart(self, visuals: Callable[[], Any]) -> bool:
        """Documents without an image."""
        return not visuals()

    def answer_apart(self, lm: Any, request: Any, handler: GenerateHandler) -> str:
        """As the stock adapter would answer, with inputs that hold the text alone."""
        from lmms_eval.models.simple.llava_hf import VICUNA_CHAT_TEMPLATE

        context, settings = request.args[0], request.args[1]
        if lm.chat_template is not None:
            lm.tokenizer.chat_template = lm.chat_template
        elif lm.tokenizer.chat_template is None:
            lm.tokenizer.chat_template = VICUNA_CHAT_TEMPLATE
        text = lm.tokenizer.apply_chat_template(
            [{"role": "user", "content": context}], tokenize=False, add_generation_prompt=True
        )
        inputs = _text_inputs(lm._image_processor, text).to(lm._device)
        temperature = settings.get("temperature", 0)
        options = {
            "do_sample": temperature > 0,
            "temperature": temperature if temperature > 0 else None,
            "top_p": settings.get("top_p"),
            "num_beams": settings.get("num_beams", 1),
            "max_new_tokens": settings.get("max_new_tokens", 1024),
            "use_cache": lm.use_cache,
            "pad_token_id": lm.eot_token_id,
            "eos_token_id": lm.eot_token_id,
        }
        sequences = handler(dict(inputs), options, [str(request.doc_id)])
        answer = sequences[:, inputs["input_ids"].shape[-1] :]
        return str(lm.tokenizer.batch_decode(answer, skip_special_tokens=True)[0])


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
