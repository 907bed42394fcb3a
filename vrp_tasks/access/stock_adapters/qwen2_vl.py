"""``--model qwen2_vl``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vrp_tasks.access.stock_adapters.base import StockAdapter


class Qwen2VL(StockAdapter):
    """Simple only."""

    def stops(self, lm: Any, settings: dict[str, Any]) -> str | Sequence[str]:
        """The task's ``until``, or the end-of-turn token's text."""
        end: str = lm.tokenizer.decode(lm.eot_token_id)
        found: str | Sequence[str] = settings.get("until", end)
        return found

    def decoded(self, lm: Any, tokens: list[list[int]]) -> list[str]:
        """Without the tokenizer's own tidying of spaces."""
        texts: list[str] = lm.processor.batch_decode(
            tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return texts
