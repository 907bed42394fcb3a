import csv
import io
import json

import pytest

from leaderboard.report.export import CSV_COLUMNS, to_csv, to_json
from leaderboard.results.aggregate import build_board
from leaderboard.runs.read import Problem, read_runs
from tests.leaderboard.helpers.cards import SIGNALS, make_board, signal
from tests.leaderboard.helpers.full_card import full_board
from tests.leaderboard.helpers.golden import make_records, write_run


def read_back(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_has_one_row_per_statistic_and_all_digits():
    rows = read_back(to_csv(make_board("m")))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert len(rows) == 1 + 5 * len(SIGNALS)
    assert rows[0] == {
        "run": "m", "model": "tiny-llava", "task": "shapes", "signal": "", "statistic": "accuracy",
        "value": "0.7", "low": repr(0.7 - 0.05), "high": "0.75", "stderr": "0.025",
        "n": "200", "n_groups": "50", "n_errors": "60", "reason": "", "note": "",
        "p_value": "", "p_adjusted": "", "copy_of": "",
    }  # fmt: skip


def test_csv_keeps_missing_values_empty_with_their_reason():
    rows = {(r["signal"], r["statistic"]): r for r in read_back(to_csv(make_board("m")))}
    invalid = rows["spatial_entropy", "auroc"]
    assert (invalid["value"], invalid["reason"]) == ("", "INVALID: constant over the run")
    undefined = rows["answer_only", "within_kind_auroc"]
    assert (undefined["value"], undefined["reason"]) == ("", "one class only: no wrong answer")
    assert rows["self_consistency", "auroc"]["n"] == "190"


@pytest.mark.parametrize("name", ['a "quoted", name', "two\nlines", "=1+1", "ümläut ‮"])
def test_csv_gives_back_any_name(name):
    assert {row["run"] for row in read_back(to_csv(make_board(name)))} == {name}


def test_csv_holds_every_figure_of_a_card_and_comes_back(tmp_path):
    board = full_board('m, "n"\n=1+1')
    rows = read_back(to_csv(board))
    found = {(row["signal"], row["statistic"]): row for row in rows}
    assert len(found) == len(rows)
    card = board.runs[0].tasks[0].card
    expected = {
        ("token_confidence", "augrc"): card.signals[1].selective.augrc,
        ("token_confidence", "platt.ece"): card.probabilities[0].ece,
        ("probe", "platt.brier"): card.probabilities[1].brier,
        ("fusion.fusion", "within_kind_auroc"): card.fusion[0].result.within_kind_auroc,
        ("self_consistency", "auroc_at_10"): card.consistency.at_k[1][1],
        ("self_consistency", "precision_at_full"): card.consistency.precision_at_full,
    }
    for key, estimate in expected.items():
        for field in ("value", "low", "high", "stderr"):
            number = getattr(estimate, field)
            assert (float(found[key][field]) if found[key][field] else None) == number, key
        assert found[key]["reason"] == (estimate.reason or "")
    bare = {"ece_plug_in": "0.06", "ece_floor": "0.03", "p_value": "0.0123"}
    for name, value in bare.items():
        row, none = found["token_confidence", f"platt.{name}"], found["probe", f"platt.{name}"]
        assert (row["value"], row["low"], row["stderr"], row["reason"]) == (value, "", "", "")
        assert (none["value"], none["reason"]) == ("", "one class only")
    assert {row["run"] for row in rows} == {'m, "n"\n=1+1'}


def test_ranks_are_bounds_without_a_value(tmp_path):
    write_run(tmp_path / "run", make_records(400))
    rows = read_back(to_csv(build_board(read_runs([tmp_path]))))
    ranks = {row["signal"]: row for row in rows if row["statistic"] == "rank"}
    assert set(ranks) == {"spatial_entropy", "token_confidence", "self_consistency", "probe"}
    for row in ranks.values():
        assert 1 <= int(row["low"]) <= int(row["high"]) <= 4
        assert row["value"] == ""


def test_json_has_null_and_reason_where_a_figure_is_undefined():
    board = make_board("m")
    board = type(board)(board.runs, (Problem(board.runs[0].path, "damaged", "why"),))
    data = json.loads(to_json(board))
    card = data["runs"][0]["tasks"]["shapes"]["card"]
    assert card["accuracy"]["value"] == 0.7
    assert card["signals"][0]["invalid"] == "constant over the run"
    assert card["signals"][0]["auroc"]["value"] is None
    assert data["problems"] == [{"path": "out/m", "status": "damaged", "reason": "why"}]
    assert "published" not in data
    assert json.loads(to_json(board, published=True))["published"]["figures"][0] == {
        "quantity": "accuracy",
        "LLaVA-1.5-7B": "67.6 %",
        "PaliGemma-3B": "78.6 %",
        "Qwen2-VL-7B": "28.8 %",
    }


def test_json_refuses_nan():
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(make_board("m", signals=(signal("probe", float("nan")),)))


def test_csv_and_json_of_a_real_run_agree(tmp_path):
    write_run(tmp_path / "run")
    board = build_board(read_runs([tmp_path]))
    card = json.loads(to_json(board))["runs"][0]["tasks"]["shapes"]["card"]
    by_name = {signal["name"]: signal for signal in card["signals"]}
    for row in read_back(to_csv(board))[1:]:
        if row["statistic"] not in by_name.get(row["signal"], {}):
            continue
        stored = by_name[row["signal"]][row["statistic"]]
        for field in ("value", "low", "high", "stderr"):
            assert row[field] == ("" if stored[field] is None else repr(stored[field]))
