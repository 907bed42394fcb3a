"""What a task does beside the observation: interventions, grounding. Chosen by metadata keys.

A companion may add observers to the capture, look at each slice of answers as it comes, and use
the model again once the clean pass over the task is done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from metrics.record.records import SampleRecord
from vrp_tasks.access.base import Access, Asked, Seen
from vrp_tasks.attach.settings import function_at, given_keys

# key of metadata.vrp -> companion
COMPANIONS: dict[str, str] = {
    "robustness": "vrp_tasks.interventions.companion:Robustness",
    "grounding": "vrp_tasks.grounding.companion:Grounding",
}


class Companion:
    """Work beside one task, on one rank.

    Parameters
    ----------
    access : Access
        To the model.
    session : Session
        Has the task, its scorer and the run folder.
    task : str
        The task's name.
    options : object
        What stands at the companion's key: true, or a mapping of settings.
    asked : callable
        Makes an `Asked` of requests, for further passes over the model.
    """

    def __init__(
        self,
        access: Access,
        session: Any,
        task: str,
        options: Any,
        asked: Callable[[list[Any]], Asked],
    ) -> None:
        self.access: Any = access
        self.session, self.task, self.options, self.asked = session, task, options, asked

    @classmethod
    def check(cls, access: Access, task: str, keys: Mapping[str, Any]) -> None:
        """Raise SetupError for settings that cannot be had; called before the first sample.

        Parameters
        ----------
        access : Access
            One that lists the companion's key among those it can serve.
        task : str
            The task's name.
        keys : mapping
            Of the task's ``metadata.vrp``, the companion's own among them.
        """

    def observers(self) -> Sequence[Any]:
        """Measurements to take beside the standard ones."""
        return ()

    def complaints(self, doc: Any) -> Mapping[str, str]:
        """What of a document cannot be had for this, by key of a record's ``missing``."""
        return {}

    def after_slice(
        self, requests: list[Any], seen: list[Seen], records: list[SampleRecord]
    ) -> None:
        """Some samples have just been seen; one entry of each list per sample.

        Their records are written once this returns: what is written here is there for each record
        that is, whenever a run is stopped.
        """

    def after_task(self, requests: list[Any], records: list[SampleRecord]) -> None:
        """All samples of this rank are there, those of an interrupted run included."""


def companions_among(keys: Mapping[str, Any]) -> dict[str, type[Companion]]:
    """The companions that keys of ``metadata.vrp`` ask for, by their key."""
    wanted = {key: path for key, path in COMPANIONS.items() if keys.get(key)}
    return {key: cast("type[Companion]", function_at(path)) for key, path in wanted.items()}


def companions_for(
    access: Access, session: Any, task: str, asked: Callable[[list[Any]], Asked]
) -> list[Companion]:
    """The companions that a task's metadata ask for."""
    keys = given_keys(session.tasks[task].config.metadata["vrp"])
    return [
        companion(access, session, task, keys[key], asked)
        for key, companion in companions_among(keys).items()
    ]
