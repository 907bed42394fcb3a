"""``--model qwen2_vl``."""

from lmms_eval.models.simple.qwen2_vl import Qwen2_VL

from vrp_tasks.access.transformers import ProbedAdapter


class ProbedQwen2VL(ProbedAdapter, Qwen2_VL):
    """Qwen2-VL checkpoints."""

    family_type = "qwen2_vl"
