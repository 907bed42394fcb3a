import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, log_expit
from statsmodels.stats.multitest import multipletests

from leaderboard.report.contents import all_tables, terminal_tables
from leaderboard.report.export import to_csv, to_json
from leaderboard.results.aggregate import build_board
from leaderboard.results.arena import entries_of, pooled_of
from leaderboard.runs.read import read_run
from leaderboard.tables.arena import arena_tables, pooled_tables, seconds_of
from leaderboard.tables.formats import to_markdown
from metrics.comparison.differences import smallest_detectable_difference
from metrics.comparison.random_effects import random_effects_mean
from tests.leaderboard.helpers.golden import make_records, write_run


def records(task="shapes", *, seed=0, n=480):
    """Semantic entropy tells much, attention nothing, agreement as much as confidence."""
    rng = np.random.default_rng(seed)
    found = []
    for record in make_records(n, task=task, seed=seed):
        right = 2 * record.correct + rng.normal()
        free = float(log_expit(1.0 * record.correct + rng.normal()))
        signals = {
            "token_confidence": free,
            "semantic_entropy": -float(np.exp(-right)),
            "spatial_entropy": -float(rng.random()),
            "answer_agreement": float(expit(record.correct + rng.normal())),
            "probe": right + 0.1 * rng.normal(),
        }
        found.append(replace(record, signals=signals))
    return found


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    folder = tmp_path_factory.mktemp("arena")
    runs = [
        write_run(
            folder / name,
            [*records(seed=seed), *records("other", seed=seed + 10)],
            model={"name": name, "family": "llava"},
            not_offered={"shapes:loaded_probe": "no probe was loaded"},
            invalid={"shapes:logit_entropy": "constant 0"},
        )
        for seed, name in enumerate(("one", "two"))
    ]
    return build_board([read_run(run) for run in runs])


def standings(board, task, model):
    return {e.signal.name: e.standing for e in entries_of(board, task) if e.run.label == model}


def test_what_was_planted_is_found(board):
    for model in ("one", "two"):
        found = standings(board, "shapes", model)
        assert found["token_confidence"] == "the free one"
        assert found["semantic_entropy"] == "better than free"
        assert found["spatial_entropy"] == "worse"
        assert found["answer_agreement"] == "cannot tell"
        assert found["loaded_probe"] == found["logit_entropy"] == "not compared"


def test_holm_is_over_all_detectors_and_models_of_the_benchmark(board):
    entries = [e for e in entries_of(board, "shapes") if e.p_value is not None]
    assert len({e.run.label for e in entries}) == 2
    plain = [e.contrast.p_value for e in entries]
    adjusted = multipletests(plain, method="holm")[1]
    assert [e.p_value for e in entries] == pytest.approx(adjusted.tolist())
    for entry in entries:
        found = entry.contrast.decisive
        assert entry.detectable == pytest.approx(
            smallest_detectable_difference(
                found.estimate.stderr, alpha=0.05 / len(entries), degrees=found.degrees
            )
        )


def test_entries_stand_by_model_the_highest_first(board):
    values = [e.figure.value for e in entries_of(board, "shapes") if e.run.label == "two"]
    known = [value for value in values if value is not None]
    assert known == sorted(known, reverse=True)
    assert values[len(known) :] == [None] * (len(values) - len(known))


def test_over_all_settings_the_differences_are_pooled(board):
    (own,) = (p for p in pooled_of(board) if p.name == "semantic_entropy")
    estimates = [
        e.difference
        for task in ("shapes", "other")
        for e in entries_of(board, task)
        if e.signal.name == "semantic_entropy"
    ]
    plain = random_effects_mean([e.value for e in estimates], [e.stderr for e in estimates])
    assert own.effects == plain
    assert (own.n, own.n_better, own.n_worse, own.n_undecided) == (4, 4, 0, 0)
    assert own.effects.mean.low > 0


