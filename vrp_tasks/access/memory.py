"""Less at a time once the device has run out of memory: what is asked does not change."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from loguru import logger

from vrp_tasks.faults import is_out_of_memory, let_go

R = TypeVar("R")
T = TypeVar("T")


@dataclass
class Room:
    """What goes through the model at once: at first all that was asked for, then halves of it.

    Attributes
    ----------
    batch : int
        Prompts.
    samples : int
        Of each prompt's K samples, so many beside its answer; the others in further passes.
    times : int
        How often memory ran out.
    """

    batch: int
    samples: int
    times: int = 0

    def fitted(self, ask: Callable[[list[R]], list[T]], requests: Sequence[R]) -> list[T]:
        """Ask, with less at a time where memory runs out, and from then on.

        Raises
        ------
        Exception
            What ``ask`` raises, once a single prompt with a single sample is too much.
        """
        found: list[T] = []
        while len(found) < len(requests):
            part = list(requests[len(found) : len(found) + self.batch])
            try:
                found += ask(part)
            except Exception as error:
                if not is_out_of_memory(error) or not self._halve(len(part)):
                    raise
                let_go(error)
            else:
                continue
            _emptied()
        return found

    def _halve(self, n: int) -> bool:
        """Whether there was anything to halve; first prompts, then samples."""
        if n > 1:
            self.batch = n // 2
        elif self.samples > 1:
            self.samples //= 2
        else:
            return False
        self.times += 1
        logger.warning(
            f"Out of memory: {self.batch} prompts at a time from here on, with "
            f"{self.samples} samples beside each answer. Answers and samples stay the same."
        )
        return True

    def described(self) -> dict[str, Any]:
        """For the manifest's ``cost``; nothing where memory was enough."""
        if not self.times:
            return {}
        return {
            "out_of_memory": {
                "times": self.times,
                "prompts_at_once": self.batch,
                "samples_at_once": self.samples,
            }
        }


def _emptied() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
