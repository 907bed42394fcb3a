"""The reduced golden run, against its file; and that a changed figure is found and named."""

import copy
import json

import pytest

from tests.golden import small
from tests.golden.__main__ import MOST_BYTES, compared
from tests.golden.compare import ELSEWHERE, NUMBERS_ELSEWHERE, SAME_MACHINE, differences, flatten
from tests.golden.figures import compact

KEPT = json.loads(small.FILE.read_text("utf-8"))
HINT = "if they are meant to change: python -m tests.golden --small --write tests/golden/small.json"


def shown(lines):
    return "\n".join([*lines[:40], f"{len(lines)} figures differ; {HINT}"]) if lines else ""


def test_figures_of_made_up_records_are_what_they_were(tmp_path):
    found = small.computed(tmp_path)
    lines = differences(KEPT["computed"], found, NUMBERS_ELSEWHERE)
    assert not shown(lines)


@pytest.mark.slow
def test_figures_of_a_probed_model_are_what_they_were(tmp_path):
    lines = differences(KEPT["captured"], small.captured(tmp_path), ELSEWHERE)
    assert not shown(lines)


def test_the_file_is_small_and_holds_every_part():
    assert small.FILE.stat().st_size < MOST_BYTES
    task = KEPT["captured"]["vrp_shapes"]
    assert task["n"] == small.QUESTIONS == len(task["answers"].split("|"))
    assert {"signals", "layers", "whole", "arrays", "card"} <= set(task)
    assert len(KEPT["computed"]["shapes"]["card"]["signals"]) > 30


CHANGES = {
    "/signals/final_diffusion/mean": lambda d: d["signals"]["final_diffusion"].update(mean=-1.0),
    "/signals/answer_margin/n": lambda d: d["signals"].pop("answer_margin"),
    "/signals/a_new_one/n": lambda d: d["signals"].update(a_new_one={"n": 24}),
    "/answers": lambda d: d.update(answers=d["answers"].replace("yes", "no", 1)),
    "/n_correct": lambda d: d.update(n_correct=d["n_correct"] + 1),
    "/card/n_errors": lambda d: d["card"].update(n_errors=d["card"]["n_errors"] - 1),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_figure_is_named(name):
    changed = copy.deepcopy(KEPT)
    CHANGES[name](changed["captured"]["vrp_shapes"])
    for elsewhere in (False, True):
        lines = compared(KEPT, changed, elsewhere=elsewhere)
        assert any(line.startswith(f"/captured/vrp_shapes{name}:") for line in lines)
    assert compared(KEPT, KEPT, elsewhere=False) == []


def test_every_sign_of_a_captured_signal_is_held_by_its_figures():
    for name, found in KEPT["captured"]["vrp_shapes"]["signals"].items():
        if not found["n"] or found["min"] == found["max"] == 0:
            continue
        flipped = {**found, "mean": -found["mean"], "min": -found["max"], "max": -found["min"]}
        assert differences({name: found}, {name: flipped}, ELSEWHERE), name


def test_how_far_figures_may_lie_apart():
    assert not differences({"a": 1.0}, {"a": 1.0 + 5e-10}, SAME_MACHINE)
    assert differences({"a": 1.0}, {"a": 1.0 + 5e-9}, SAME_MACHINE)
    assert not differences({"a": 1.0}, {"a": 1.0005}, ELSEWHERE)
    assert differences({"a": 1.0}, {"a": 1.002}, ELSEWHERE)
    assert differences({"a": 3}, {"a": 4}, ELSEWHERE)  # counts are equal
    assert differences({"a": None}, {"a": 0.0}, ELSEWHERE)
    assert differences({"a": 1}, {"a": True}, ELSEWHERE)
    assert not differences({"a": 2}, {"a": 2.0}, ELSEWHERE)


def test_an_estimate_keeps_its_numbers_or_its_reason():
    whole = {"value": 0.5, "low": 0.4, "high": 0.6, "stderr": 0.05, "reason": None, "note": "t"}
    assert dict(flatten(compact({"auroc": whole}))) == {
        "/auroc/value": 0.5, "/auroc/low": 0.4, "/auroc/high": 0.6, "/auroc/stderr": 0.05,
    }  # fmt: skip
    none = dict.fromkeys(whole) | {"reason": "one class only"}
    assert compact({"auroc": none}) == {"auroc": {"undefined": "one class only"}}
    more = dict(flatten(compact({"auroc": {**whole, "p_value": 0.03}})))
    assert more["/auroc/p_value"] == 0.03
    assert more["/auroc/estimate/value"] == 0.5


def test_named_things_go_by_their_names():
    items = [{"name": "a", "n": 1}, {"name": "b", "n": 2}]
    assert dict(flatten(compact({"signals": items}))) == {"/signals/a/n": 1, "/signals/b/n": 2}
    keyed = [{"key": {"layer": None, "dose": 2}, "n": 1}, {"key": {"layer": 3, "dose": 2}, "n": 1}]
    assert set(compact(keyed)) == {"2", "3 2"}
    assert set(compact([{"n": 1}, {"n": 2}])) == {"0", "1"}
    long = list(range(20))
    assert compact({"risk": long}) == {"risk": {"n": 20, "sum": 190, "squares": 2470}}
