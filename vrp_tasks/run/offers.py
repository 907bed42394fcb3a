"""Which signals the access to a model, or the settings of a run, do not offer."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from metrics.record import columns
from metrics.record.observation import Absent
from metrics.signals import BY_NAME
from vrp_tasks.run.folder import RunFolder

NOT_OFFERED = "not-offered"  # note of a run folder


class NotOffered:
    """Why signals are not offered, by "task:signal"; kept in the run folder, past a stop.

    Parameters
    ----------
    folder : RunFolder
        What was noted there before, by any rank, counts.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self.reasons: dict[str, str] = {}
        self._is_new = False
        self.recall()

    def recall(self) -> None:
        """Take over what every rank has noted so far."""
        for _, part in self._folder.notes(NOT_OFFERED):
            self.reasons |= part

    def of_task(self, task: str) -> dict[str, str]:
        """Signal -> reason."""
        return columns.of_task(self.reasons, task)

    def add(self, task: str, absent: Mapping[str, Absent]) -> None:
        """Every signal that needs a channel which is not offered."""
        for signal in BY_NAME.values():
            for channel in signal.needs:
                why = absent.get(channel.name)
                key = f"{task}:{signal.name}"
                if why is not None and why.state == "not offered" and key not in self.reasons:
                    self.reasons[key] = why.reason
                    self._is_new = True

    def add_known(self, task: str, reasons: Mapping[str, str]) -> None:
        """Signals with a reason of their own; an earlier reason stands."""
        for name, why in reasons.items():
            self.reasons.setdefault(f"{task}:{name}", why)

    def withdraw(self, task: str, names: Collection[str], reason: str) -> None:
        """Signals that were offered, or not for another reason."""
        self.reasons |= {f"{task}:{name}": reason for name in names}

    def note(self) -> None:
        """Write what `add` has added to the run folder."""
        if self._is_new:
            self._folder.note(NOT_OFFERED, self.reasons)
            self._is_new = False
