"""How ranks are written, and how they are to be read."""

from __future__ import annotations

from leaderboard.results.aggregate import TaskResult
from leaderboard.results.ranking import Ranking
from leaderboard.tables.table import NOT_RECORDED
from metrics.scores.ranks import RankInterval

METHOD = (
    "A rank is an interval: 1 + the number of those that are higher beyond doubt, to m less the "
    "number that are lower beyond doubt. Beyond doubt: paired difference on joint resamples over "
    "images, Holm-adjusted over all pairs; all intervals hold at once with 95 %. Overlapping "
    "intervals are ties."
)


def format_rank(rank: RankInterval) -> str:
    """``3`` or ``3–7``."""
    return str(rank.low) if rank.low == rank.high else f"{rank.low}–{rank.high}"


def middle_of(rank: RankInterval) -> float:
    """What a column of ranks sorts by."""
    return (rank.low + rank.high) / 2


def ranking_in(result: TaskResult) -> Ranking:
    """The ranking of a result that has one."""
    assert result.ranking is not None
    return result.ranking


def why_unranked(ranking: Ranking, figure: str) -> str:
    """Why a figure has no rank."""
    return dict(ranking.left_out).get(figure) or ranking.reason or NOT_RECORDED
