"""What is kept of the hidden states, what that takes, and whether it fits."""

import numpy as np
import pytest

from metrics.record.channels import PromptState
from vrp_tasks.errors import SetupError
from vrp_tasks.run.storage_plan import (
    Estimate,
    StoragePlan,
    check_room,
    describe,
    estimate,
    layers_of,
)
from vrp_tasks.settings.options import RunOptions, run_options_from


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("all", None),
        ("last5", (28, 29, 30, 31, 32)),
        ("last99", None),
        ("every8", (0, 8, 16, 24, 32)),
        ("every5", (2, 7, 12, 17, 22, 27, 32)),
        ("0,16, 8", (0, 8, 16)),
        ("32", (32,)),
    ],
)
def test_layers_of_a_model_of_32(text, layers):
    assert layers_of(text, 32) == layers


def test_a_layer_that_the_model_lacks_is_refused():
    with pytest.raises(SetupError, match="names state 33, this model has 0 to 32"):
        layers_of("0 33", 32)


def test_model_arguments_are_taken_out():
    arguments = {"pretrained": "x", "subset": 500, "subset_seed": "3", "hidden_layers": "[0,8]",
                 "hidden_max": 0, "label": "parser"}  # fmt: skip
    assert run_options_from(arguments) == RunOptions(
        subset=500, subset_seed=3, hidden_layers="0,8", hidden_max=0, label="parser"
    )
    assert arguments == {"pretrained": "x"}


@pytest.mark.parametrize(
    "arguments",
    [{"subset": 0}, {"subset": 0.5}, {"subset": True}, {"hidden_max": -1}, {"subset_seed": "a"}],
)
def test_a_wrong_number_is_refused(arguments):
    with pytest.raises(SetupError, match="must be a number >= "):
        run_options_from(arguments)


@pytest.mark.parametrize("layers", ["first5", "every0", "last", "", "1;2"])
def test_wrong_layers_are_refused(layers):
    with pytest.raises(SetupError, match="hidden_layers must be all, last5, every4 or numbers"):
        run_options_from({"hidden_layers": layers})


def test_states_are_thinned_or_dropped():
    states = {"state_prompt": PromptState(np.arange(12).reshape(4, 3))}
    plan = StoragePlan((1, 3), {"a": frozenset({"7"})})
    kept, reasons = plan.trimmed("a", "7", states)
    assert kept["state_prompt"].by_layer.tolist() == [[3, 4, 5], [9, 10, 11]]
    assert reasons == {}
    kept, reasons = plan.trimmed("a", "8", states)
    assert kept == {}
    assert reasons["state_prompt"].reason == "hidden states are kept of 1 samples (hidden_max=1)"
    assert plan.keeps("another", "8")


def test_the_estimate_by_hand():
    # LLaVA-1.5 7B on VQAv2 val: 3 positions x 33 states x 4096 x 2 bytes; maps 32 x 576 x 4 bytes
    found = estimate(
        n_samples=214_354, n_kept=214_354, n_states=33, d_model=4096, n_layers=32, n_tokens=576,
        n_positions=3, hidden_dtype="float16",
    )  # fmt: skip
    # and 2 states of the image; by head, of 64 dimensions at least, 3 shares x 2 bytes
    assert found.states == 214_354 * (811_008 + 16_384)
    assert found.records == 214_354 * (6000 + 32 * 64 * 3 * 2)
    assert found.maps == 214_354 * 73_728
    assert "about 197.1 GB on disk (states 177.4 GB, maps 15.8 GB)" in describe(
        found, n_samples=214_354, states="float16"
    )
    none = estimate(
        n_samples=10, n_kept=10, n_states=33, d_model=4096, n_layers=32, n_tokens=576,
        n_positions=3, hidden_dtype="none",
    )  # fmt: skip
    assert none.states == 0
    with_neurons = estimate(
        n_samples=10, n_kept=4, n_states=33, d_model=4096, n_layers=32, n_tokens=576,
        n_positions=3, hidden_dtype="none", n_neurons=32 * 11_008,
    )  # fmt: skip
    assert with_neurons.states == 4 * 32 * 11_008 * 2


def test_a_run_that_does_not_fit_is_refused_before_it_starts(tmp_path):
    check_room(Estimate(0, 0, 1000), tmp_path)
    with pytest.raises(SetupError, match=r"needs about 1000000.0 TB at .*hidden_max=5000"):
        check_room(Estimate(10**18, 0, 0), tmp_path)


def test_what_an_interrupted_run_has_written_does_not_count_twice(tmp_path, monkeypatch):
    (tmp_path / "arrays-0-0.safetensors").write_bytes(bytes(600))
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 500})())
    check_room(Estimate(1000, 0, 0), tmp_path)
    with pytest.raises(SetupError, match="where 0 KB are free"):
        check_room(Estimate(1200, 0, 0), tmp_path)
