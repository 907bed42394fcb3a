"""``--model qwen2_vl``."""

from typing import Any

from lmms_eval.models.simple.qwen2_vl import Qwen2_VL

from vrp_tasks.adapters.base import ProbedAdapter


class ProbedQwen2VL(ProbedAdapter, Qwen2_VL):
    """Qwen2-VL checkpoints."""

    family_type = "qwen2_vl"

    def stops(self, settings: dict[str, Any]) -> str | list[str]:
        """The task's ``until``, or the end-of-turn token's text."""
        end: str = self.tokenizer.decode(self.eot_token_id)
        return settings.get("until", end)

    def decoded(self, tokens: list[list[int]]) -> list[str]:
        """Without the tokenizer's own tidying of spaces."""
        texts: list[str] = self.processor.batch_decode(
            tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return texts
