"""The engine in this process that an adapter calls, replaced on the adapter's instance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from vrp_tasks.seam.client import ask_prompt, standing_in


def served_engine(lm: Any, engine: Any) -> AbstractContextManager[None]:
    """Serve the adapter's calls of its engine; the stock one is put back on leaving."""
    return standing_in(lm, "client", engine)


def batches_of(lm: Any, size: int) -> AbstractContextManager[None]:
    """The adapter hands its engine so many requests at once inside the block."""
    return standing_in(lm, "batch_size_per_gpu", size)


@dataclass(frozen=True)
class StockCall:
    """How an adapter calls its engine: the method's name, one prompt, and what goes with it."""

    method: str
    prompt: Any
    params: Any
    options: dict[str, Any]


class _Noting:
    """An engine that answers nothing and notes how it is called."""

    def __init__(self, engine: Any) -> None:
        self._engine, self.calls = engine, list[StockCall]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def chat(self, messages: Sequence[Any], sampling_params: Any, **options: Any) -> list[Any]:
        return self._noted("chat", messages, sampling_params, options)

    def generate(self, prompts: Sequence[Any], sampling_params: Any, **options: Any) -> list[Any]:
        return self._noted("generate", prompts, sampling_params, options)

    def get_metrics(self) -> list[Any]:
        """None: the stock adapter divides by how often the engine was called."""
        return []

    def _noted(self, name: str, prompts: Sequence[Any], params: Any, options: Any) -> list[Any]:
        one = params[0] if isinstance(params, Sequence) else params
        self.calls.append(StockCall(name, prompts[0], one, options))
        return [SimpleNamespace(outputs=[SimpleNamespace(text="-")]) for _ in prompts]


def stock_call(lm: Any, stock: Callable[[list[Any]], list[Any]], **prompt: Any) -> StockCall:
    """How the adapter would ask its engine for a prompt; the engine is not asked.

    Parameters
    ----------
    lm, stock
        The adapter's instance, and its own ``generate_until``.
    prompt
        As `ask_prompt` takes it.
    """
    noting = _Noting(lm.client)
    with served_engine(lm, noting):
        ask_prompt(lm, stock, **prompt)
    return noting.calls[0]
