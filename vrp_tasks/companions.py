"""What a task does beside the capture: interventions, grounding. Chosen by keys of its metadata.

A companion may add observers to the capture, look at each slice of samples as it is captured, and
use the model again once the clean pass over the task is done.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vrp_tasks.capture.observer import ObserverFactory
from vrp_tasks.capture.result import Captured

if TYPE_CHECKING:
    from vrp_tasks.adapters.base import ProbedAdapter
    from vrp_tasks.session import Session

# key of metadata.vrp -> companion
COMPANIONS: dict[str, str] = {
    "robustness": "vrp_tasks.interventions.companion:Robustness",
    "grounding": "vrp_tasks.grounding.companion:Grounding",
}


class Companion:
    """Work beside one task, on one rank.

    Parameters
    ----------
    adapter : ProbedAdapter
        Has the model; `ProbedAdapter.serve` sends requests through the stock preparation.
    session : Session
        Has the task, its scorer and the run folder.
    task : str
        The task's name.
    options : object
        What stands at the companion's key: true, or a mapping of settings.
    """

    def __init__(self, adapter: ProbedAdapter, session: Session, task: str, options: Any) -> None:
        self.adapter, self.session, self.task, self.options = adapter, session, task, options

    def observers(self) -> Sequence[ObserverFactory]:
        """Measurements to take beside the standard ones."""
        return ()

    def after_slice(
        self, requests: list[Any], captured: list[Captured], payloads: list[dict[str, Any]]
    ) -> None:
        """Some samples have just been captured and written; one entry of each list per sample."""

    def after_task(self, requests: list[Any], payloads: list[dict[str, Any]]) -> None:
        """All samples of this rank are there, those of an interrupted run included."""


def companions_for(adapter: ProbedAdapter, session: Session, task: str) -> list[Companion]:
    """The companions that a task's metadata ask for."""
    settings = session.tasks[task].config.metadata["vrp"]
    wanted = settings if isinstance(settings, dict) else {}
    found = []
    for key, path in COMPANIONS.items():
        if wanted.get(key):
            module, name = path.split(":")
            companion = getattr(importlib.import_module(module), name)
            found.append(companion(adapter, session, task, wanted[key]))
    return found