def test_tables(board):
    (table,) = arena_tables(board, "shapes")
    assert [block.title for block in table.blocks] == ["one", "two"]
    text = to_markdown(table)
    assert "better than free" in text
    assert "cannot tell" in text
    assert "INVALID" in text
    rows = {row[0].lines[0]: row for row in table.blocks[0].rows}
    assert rows["token confidence"][4].lines == ("the free one",)
    assert rows["−discrete semantic entropy"][7].lines == ("+10 samples",)
    assert rows["hidden-state probe (L2)"][7].lines == ("labels",)
    assert rows["token confidence"][7].lines == ("none",)
    (pooled,) = pooled_tables(board)
    assert "published" not in pooled.columns
    assert pooled in all_tables(board)
    assert pooled in terminal_tables(board)


def test_published_figures_stand_beside_on_request(board):
    (pooled,) = pooled_tables(board, published=True)
    assert pooled.columns[-1] == "published"
    published = {row[0].lines[0]: row[-1].lines[0] for row in pooled.blocks[0].rows}
    assert published["hidden-state probe (L2)"] == "0.767 (P(IK))"
    assert published["−discrete semantic entropy"] == ""
    assert any("not measured here" in note for note in pooled.notes)


def test_measured_seconds_stand_beside_what_they_bought(tmp_path):
    rows = [replace(r, signals=r.signals | {"probe_blank": 0.1}) for r in records()]
    cost = {"seconds": 16.0, "n_samples": 480, "extra_seconds": {"blank": 48.0}}
    board = build_board([read_run(write_run(tmp_path / "run", rows, cost=cost))])
    (entry, *_) = entries_of(board, "shapes")
    blank = replace(entry, signal=replace(entry.signal, name="probe_blank"))
    assert seconds_of(blank) == pytest.approx(0.1)
    assert seconds_of(entry) is None


def test_one_model_on_one_benchmark_is_not_pooled(tmp_path):
    board = build_board([read_run(write_run(tmp_path / "run", records()))])
    assert pooled_tables(board) == []
    assert pooled_of(board)[0].effects.mean.value is None


def test_few_errors_give_no_verdict(tmp_path):
    board = build_board([read_run(write_run(tmp_path / "run", records(n=60)))])
    entries = entries_of(board, "shapes")
    assert {e.standing for e in entries} == {"the free one", "not compared"}
    assert any("no verdict below" in (e.reason or "") for e in entries)


def test_a_run_without_the_free_signal_has_nothing_to_beat(tmp_path):
    rows = [replace(r, signals={"probe": r.signals["probe"]}) for r in records()]
    board = build_board([read_run(write_run(tmp_path / "run", rows))])
    assert {e.standing for e in entries_of(board, "shapes")} == {"not compared"}
    assert arena_tables(board, "shapes") == []


def test_machines_get_all_digits(board):
    rows = list(csv.DictReader(io.StringIO(to_csv(board))))
    own = [r for r in rows if (r["run"], r["task"], r["signal"]) == ("one", "shapes", "probe")]
    found = {row["statistic"]: row for row in own}
    (entry,) = (
        e for e in entries_of(board, "shapes")
        if (e.run.label, e.signal.name) == ("one", "probe")
    )  # fmt: skip
    assert found["against_free"]["reason"] == entry.standing
    assert float(found["against_free"]["p_adjusted"]) == entry.p_value
    assert float(found["detectable_against_free"]["value"]) == entry.detectable
    assert found["cost_class"]["value"] == "0"
    pooled = [r for r in rows if r["run"] == "" and r["signal"] == "probe"]
    assert {r["statistic"] for r in pooled} == {
        "better_than_free", "worse_than_free", "mean_less_free", "spread_less_free",
    }  # fmt: skip
    data = json.loads(to_json(board))["arena"]
    assert set(data["benchmarks"]) == {"shapes", "other"}
    assert data["pooled"][0]["effects"]["mean"]["value"] == pooled_of(board)[0].effects.mean.value
