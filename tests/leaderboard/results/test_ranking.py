from dataclasses import replace

import numpy as np
import pytest

from leaderboard.results.aggregate import build_board, evaluate_run
from leaderboard.results.ranking import ACCURACY
from leaderboard.runs.read import Run, read_runs
from leaderboard.tables.formats import to_markdown
from leaderboard.tables.model_ranks import model_ranks
from leaderboard.tables.rank_text import format_rank
from leaderboard.tables.ranks import rank_tables
from metrics.scores.ranks import RankInterval
from tests.leaderboard.helpers.golden import make_manifest, make_records, write_run


def evaluated(records, folder, name="m"):
    run = Run(folder, make_manifest(records, model={"name": name}), tuple(records))
    result = evaluate_run(run)
    return result, result.tasks[0]


def with_labels(records, correct):
    return [
        replace(r, correct=int(c), score=float(c)) for r, c in zip(records, correct, strict=True)
    ]


def test_a_signal_without_information_ranks_below_those_with(tmp_path):
    _, result = evaluated(make_records(600, strength=2.0), tmp_path)
    ranking = result.ranking
    assert ranking.n == 600
    assert {signal.name: format_rank(signal.rank) for signal in ranking.signals} == {
        "spatial_entropy": "4",
        "token_confidence": "1",
        "self_consistency": "2",
        "probe": "3",
    }


def test_what_fitting_adds_may_tie_a_fitted_signal(tmp_path):
    records = make_records(1000)
    ranks = []
    for stderr in (None, 0.0, 0.15):
        own = {"repeats": 20, "stderr": stderr, "stderr_within_kind": stderr, "p": None}
        fits = {} if stderr is None else {"fits": {"shapes:probe": own}}
        run = Run(tmp_path, make_manifest(records, **fits), tuple(records))
        (task,) = evaluate_run(run).tasks
        ranks.append({s.name: s.rank for s in task.ranking.signals})
    assert ranks[0] == ranks[1]
    narrow, wide = (r["probe"].high - r["probe"].low for r in ranks[1:])
    assert wide > narrow


def test_few_errors_have_no_rank(tmp_path):
    records = with_labels(make_records(200), [i >= 29 for i in range(200)])
    _, result = evaluated(records, tmp_path)
    assert result.ranking.reason == "29 errors of 200: no rank below 30 of either class"
    assert result.ranking.signals == ()
    (table,) = rank_tables(build_of(tmp_path, [records, make_records(200)]), "shapes")[-1:]
    text = to_markdown(table)
    assert "29 errors of 200: no rank below 30" in text


def build_of(folder, runs):
    for i, records in enumerate(runs):
        write_run(folder / "runs" / str(i), records, model={"name": f"m{i}"})
    return build_board(read_runs([folder / "runs"]))


def test_a_signal_that_is_often_missing_has_no_rank_and_leaves_the_others_theirs(tmp_path):
    records = [
        r if i % 5 else replace(r, signals=r.signals | {"probe": None}, missing={"probe": "?"})
        for i, r in enumerate(make_records(400))
    ]
    _, result = evaluated(records, tmp_path)
    assert result.ranking.n == 400
    assert dict(result.ranking.left_out) == {"probe": "missing on 80 of 400 samples"}
    assert len(result.ranking.signals) == 3


def test_models_on_the_same_samples_are_paired(tmp_path):
    """A model that is right on the same answers and ten more is better beyond doubt."""
    rng = np.random.default_rng(0)
    records = make_records(400)
    right = rng.random(400) < 0.7
    better = right.copy()
    better[np.flatnonzero(~right)[:12]] = True
    pairs = [evaluated(with_labels(records, labels), tmp_path) for labels in (right, better)]
    assert [rank for _, rank in model_ranks(pairs, ACCURACY)] == [
        RankInterval(2, 2), RankInterval(1, 1),
    ]  # fmt: skip
    elsewhere = [replace(r, doc_id=f"{r.doc_id}x") for r in with_labels(records, better)]
    pairs[1] = evaluated(elsewhere, tmp_path)
    assert [rank for _, rank in model_ranks(pairs, ACCURACY)] == [RankInterval(1, 2)] * 2


def test_tables_show_ties_as_ties(tmp_path):
    records = make_records(400)
    signals, models, *_ = rank_tables(build_of(tmp_path, [records, records]), "shapes")
    assert models.columns == ("model", "accuracy", "adapter", "engine", "prompts")
    cells = [row[1].lines[0] for row in models.blocks[0].rows]
    accuracy = np.mean([record.correct for record in records])
    assert cells == [f"1–2 ({accuracy:.3f})"] * 2
    assert [cell.lines[0][-4:] for cell in signals.blocks[0].rows[0][1:]] == ["of 4"] * 2


def test_one_model_is_not_ranked_among_models(tmp_path):
    (table,) = rank_tables(build_of(tmp_path, [make_records(400)]), "shapes")
    assert table.key == "ranks-signals-shapes"


def test_a_split_without_labels_has_no_rank(tmp_path):
    records = [replace(r, score=None, correct=None) for r in make_records(20)]
    _, result = evaluated(records, tmp_path)
    assert "no rank below 30" in result.ranking.reason


@pytest.mark.parametrize(("low", "high", "text"), [(2, 2, "2"), (1, 5, "1–5")])
def test_format(low, high, text):
    assert format_rank(RankInterval(low, high)) == text
