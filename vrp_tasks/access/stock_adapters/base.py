"""What one stock adapter does with prompts and tokens, beside its call of ``model.generate``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from vrp_tasks.access.serving import GenerateHandler
from vrp_tasks.capture.answers import AnswerRule


class StockAdapter:
    """What most do; a file of this room says what one does otherwise."""

    def stops(self, lm: Any, settings: dict[str, Any]) -> str | Sequence[str] | None:
        """Texts at which it cuts answers, given a request's generation settings."""
        return settings.get("until")

    def decoded(self, lm: Any, tokens: list[list[int]]) -> list[str]:
        """Texts of generated tokens, as it decodes them."""
        # llama_vision states a tokenizer that it does not have
        tokenizer = getattr(lm, "tokenizer", None) or lm.processor.tokenizer
        texts: list[str] = tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return texts

    def answer_rule(self, lm: Any, settings: dict[str, Any]) -> AnswerRule:
        """What it makes an answer by."""
        return AnswerRule.until(lambda tokens: self.decoded(lm, tokens), self.stops(lm, settings))

    def processing(self, lm: Any) -> dict[str, Any]:
        """What it tells the processor about images beyond the checkpoint's own settings."""
        return {}

    def preparing(self, lm: Any) -> AbstractContextManager[Any]:
        """What has to be set so that it prepares every document on inputs of its own."""
        return nullcontext()

    def stands_apart(self, visuals: Callable[[], Any]) -> bool:
        """Whether it cannot prepare a document that shows this, so that `answer_apart` does.

        Looking at a document decodes its images: those that take any do not.
        """
        return False

    def answer_apart(self, lm: Any, request: Any, handler: GenerateHandler) -> str:
        """One document's answer, prepared here."""
        raise NotImplementedError(f"{type(self).__name__} prepares every document itself.")


class Uncut(StockAdapter):
    """Reads a task's ``until`` and does nothing with it, or never reads it."""

    def stops(self, lm: Any, settings: dict[str, Any]) -> None:
        """None."""


class KeepsParagraphs(StockAdapter):
    """Cuts at a task's ``until``, but not at an empty line, which lmms-eval gives every task."""

    def stops(self, lm: Any, settings: dict[str, Any]) -> list[str]:
        """The task's, or the end-of-turn token's text."""
        given = settings.get("until", [lm.tokenizer.decode(lm.eot_token_id)])
        return [stop for stop in ([given] if isinstance(given, str) else given) if stop != "\n\n"]
