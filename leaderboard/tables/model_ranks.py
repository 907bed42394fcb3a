"""Ranks of models on a benchmark, per figure, among those of which as much is seen.

Three tables of which each has models of the one before: what answers tell, of every model; what
log-probabilities tell; what the inside tells. A model that shows more stands in all three, on the
same samples, and no table has the best signal of one level against that of another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from leaderboard.results.aggregate import RunResult, TaskResult
from leaderboard.results.ranking import ACCURACY, Replicates
from leaderboard.runs.origin import adapter_of, engine_of, prompts_text, sampling_of
from leaderboard.tables.cells import Cell, text_cell, undefined_cell
from leaderboard.tables.rank_text import (
    METHOD,
    format_rank,
    middle_of,
    ranking_in,
    why_unranked,
)
from leaderboard.tables.table import Block, Table, task_title
from metrics.errors import UndefinedMetricError
from metrics.record.channels import DEPTHS, Depth
from metrics.scores.ranks import RankInterval, rank_intervals
from metrics.signals import BY_NAME

MODEL_RANKS = "ranks-models-"
MODELS = (
    "Models on the same samples are compared pairwise, on different ones as independent. Below 30 "
    "of either class there is no rank."
)
PROMPTS = (
    "Prompts: what was hashed, and the hash; rows in which both are equal were asked in the same "
    "words. Another adapter asks the same question otherwise, which moves accuracy and signals."
)
_TITLES: dict[Depth, str] = {
    "answers": "Ranks of models by their answers",
    "log-probabilities": "Ranks of models by log-probabilities",
    "inside": "Ranks of models by their inside",
}
Pairs = Sequence[tuple[RunResult, TaskResult]]


def model_rank_tables(pairs: Pairs, task: str) -> Iterator[Table]:
    """By accuracy, then one table per depth of what is seen, of two models at least.

    Models whose samples were drawn otherwise (k, temperature, top-p) share no table of what
    samples tell.

    Parameters
    ----------
    pairs : sequence of (RunResult, TaskResult)
        Of one benchmark, each with a ranking.
    task : str
        Its name.
    """
    if len(pairs) < 2:
        return
    yield _table("", "Ranks of models", task, pairs, [ACCURACY])
    for depth in DEPTHS:
        names = [n for n, s in BY_NAME.items() if s.headline and s.depth == depth]
        names = [n for n in names if any(_has(result, n) for _, result in pairs)]
        shown = [pair for pair in pairs if any(_offers(pair[1], name) for name in names)]
        for said, own in _apart(shown, depth).items():
            if len(own) > 1:
                sampling = text_cell(said).lines[0]
                title = f"{_TITLES[depth]}{sampling and f' ({sampling})'}"
                yield _table(f"{depth}{sampling and f' {sampling}'}-", title, task, own, names)


def _has(result: TaskResult, figure: str) -> bool:
    return any(own.name == figure for own in ranking_in(result).figures)


def _offers(result: TaskResult, name: str) -> bool:
    return any(s.name == name and s.not_offered is None for s in result.card.signals)


def _apart(pairs: Pairs, depth: Depth) -> dict[str, list[tuple[RunResult, TaskResult]]]:
    """Runs whose figures of a depth may be compared; how they sampled, where that matters."""
    if depth != "answers":
        return {"": list(pairs)}
    found: dict[str, list[tuple[RunResult, TaskResult]]] = {}
    for pair in pairs:
        found.setdefault(sampling_of(pair[0].manifest), []).append(pair)
    return found


def _table(key: str, title: str, task: str, pairs: Pairs, names: list[str]) -> Table:
    columns = [[_cell(cell) for cell in model_ranks(pairs, name)] for name in names]
    rows = tuple(
        (
            text_cell(run.label),
            *(column[i] for column in columns),
            text_cell(adapter_of(run.manifest)),
            text_cell(engine_of(run.manifest)),
            text_cell(prompts_text(run.manifest, task)),
        )
        for i, (run, _) in enumerate(pairs)
    )
    labels = (BY_NAME[name].label if name in BY_NAME else name for name in names)
    heads = ("model", *labels, "adapter", "engine", "prompts")
    blocks = (Block("", rows),)
    notes = (MODELS, METHOD, PROMPTS)
    return Table(f"{MODEL_RANKS}{key}{task}", task_title(title, task), heads, blocks, notes)


def _cell(found: tuple[float, RankInterval] | str) -> Cell:
    if isinstance(found, str):
        return undefined_cell(found)
    value, rank = found
    return Cell((f"{format_rank(rank)} ({value:.3f})",), middle_of(rank))


def model_ranks(pairs: Pairs, figure: str) -> list[tuple[float, RankInterval] | str]:
    """Value and ranks of each run by one figure, or why it has none.

    Parameters
    ----------
    pairs : sequence of (RunResult, TaskResult)
        Of one benchmark, each with a ranking.
    figure : str
        ``accuracy``, or a headline signal's name.

    Returns
    -------
    list
        In the order given; a text is the reason.
    """
    rankings = [ranking_in(result) for _, result in pairs]
    found = [next((f for f in r.figures if f.name == figure), None) for r in rankings]
    kept = [(i, own) for i, own in enumerate(found) if own is not None]
    shown: list[tuple[float, RankInterval] | str] = [why_unranked(r, figure) for r in rankings]
    if not kept:
        return shown
    drawn = [_paired(own, rankings[i].samples, rankings[kept[0][0]].samples) for i, own in kept]
    try:
        ranks = rank_intervals([own.value for _, own in kept], drawn)
    except UndefinedMetricError as undefined:
        return [str(undefined)] * len(pairs)
    for (i, own), rank in zip(kept, ranks, strict=True):
        shown[i] = (own.value, rank)
    return shown


def _paired(figure: Replicates, samples: str, reference: str) -> np.ndarray:
    """Replicates in an order of their own where the samples differ: nothing is paired then."""
    drawn = np.array(figure.drawn)
    if samples == reference:
        return drawn
    seed = list(hashlib.sha256(samples.encode()).digest()[:8])
    return np.random.default_rng(seed).permutation(drawn)
