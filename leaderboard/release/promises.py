"""A policy as a gate: whether the threshold that stands keeps its promise on a new release."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard.errors import PolicyError
from leaderboard.policies.apply import Applied, apply_policy
from leaderboard.policies.policy import Policy
from leaderboard.policies.words import risk_words
from leaderboard.runs.read import Run
from leaderboard.tables.cells import UNDEFINED, Cell, number_cell, text_cell
from leaderboard.tables.table import Block, Table
from leaderboard.tables.text import clean

READING = (
    "Risk: share of wrong answers among those shown, all labelled answers of the run, with bounds "
    "over images, each at the confidence of the promise. kept: the upper bound is at most the "
    "promised risk; BROKEN: the lower bound is above it."
)


@dataclass(frozen=True)
class Promise:
    """One policy on both runs; ``old`` is None where it cannot be applied to that run."""

    old: Applied | None
    new: Applied

    @property
    def gate(self) -> str:
        """Its name among the gates."""
        return f"policy.{self.new.policy.signal.name}"

    @property
    def task(self) -> str:
        """The task that it is about."""
        return self.new.policy.task.name


def promises_of(
    policies: Sequence[Policy], old: Run, new: Run, *, allow_different: bool
) -> tuple[Promise, ...]:
    """Hold policies against the new run; raises PolicyError where one does not fit it."""
    found = []
    for policy in policies:
        applied = apply_policy(policy, new, allow_different=allow_different)
        found.append(Promise(_or_none(policy, old), applied))
    return tuple(found)


def promises_table(promises: Sequence[Promise]) -> Table:
    """One row a policy."""
    columns = (
        "policy", "promised risk", "confidence", "risk, old", "risk, new", "shown, old",
        "shown, new", "n", "images", "verdict",
    )  # fmt: skip
    notes = [READING]
    for promise in promises:
        notes += [f"{promise.gate}: {clean(what)}" for what in promise.new.notes]
        notes += [f"{promise.gate}: differs in {clean(w)}" for w in promise.new.differing]
    rows = tuple(_row(promise) for promise in promises)
    return Table("compare-policies", "Promises", columns, (Block("", rows),), tuple(notes))


def promise_sentence(promise: Promise) -> str:
    """One line: the verdict and the figures that it comes from."""
    found, promised = promise.new.found, promise.new.policy.promise
    return (
        f"promise {_verdict(promise)}: risk {risk_words(found)} of the {found.n_shown} answers "
        f"shown, promised {100 * promised.risk:.3g} % at confidence {promised.confidence:g}"
    )


def promise_as_json(promise: Promise) -> dict[str, object]:
    """Unrounded figures."""
    sides = {"old": promise.old, "new": promise.new}
    data: dict[str, object] = {
        side: None
        if applied is None
        else {
            "risk": applied.found.risk,
            "low": applied.found.low,
            "high": applied.found.high,
            "coverage": applied.found.coverage.value,
            "n": applied.found.n,
            "n_groups": applied.found.n_groups,
            "n_shown": applied.found.n_shown,
            "n_wrong": applied.found.n_wrong,
        }
        for side, applied in sides.items()
    }
    promised = promise.new.policy.promise
    return {
        "task": promise.task,
        "gate": promise.gate,
        "verdict": promise.new.verdict,
        "threshold": promised.threshold,
        "promised_risk": promised.risk,
        "confidence": promised.confidence,
        "differing": list(promise.new.differing),
        "notes": list(promise.new.notes),
    } | data


def _or_none(policy: Policy, run: Run) -> Applied | None:
    try:
        return apply_policy(policy, run, allow_different=True)
    except PolicyError:
        return None


def _row(promise: Promise) -> tuple[Cell, ...]:
    new, promised = promise.new.found, promise.new.policy.promise
    where = f"{promise.new.policy.signal.name} ≥ {promised.threshold:.6g}"
    state = "warning" if promise.new.verdict == "broken" else "value"
    return (
        text_cell(promise.task, where),
        number_cell(promised.risk),
        number_cell(promised.confidence),
        _risk(promise.old),
        _risk(promise.new),
        _coverage(promise.old),
        _coverage(promise.new),
        number_cell(new.n, "{:.0f}"),
        number_cell(new.n_groups, "{:.0f}"),
        Cell((_verdict(promise),), state=state),  # type: ignore[arg-type]
    )


def _risk(applied: Applied | None) -> Cell:
    if applied is None or applied.found.risk is None:
        return Cell((UNDEFINED,))
    found = applied.found
    return Cell((f"{found.risk:.3f} [{found.low:.3f}, {found.high:.3f}]",), found.risk)


def _coverage(applied: Applied | None) -> Cell:
    return number_cell(None if applied is None else applied.found.coverage.value)


def _verdict(promise: Promise) -> str:
    return "BROKEN" if promise.new.verdict == "broken" else promise.new.verdict
