"""Which image, kind and reference a document has, as far as its columns and functions tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from metrics.answers.normal_form import normalize_answer
from metrics.record.failures import NO_KIND
from vrp_tasks.attach.groups import group_of
from vrp_tasks.attach.judgement import Judgement
from vrp_tasks.faults import reason_of
from vrp_tasks.place import Place

T = TypeVar("T")


class Identity(NamedTuple):
    """Of one document; ``complaint`` says what could not be told, if anything."""

    group: str
    kind: str
    target: str | None
    complaint: str | None


def identity_of(
    *,
    group: Callable[[], str],
    kind: Callable[[], Any],
    target: Callable[[], str | None],
    pixels: Callable[[], str],
) -> Identity:
    """Ask each; none that fails costs the others.

    Parameters
    ----------
    group, kind, target : callable
        What the task's settings name.
    pixels : callable
        The group where ``group`` fails.
    """
    complaints: list[str] = []

    def tried(what: str, ask: Callable[[], T], otherwise: Callable[[], T]) -> T:
        try:
            return ask()
        except Exception as error:  # noqa: BLE001 - of the user's code
            complaints.append(f"its {what} cannot be told ({reason_of(error)})")
            return otherwise()

    found = tried("kind", kind, lambda: None)
    return Identity(
        group=tried("group", group, pixels),
        kind=NO_KIND if found is None else str(found),
        target=tried("reference answer", target, lambda: None),
        complaint=complaints[0] if complaints else None,
    )


def failed_judgement(
    task: Any, place: Place, doc: Mapping[str, Any], answer: str, reason: str
) -> Judgement:
    """What is known of a document on which whoever scores its answer failed."""
    scorer: Any = getattr(task.config, "process_results", None)
    if hasattr(scorer, "identity"):
        who = scorer.identity(doc, task, place)
    else:
        group = group_of(None, doc, task, place)
        who = Identity(group, NO_KIND, None, None)
    return Judgement(
        place=place,
        answer=answer,
        score=None,
        reason=reason,
        correct=None,
        group=who.group,
        kind=who.kind,
        target=who.target,
        normalize=normalize_answer,
        failure=reason,
    )
