"""Ranks that share an engine (tensor parallel, one process each) make equally many calls of it.

The stock adapter merges the prompts of all ranks of a group in each of its calls, so a rank that
calls while another does not waits forever. lmms-eval gives all ranks equally many requests; but
those that are answered already, cannot be shown, or are asked again alone differ from rank to rank.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch.distributed as dist

from vrp_tasks.errors import SetupError
from vrp_tasks.seam.requests import clone_request


class InStep:
    """A stock ``generate_until`` whose every call the ranks of a group make together.

    Parameters
    ----------
    lm : lmms-eval model
        One of its vLLM adapters, with a group of more than one rank.
    stock : callable
        Its own ``generate_until``.
    """

    def __init__(self, lm: Any, stock: Callable[[list[Any]], list[Any]]) -> None:
        self._lm, self._stock = lm, stock

    @staticmethod
    def is_needed(lm: Any) -> bool:
        """Whether an adapter's instance shares its engine with other processes."""
        return (
            getattr(lm, "_tp_world_size", 1) > 1
            and getattr(lm, "_tp_group_cpu", None) is not None
            and dist.is_available()
            and dist.is_initialized()
        )

    def __call__(self, requests: list[Any]) -> list[Any]:
        """Answer requests; where another rank has more of them, the last one goes along again."""
        size = self._lm.batch_size_per_gpu
        most = max(self._told(-(-len(requests) // size)))
        short = (most - 1) * size + 1 - len(requests)
        beside = [clone_request(requests[-1]) for _ in range(short)]
        return self._stock([*requests, *beside])[: len(requests)]

    def wait(self, requests: Sequence[Any]) -> None:
        """Take part in the others' calls, with one of the requests, until no rank has any left.

        Raises
        ------
        SetupError
            If this rank was given no request.
        """
        if not requests:
            raise SetupError(
                f"there are fewer documents than the {self._lm._tp_world_size} processes that "
                "share an engine. Ask more (--limit), or start fewer processes."
            )
        while most := max(self._told(0)):
            size = self._lm.batch_size_per_gpu
            self._stock([clone_request(requests[-1]) for _ in range((most - 1) * size + 1)])

    def union(self, names: Iterable[str]) -> list[str]:
        """What any rank has, in the same order on all."""
        return list(dict.fromkeys(name for own in self._told(list(names)) for name in own))

    def _told(self, own: Any) -> Sequence[Any]:
        """What each rank says."""
        found: list[Any] = [None] * self._lm._tp_world_size
        dist.all_gather_object(found, own, group=self._lm._tp_group_cpu)
        return found
