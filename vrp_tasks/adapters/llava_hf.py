"""``--model llava_hf``, chat (lmms-eval's default) and simple."""

from lmms_eval.models.chat.llava_hf import LlavaHf
from lmms_eval.models.simple.llava_hf import LlavaHf as LlavaHfSimple

from vrp_tasks.access.transformers import ProbedAdapter


class ProbedLlavaHf(ProbedAdapter, LlavaHf):
    """LLaVA 1.5 checkpoints through chat messages."""

    family_type = "llava"


class ProbedLlavaHfSimple(ProbedAdapter, LlavaHfSimple):
    """LLaVA 1.5 checkpoints through a text context."""

    family_type = "llava"
