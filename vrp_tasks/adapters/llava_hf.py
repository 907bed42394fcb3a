"""``--model llava_hf``, chat (lmms-eval's default) and simple."""

from typing import Any

from lmms_eval.models.chat.llava_hf import LlavaHf
from lmms_eval.models.simple.llava_hf import LlavaHf as LlavaHfSimple

from vrp_tasks.adapters.base import ProbedAdapter


class _Uncut(ProbedAdapter):
    """The stock adapters read a task's ``until`` and do nothing with it."""

    family_type = "llava"

    def stops(self, settings: dict[str, Any]) -> list[str]:
        """None."""
        return []


class ProbedLlavaHf(_Uncut, LlavaHf):
    """LLaVA 1.5 checkpoints through chat messages."""


class ProbedLlavaHfSimple(_Uncut, LlavaHfSimple):
    """LLaVA 1.5 checkpoints through a text context."""
