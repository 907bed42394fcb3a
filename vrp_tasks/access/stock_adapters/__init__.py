"""What particular stock adapters do beside calling ``generate``; a new one is a file and a line."""

from __future__ import annotations

from typing import Any

from vrp_tasks.access.stock_adapters.base import KeepsParagraphs, StockAdapter, Uncut
from vrp_tasks.access.stock_adapters.internvl_hf import InternVLHf
from vrp_tasks.access.stock_adapters.llava_hf import LlavaHfChat, LlavaHfSimple
from vrp_tasks.access.stock_adapters.qwen2_vl import Qwen2VL

__all__ = ["StockAdapter", "stock_adapter_of"]

# module of an adapter -> what it does
_BY_MODULE: dict[str, StockAdapter] = {
    "lmms_eval.models.chat.internvl_hf": InternVLHf(),
    "lmms_eval.models.chat.llava_hf": LlavaHfChat(),
    "lmms_eval.models.simple.llava_hf": LlavaHfSimple(),
    "lmms_eval.models.simple.qwen2_vl": Qwen2VL(),
    **dict.fromkeys(
        (
            *("lmms_eval.models.chat.qwen2_5_vl", "lmms_eval.models.chat.qwen3_vl"),
            *("lmms_eval.models.chat.qwen3_5", "lmms_eval.models.chat.lfm2_5_vl"),
            *("lmms_eval.models.simple.idefics2", "lmms_eval.models.simple.llama_vision"),
            "lmms_eval.models.simple.mistral3_vl",
        ),
        Uncut(),
    ),
    **dict.fromkeys(
        (
            *("lmms_eval.models.simple.qwen2_5_vl", "lmms_eval.models.simple.qwen3_vl"),
            *("lmms_eval.models.simple.gemma3", "lmms_eval.models.simple.gemma4"),
        ),
        KeepsParagraphs(),
    ),
}


def stock_adapter_of(lm: Any) -> StockAdapter:
    """What the adapter behind a model instance does."""
    return _BY_MODULE.get(type(lm).__module__, StockAdapter())
