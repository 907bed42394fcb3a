"""From one run to its cards: one `metrics.card.card.Card` per task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from leaderboard.results.grounding import Grounding
from leaderboard.results.grounding import summarise as summarise_grounding
from leaderboard.results.profiles import LayerProfile, layer_profiles
from leaderboard.results.ranking import Ranking, ranking_of
from leaderboard.results.robustness import Robustness, summarise
from leaderboard.results.screen import Screen, screen_of
from leaderboard.results.summary import Summaries, summarised
from leaderboard.runs.read import Problem, Run
from leaderboard.runs.samples import Showcase, showcase_of
from metrics.card.card import Card
from metrics.card.of_records import card_of_records
from metrics.core.steps import Steps
from metrics.record.columns import of_task, values_of
from metrics.record.records import RunManifest

# of what, steps done, of so many
Within = Callable[[str, int, int], None]


@dataclass(frozen=True)
class TaskResult:
    """What one run says about one task; ``further`` is the data of parts, by `Summary.key`."""

    task: str
    kinds: tuple[str, ...]
    card: Card
    profiles: tuple[LayerProfile, ...] = ()
    showcase: Showcase | None = None
    robustness: Robustness | None = None
    grounding: Grounding | None = None
    ranking: Ranking | None = None
    further: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_mixed(self) -> bool:
        """Whether question kinds are mixed, so that a within-kind AUROC stands beside the plain."""
        return len(self.kinds) > 1


@dataclass(frozen=True)
class RunResult:
    """One run, reduced to what tables and report show; its records are let go."""

    label: str
    path: Path
    manifest: RunManifest
    tasks: tuple[TaskResult, ...]

    @cached_property
    def screen(self) -> Screen:
        """P-values adjusted over all benchmarks of the run."""
        return screen_of({result.task: result.card for result in self.tasks})


@dataclass(frozen=True)
class Board:
    """All results of one build, and the folders that are not in them."""

    runs: tuple[RunResult, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of all tasks, in order of first appearance."""
        return tuple(dict.fromkeys(result.task for run in self.runs for result in run.tasks))

    def of_task(self, task: str) -> list[tuple[RunResult, TaskResult]]:
        """Every run's result on one task."""
        return [(run, result) for run in self.runs for result in run.tasks if result.task == task]


def build_board(runs: Iterable[Run | Problem], summaries: Summaries = ()) -> Board:
    """Evaluate runs one after another, holding the records of one at a time.

    Parameters
    ----------
    runs : iterable of Run or Problem
        As `leaderboard.runs.read.read_runs` yields them.
    summaries : iterable of Summary, default ()
        What else is computed of each.

    Returns
    -------
    Board
        Runs in the order given, labelled so that no two labels are equal.
    """
    return assemble(r if isinstance(r, Problem) else evaluate_run(r, summaries) for r in runs)


def assemble(results: Iterable[RunResult | Problem]) -> Board:
    """Put results together, in the order given, labelled so that no two labels are equal."""
    everything = list(results)
    runs = [result for result in everything if isinstance(result, RunResult)]
    problems = tuple(result for result in everything if isinstance(result, Problem))
    return Board(tuple(_with_unique_labels(runs)), problems)


def evaluate_run(
    run: Run, summaries: Summaries = (), *, within: Within = lambda what, done, of: None
) -> RunResult:
    """Evaluate every task of one run; the same run always gives the same numbers.

    Parameters
    ----------
    run : Run
        A complete run.
    summaries : iterable of Summary, default ()
        What else is computed of it.
    within : callable, optional
        Told of what, how many steps are done, of how many.

    Returns
    -------
    RunResult
    """
    tasks = dict.fromkeys(values_of(run.records, "task"))
    results = [_evaluate_task(run, task, summaries, within) for task in tasks]
    return RunResult(run.model, run.path, run.manifest, tuple(results))


def _evaluate_task(run: Run, task: str, summaries: Summaries, within: Within) -> TaskResult:
    records = run.of_task(task)
    manifest = run.manifest
    card = card_of_records(
        records,
        invalid=of_task(manifest.invalid, task),
        not_offered=of_task(manifest.not_offered, task),
        fits=of_task(manifest.fits, task),
        progress=partial(within, f"{task}, signals"),
    )
    step = Steps(partial(within, f"{task}, what else is computed"), len(tuple(summaries)))
    further = summarised(step.after_each(summaries), run, task)
    return TaskResult(
        task=task,
        kinds=tuple(sorted(set(records.values("kind")))),
        card=card,
        profiles=layer_profiles(records),
        showcase=showcase_of(run, task),
        robustness=summarise(run, task),
        grounding=summarise_grounding(run, task),
        ranking=ranking_of(records, card),
        further=further,
    )


def _with_unique_labels(results: list[RunResult]) -> list[RunResult]:
    """Add the folder's name, then a number, to labels that would be equal on one benchmark."""
    names = [{(result.label, one.task) for one in result.tasks} for result in results]
    counts = Counter(name for own in names for name in own)
    seen: Counter[str] = Counter()
    unique = []
    for result, own in zip(results, names, strict=True):
        label = result.label
        if any(counts[name] > 1 for name in own):
            label = f"{label} ({result.path.name})"
            seen[label] += 1
            label = f"{label} #{seen[label]}" if seen[label] > 1 else label
        unique.append(replace(result, label=label))
    return unique
