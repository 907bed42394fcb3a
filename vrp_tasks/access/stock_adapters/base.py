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
        texts: list[str] = lm.tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return texts

    def answer_rule(self, lm: Any, settings: dict[str, Any]) -> AnswerRule:
        """What it makes an answer by."""
        return AnswerRule.until(lambda tokens: self.decoded(lm, tokens), self.stops(lm, settings))

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
