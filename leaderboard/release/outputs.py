"""A comparison as text: for a terminal and Markdown, JSON, and JUnit for a CI's test tab."""

from __future__ import annotations

import json
from xml.etree import ElementTree

from leaderboard.release.compare import Comparison, TaskComparison
from leaderboard.release.promises import promise_as_json, promise_sentence, promises_table
from leaderboard.release.tolerances import is_lower_better
from leaderboard.release.verdicts import Gate
from leaderboard.tables.cells import UNDEFINED, Cell, format_difference, text_cell
from leaderboard.tables.table import Block, Table
from leaderboard.tables.text import clean
from metrics.core.limits import LEAST_GROUPS, LEAST_PER_CLASS

ORDER = ("regressed", "cannot tell", "unchanged within margin", "improved", "not offered")
FAILED = ("regressed", "broken")
SKIPPED = ("cannot tell", "not offered")
READING = (
    "Difference: new less old on the same samples, 95 % interval over images. regressed / "
    "improved: a true change within the margin is refuted, Holm-adjusted over all gates (for one "
    "gate: the interval lies beyond the margin); AUGRC and ECE get better by falling. unchanged "
    "within margin: the interval lies inside it. Detectable: the smallest true change that is "
    "called regressed with 80 % power. "
    f"No verdict below {LEAST_GROUPS} images, nor, but for accuracy, below {LEAST_PER_CLASS} right "
    "or wrong answers. not offered: access to the model, or a setting of the run, leaves the "
    "signal out."
)


def comparison_tables(comparison: Comparison) -> list[Table]:
    """The gates of each task, then promises if any policy was asked for."""
    tables = [gates_table(comparison, task) for task in comparison.tasks]
    return [*tables, promises_table(comparison.promises)] if comparison.promises else tables


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
    columns = (
        "gate",
        "old",
        "new",
        "difference",
        "margin",
        "detectable",
        "p (Holm)",
        "n",
        "images",
        "verdict",
    )
    rows = tuple(_row(gate) for gate in task.gates)
    title = f"{clean(task.task)}: n {task.n}, {task.n_groups} images"
    notes = [READING, f"old: {clean(comparison.old)}", f"new: {clean(comparison.new)}"]
    notes += [f"compared although they differ in {clean(what)}" for what in comparison.differing]
    notes += [clean(what) for what in comparison.prompts]
    return Table(f"compare-{task.task}", title, columns, (Block("", rows),), tuple(notes))


def summary(comparison: Comparison) -> str:
    """One line: what regressed, by name; how many gates got which verdict; then promises."""
    verdicts = [gate.verdict for _, gate in comparison.gates]
    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in ORDER if v in verdicts)
    named = [
        clean(f"{task}/{gate.change.gate}")
        for task, gate in comparison.gates
        if gate.verdict == "regressed"
    ]
    lead = f"Regressed: {', '.join(named)}" if named else "No regression"
    gates = f"{lead} (gates: {counts})" if verdicts else lead
    promises = [f"{clean(p.task)}/{p.gate} {promise_sentence(p)}" for p in comparison.promises]
    return "; ".join([gates, *promises])


def comparison_as_json(comparison: Comparison) -> str:
    """All gates with unrounded figures; a figure that does not exist is null with its reason."""
    data = {
        "old": comparison.old,
        "new": comparison.new,
        "has_regressed": comparison.has_regressed,
        "differing": list(comparison.differing),
        "prompts": list(comparison.prompts),
        "gates": [_gate_as_json(task, gate) for task, gate in comparison.gates],
        "promises": [promise_as_json(promise) for promise in comparison.promises],
    }
    return json.dumps(data, indent=1, allow_nan=False) + "\n"


def comparison_as_junit(comparison: Comparison) -> str:
    """One test case per gate and promise: what regressed or broke fails, no verdict is skipped."""
    cases: list[tuple[str, str, str, str]] = [
        (task, gate.change.gate, gate.verdict, _sentence(gate)) for task, gate in comparison.gates
    ]
    cases += [(p.task, p.gate, p.new.verdict, promise_sentence(p)) for p in comparison.promises]
    verdicts = [verdict for *_, verdict, _ in cases]
    suite = ElementTree.Element(
        "testsuite",
        name="vrp-leaderboard compare",
        tests=str(len(verdicts)),
        failures=str(sum(verdict in FAILED for verdict in verdicts)),
        skipped=str(sum(verdict in SKIPPED for verdict in verdicts)),
    )
    for task, gate, verdict, message in cases:
        case = ElementTree.SubElement(suite, "testcase", classname=clean(task), name=gate)
        if verdict in FAILED:
            ElementTree.SubElement(case, "failure", message=message)
        elif verdict in SKIPPED:
            ElementTree.SubElement(case, "skipped", message=message)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _row(gate: Gate) -> tuple[Cell, ...]:
    change = gate.change
    notes = () if change.note is None else (clean(change.note),)
    return (
        text_cell(change.gate),
        _number(change.old),
        _number(change.new),
        Cell((_interval(gate),), change.value, notes),
        _number(gate.margin),
        _number(gate.detectable),
        _number(gate.p_value),
        Cell((str(change.n),), float(change.n)),
        Cell((str(change.n_groups),), float(change.n_groups)),
        Cell((gate.verdict,), state="warning" if gate.verdict == "regressed" else "value"),
    )


def _number(value: float | None) -> Cell:
    return Cell((UNDEFINED,)) if value is None else Cell((f"{value:.3f}",), value)


def _interval(gate: Gate) -> str:
    return format_difference(gate.change.difference.estimate)


def _sentence(gate: Gate) -> str:
    change = gate.change
    counts = f"{change.n} answers, {change.n_groups} images"
    if change.reason is not None:
        return clean(f"{gate.verdict}: {change.reason} ({counts})")
    return f"{gate.verdict}: {_interval(gate)}, margin {gate.margin:.3f} ({counts})"


def _gate_as_json(task: str, gate: Gate) -> dict[str, object]:
    change, found = gate.change, gate.change.difference.estimate
    return {
        "task": task,
        "gate": change.gate,
        "verdict": gate.verdict,
        "lower_is_better": is_lower_better(change.gate),
        "n": change.n,
        "n_groups": change.n_groups,
        "old": change.old,
        "new": change.new,
        "difference": found.value,
        "low": found.low,
        "high": found.high,
        "stderr": found.stderr,
        "margin": gate.margin,
        "detectable": gate.detectable,
        "p_value": gate.p_value,
        "reason": found.reason,
        "note": found.note,
    }
