"""What a task does beside the capture: interventions, grounding. Chosen by keys of its metadata.

A companion may add observers to the capture, look at each slice of samples as it is captured, and
use the model again once the clean pass over the task is done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from vrp_tasks.attach.settings import function_at, given_keys
from vrp_tasks.capture.observer import ObserverFactory
from vrp_tasks.capture.result import Captured

if TYPE_CHECKING:
    from vrp_tasks.access.transformers import ProbedAdapter
    from vrp_tasks.run.session import Session

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

    @classmethod
    def check(cls, model: Any, task: str, keys: Mapping[str, Any]) -> None:
        """Raise SetupError for settings that cannot be had; called before the first sample.

        Parameters
        ----------
        model : PreTrainedModel
            Of a family that can be probed.
        task : str
            The task's name.
        keys : mapping
            Of the task's ``metadata.vrp``, the companion's own among them.
        """

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
    keys = given_keys(session.tasks[task].config.metadata["vrp"])
    return [
        companion(adapter, session, task, keys[key])
        for key, companion in companions_among(keys).items()
    ]


def companions_among(keys: Mapping[str, Any]) -> dict[str, type[Companion]]:
    """The companions that keys of ``metadata.vrp`` ask for, by their key."""
    wanted = {key: path for key, path in COMPANIONS.items() if keys.get(key)}
    return {key: cast("type[Companion]", function_at(path)) for key, path in wanted.items()}
