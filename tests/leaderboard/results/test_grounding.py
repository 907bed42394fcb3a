"""Planted maps: means, differences, AUROC and counts against direct sums over the rows."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from leaderboard.report.export import to_json
from leaderboard.results.aggregate import build_board
from leaderboard.results.codec import decode, encode
from leaderboard.results.grounding import SCORES, Grounding, summarise
from leaderboard.results.overlays import SHOWN, outline_of
from leaderboard.runs.read import read_run
from leaderboard.tables.formats import to_terminal
from leaderboard.tables.grounding import LABELS, tables
from metrics.record.records import GROUNDING_MAPS
from tests.leaderboard.helpers.golden import make_records, write_run
from tests.leaderboard.helpers.grounded import (
    NO_MAP,
    NO_REGION,
    TASK,
    grounding_rows,
    occlusion_rows,
    write_grounded_run,
)

N = 200
RECORDS = make_records(N, task=TASK)
ROWS = grounding_rows(RECORDS)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return read_run(write_grounded_run(tmp_path_factory.mktemp("grounded") / "run"))


@pytest.fixture(scope="module")
def found(run):
    return summarise(run, TASK)


def column(name, what):
    values = {row["doc_id"]: row[what] for row in ROWS if row["map"] == name}
    return np.array([np.nan if values[r.doc_id] is None else values[r.doc_id] for r in RECORDS])


def test_counts(found):
    assert (found.n, found.n_groups, found.n_regions) == (N, 50, 160)
    assert found.share.value == pytest.approx(0.125)
    assert [m.name for m in found.maps] == list(GROUNDING_MAPS)
    assert found.map("attention.answer").missing == {NO_REGION: 40}
    both = sum(i % 5 == 0 and i % 7 == 0 for i in range(N))
    without = -(-N // 7)
    assert found.map("activation.prompt").missing == {NO_MAP: without, NO_REGION: 40 - both}
    assert found.map("activation.prompt").n == N - 40 - without + both


@pytest.mark.parametrize("name", GROUNDING_MAPS)
def test_means_are_those_of_the_rows(found, name):
    for score in SCORES:
        estimate = found.map(name).scores[score]
        assert estimate.value == pytest.approx(np.nanmean(column(name, score)))
        assert estimate.low <= estimate.value <= estimate.high


def test_gain_is_paired(found):
    difference = column("activation.prompt", "mass") - column("attention.answer", "mass")
    gain = found.map("activation.prompt").gain.estimate
    assert gain.value == pytest.approx(np.nanmean(difference))
    assert gain.low < gain.value < gain.high
    assert found.map("attention.answer").gain is None
    assert found.map("attention.prompt").gain.estimate.low > 0.2


def test_auroc_is_of_correct_answers(found):
    correct = np.array([r.correct for r in RECORDS])
    for name in ("attention.prompt", "activation.prompt"):
        values = column(name, "mass")
        kept = np.isfinite(values)
        oracle = found.map(name).oracles["mass"]
        assert oracle.auroc.value == pytest.approx(roc_auc_score(correct[kept], values[kept]))
        assert (oracle.n, oracle.n_errors) == (kept.sum(), (correct[kept] == 0).sum())
        entropy = column(name, "spatial_entropy")
        kept = np.isfinite(entropy)
        assert found.map(name).entropy.auroc.value == pytest.approx(
            roc_auc_score(correct[kept], entropy[kept])
        )
    assert found.map("attention.prompt").oracles["mass"].auroc.value == 1.0
    assert found.map("attention.prompt").oracles["mass"].gain.estimate.low > 0.3
    assert found.map("uniform").entropy is None
    assert found.map("uniform").oracles == {}


def test_within_kind_stands_beside_the_plain_figure(found, tmp_path):
    assert found.map("attention.prompt").entropy.within_kind is not None
    one = [replace(record, kind="all") for record in RECORDS]
    alone = summarise(read_run(write_grounded_run(tmp_path / "run", one)), TASK)
    assert alone.map("attention.prompt").entropy.within_kind is None


def test_occlusion_against_the_rows(found):
    rows = occlusion_rows(RECORDS)
    for choice in ("region", "elsewhere"):
        own = [row for row in rows if row["choice"] == choice]
        place = found.occlusion.places[choice]
        assert place.n == len(own)
        assert place.share == pytest.approx(np.mean([r["dose"] for r in own]))
        assert place.same.value == pytest.approx(np.mean([r["agrees"] for r in own]))
        change = [r["correct"] - r["clean_correct"] for r in own]
        assert place.accuracy.value == pytest.approx(np.mean(change))
    assert found.occlusion.logprob.estimate.value == pytest.approx(-2.25)
    by_doc = {(r["doc_id"], r["choice"]): r["agrees"] for r in rows}
    both = [d for d, choice in by_doc if choice == "elsewhere" and (d, "region") in by_doc]
    expected = np.mean([by_doc[d, "region"] - by_doc[d, "elsewhere"] for d in both])
    assert found.occlusion.same.estimate.value == pytest.approx(expected)
    assert found.occlusion.refused == {f"region: {NO_REGION}": 40}


def test_looks_show_wrong_and_right_answers_with_their_region(found):
    assert {look.correct for look in found.looks} == {0, 1}
    assert 2 <= len(found.looks) <= 6
    for look in found.looks:
        assert look.picture.jpeg
        names = [overlay.name for overlay in look.overlays]
        assert names == [name for name in SHOWN if name in names]
        assert len(names) >= len(SHOWN) - 1
        assert look.outline.count("M") == 4
        assert look.area == (0.0, 0.0, 96.0, 64.0)


def test_an_outline_runs_around_the_region():
    region = np.zeros((3, 4), dtype=np.uint8)
    region[1, 1:3] = 200
    edges = ["1 1h1", "2 1h1", "1 2h1", "2 2h1", "1 1v1", "3 1v1"]
    assert sorted(outline_of(region).split("M")[1:]) == sorted(edges)
    region[0, 3] = 1  # a corner alone is an object too
    edges += ["3 0h1", "3 1h1", "3 0v1", "4 0v1"]
    assert sorted(outline_of(region).split("M")[1:]) == sorted(edges)


def test_rows_of_samples_that_are_no_longer_in_the_run_do_not_count(run, found):
    fewer = replace(run, records=run.records[:100])
    less = summarise(fewer, TASK)
    assert (less.n, found.n) == (100, N)
    region = [row for row in occlusion_rows(RECORDS[:100]) if row["choice"] == "region"]
    assert less.occlusion.places["region"].n == len(region)


def test_no_robustness_is_made_of_occlusion(run):
    (result,) = build_board([run]).runs[0].tasks
    assert result.robustness is None
    assert result.grounding is not None


def test_tables_hold_every_map_and_every_reason(run):
    board = build_board([run])
    made = tables(board, TASK)
    assert [table.key.split("-")[0] for table in made] == ["grounding"] * 3 + ["occlusion"]
    text = " ".join("\n".join(map(to_terminal, made)).split())
    for words in ("40 × " + NO_REGION, NO_MAP, "chance (a uniform map)", "center prior", "0.125"):
        assert words in text
    alignment = made[0].blocks[0].rows
    assert [row[0].lines[0] for row in alignment] == list(LABELS.values())
    assert tables(board, "another") == []


def test_a_run_without_maps_has_no_grounding(tmp_path):
    folder = write_run(tmp_path / "plain", make_records(40, task=TASK))
    assert summarise(read_run(folder), TASK) is None


def test_results_survive_storage_and_export(run, found):
    assert decode(Grounding, json.loads(json.dumps(encode(found)))) == found
    stored = json.loads(to_json(build_board([run])))
    maps = stored["runs"][0]["tasks"][TASK]["grounding"]["maps"]
    assert {m["name"] for m in maps} == set(GROUNDING_MAPS)
