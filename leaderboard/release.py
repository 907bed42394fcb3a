"""A comparison as text: for a terminal and Markdown, JSON, and JUnit for a CI's test tab."""

from __future__ import annotations

import json
from xml.etree import ElementTree

from leaderboard.cells import UNDEFINED, Cell, text_cell
from leaderboard.compare import Comparison, TaskComparison
from leaderboard.tables import Block, Table
from leaderboard.text import clean
from leaderboard.verdicts import Gate

ORDER = ("regressed", "cannot tell", "unchanged within margin", "improved")
READING = (
    "Difference: new less old on the same samples, 95 % interval by bootstrap over images, both "
    "runs resampled together. regressed / improved: beyond the margin and, Holm-adjusted over all "
    "gates, different from zero. unchanged within margin: the interval lies inside it. "
    "Detectable: the smallest true difference found with 80 % power."
)


def gates_table(comparison: Comparison, task: TaskComparison) -> Table:
    """Gates of one task.

    Parameters
    ----------
    comparison, task
        The whole, and the task to show.

    Returns
    -------
    Table
    """
    columns = ("gate", "old", "new", "difference", "margin", "detectable", "p (Holm)", "verdict")
    rows = tuple(_row(gate) for gate in task.gates)
    title = f"{clean(task.task)}: n {task.n}, {task.n_groups} images"
    notes = [READING, f"old: {clean(comparison.old)}", f"new: {clean(comparison.new)}"]
    notes += [f"compared although they differ in {clean(what)}" for what in comparison.differing]
    return Table(f"compare-{task.task}", title, columns, (Block("", rows),), tuple(notes))


def summary(comparison: Comparison) -> str:
    """One line: how many gates got which verdict, the regressed ones by name."""
    verdicts = [gate.verdict for _, gate in comparison.gates]
    counts = [f"{verdicts.count(v)} {v}" for v in ORDER if v in verdicts]
    named = [
        clean(f"{task}/{gate.difference.gate}")
        for task, gate in comparison.gates
        if gate.verdict == "regressed"
    ]
    return "; ".join(counts) + (f": {', '.join(named)}" if named else "")


def comparison_as_json(comparison: Comparison) -> str:
    """All gates with unrounded figures; a figure that does not exist is null with its reason."""
    data = {
        "old": comparison.old,
        "new": comparison.new,
        "has_regressed": comparison.has_regressed,
        "differing": list(comparison.differing),
        "gates": [_gate_as_json(task, gate) for task, gate in comparison.gates],
    }
    return json.dumps(data, indent=1, allow_nan=False) + "\n"


def comparison_as_junit(comparison: Comparison) -> str:
    """One test case per gate: a regression fails, "cannot tell" is skipped."""
    verdicts = [gate.verdict for _, gate in comparison.gates]
    suite = ElementTree.Element(
        "testsuite",
        name="vrp-leaderboard compare",
        tests=str(len(verdicts)),
        failures=str(verdicts.count("regressed")),
        skipped=str(verdicts.count("cannot tell")),
    )
    for task, gate in comparison.gates:
        case = ElementTree.SubElement(
            suite, "testcase", classname=clean(task), name=gate.difference.gate
        )
        message = _sentence(gate)
        if gate.verdict == "regressed":
            ElementTree.SubElement(case, "failure", message=message)
        elif gate.verdict == "cannot tell":
            ElementTree.SubElement(case, "skipped", message=message)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _row(gate: Gate) -> tuple[Cell, ...]:
    d = gate.difference
    notes = () if d.reason is None else (clean(d.reason),)
    return (
        text_cell(d.gate),
        _number(d.old),
        _number(d.new),
        Cell((_interval(gate),), d.value, notes),
        _number(gate.margin),
        _number(gate.detectable),
        _number(gate.p_value),
        Cell((gate.verdict,), state="warning" if gate.verdict == "regressed" else "value"),
    )


def _number(value: float | None) -> Cell:
    return Cell((UNDEFINED,)) if value is None else Cell((f"{value:.3f}",), value)


def _interval(gate: Gate) -> str:
    d = gate.difference
    if d.value is None or d.low is None or d.high is None:
        return UNDEFINED
    return f"{d.value:+.3f} [{d.low:+.3f}, {d.high:+.3f}]"


def _sentence(gate: Gate) -> str:
    if gate.difference.reason is not None:
        return clean(f"{gate.verdict}: {gate.difference.reason}")
    return f"{gate.verdict}: {_interval(gate)}, margin {gate.margin:.3f}"


def _gate_as_json(task: str, gate: Gate) -> dict[str, object]:
    d = gate.difference
    return {
        "task": task,
        "gate": d.gate,
        "verdict": gate.verdict,
        "old": d.old,
        "new": d.new,
        "difference": d.value,
        "low": d.low,
        "high": d.high,
        "stderr": d.stderr,
        "margin": gate.margin,
        "detectable": gate.detectable,
        "p_value": gate.p_value,
        "reason": d.reason,
    }
