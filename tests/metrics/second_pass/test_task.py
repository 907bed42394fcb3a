"""What a task's answers give together: the same columns everywhere, fitted scores, the gate."""

from dataclasses import replace

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from metrics.answers.candidates import NONE_GIVEN
from metrics.core.seeds import rng_for
from metrics.record.channels import CandidateMasses, ImageMaps, PromptState
from metrics.record.records import SampleRecord
from metrics.record.shards import pack
from metrics.record.store import ChannelStore
from metrics.second_pass.task import invalid_signals, second_pass
from metrics.states.probe_panel import probe_panel
from metrics.states.stress_tests import attention_mlp_scores

N = 80


def record(doc, signals, **changes):
    values = {
        "task": "t", "split": "test", "doc_id": str(doc), "group": f"image-{doc // 2}",
        "kind": "all", "prompt": "?", "answer": "yes", "target": "yes", "score": 1.0, "correct": 1,
        "samples": [], "normal_answer": "yes", "normal_samples": [], "signals": signals,
        "layers": {}, "missing": {}, "grid": None, "n_answer_tokens": 1, "shard": None,
        "row": None,
    }  # fmt: skip
    return SampleRecord(**{**values, **changes})


def second_pass_of(store, records, **changes):
    return second_pass(
        store, records, **{"task": "t", "not_offered": (), "geometry": None} | changes
    )


def nothing_stored(shard):
    raise AssertionError(f"{shard} was opened")


BARE = ChannelStore(nothing_stored), [record(i, {"token_confidence": -0.1 * i}) for i in range(4)]


def test_fitted_scores_are_those_of_the_functions_on_the_same_folds(tmp_path):
    """The last answer has no label, the one before no share of attention: neither costs the run."""
    rng = np.random.default_rng(3)
    label = rng.integers(0, 2, N)
    states = (rng.normal(size=(N, 2, 4)) + label[:, None, None]).astype(np.float32)
    maps = rng.random((N, 2, 4, 4)).astype(np.float32)
    maps[:, :, 0, 0] += 2 * label[:, None]
    channels = [
        {PromptState.name: PromptState(own), ImageMaps.name: ImageMaps(seen)}
        for own, seen in zip(states, maps, strict=True)
    ]
    save_file(pack(channels), tmp_path / "s")
    store = ChannelStore(lambda name: safe_open(tmp_path / name, framework="numpy"))
    mass = {"image_attention_mass": 0.5}
    records = [
        record(i, mass, correct=int(y), score=float(y), shard="s", row=i)
        for i, y in enumerate(label)
    ]
    records[-2] = replace(records[-2], signals={})
    records[-1] = replace(records[-1], correct=None, score=None, missing={"score": "none"})
    found = second_pass_of(store, records, with_cluster_grid=True)

    groups = [r.group for r in records[:-1]]
    alike = {"kinds": ["all"] * (N - 1), "answers": ["yes"] * (N - 1)}
    panel = probe_panel({"last_prompt": states[:-1]}, label[:-1], groups, rng=rng_for("t"), **alike)
    assert [r.signals["probe"] for r in found.records[:-1]] == panel.scores["probe"].tolist()
    mlp = attention_mlp_scores(
        list(maps[:-1]), correct=label[:-1], groups=groups, rng=rng_for("t"), **alike
    )
    assert [r.signals["attention_mlp"] for r in found.records[:-1]] == mlp.scores.tolist()
    assert all(r.signals["attention_features"] is not None for r in found.records[:-1])
    assert found.records[-1].missing["probe"] == "the sample has no label"
    assert found.fits["probe"] == panel.fits["probe"].to_json()
    assert {n: v for n, v in found.probe.items() if n != "cluster_grid"} == panel.summary
    assert found.probe["cluster_grid"]["n"] == N - 1


def test_prediction_sets_are_in_the_records_and_their_coverage_in_the_manifest(tmp_path):
    """Answers that name no candidate lack them; where no answer does, they are left out."""
    rng = np.random.default_rng(3)
    label = rng.integers(0, 2, N)
    masses = np.full((N, 12), np.nan, np.float32)
    masses[:, :2] = rng.dirichlet([2, 2], N)
    given = np.where(np.arange(N) == 5, -1, 0).astype(np.int8)
    channels = [
        {CandidateMasses.name: CandidateMasses(*own)}
        for own in zip(masses, given[:, None], strict=True)
    ]
    save_file(pack(channels), tmp_path / "s")
    store = ChannelStore(lambda name: safe_open(tmp_path / name, framework="numpy"))
    records = [
        record(i, {}, correct=int(y), score=float(y), target="yes" if y else "no", shard="s", row=i)
        for i, y in enumerate(label)
    ]
    found = second_pass_of(store, records)
    for name in ("lac_set_size", "aps_set_size"):
        values = [own.signals[name] for own in found.records]
        assert values.pop(5) is None
        assert set(values) == {-1.0, -2.0}
        figures = found.probe["figures"][name]
        assert figures["coverage"] > 0.85
        assert figures["n"] == N - 1
        assert name in found.fits
    none = {"candidate_mass": NONE_GIVEN}
    silent = [replace(own, missing=none, signals={"candidate_mass": None}) for own in records]
    found = second_pass_of(store, silent)
    assert "lac_set_size" in found.left_out
    assert "lac_set_size" not in found.invalid
    assert all("lac_set_size" not in {*own.missing, *own.signals} for own in found.records)


def test_what_is_not_offered_gets_no_reason_and_no_column():
    found = second_pass_of(*BARE)
    why = "no hidden states of this position were kept"
    assert found.records[0].missing["probe_last_answer"] == why
    assert found.invalid["probe_last_answer"] == f"missing for all 4 samples: {why}"
    assert found.probe == {}
    found = second_pass_of(*BARE, not_offered={"probe_last_answer"})
    assert "probe_last_answer" not in found.records[0].signals | found.records[0].missing
    assert "probe_last_answer" not in found.invalid
    assert "probe_mean_answer" in found.invalid


def test_the_gate_says_what_may_not_be_scored_and_why():
    values = {"token_confidence": -1.0, "self_consistency": 0.5, "spatial_entropy": -2.0}
    records = [
        record(0, values | {"probe": None}, missing={"probe": "one class"}),
        record(
            1,
            values | {"token_confidence": -2.0, "spatial_entropy": -3.0, "probe": None},
            missing={"probe": "one class"},
        ),
    ]
    constant = "constant over the run: 0.5 for all 2 samples"
    missing = "missing for all 2 samples: one class"
    assert invalid_signals(records, geometry=None) == {
        "self_consistency": constant, "probe": missing,
    }  # fmt: skip
    # no value on the grid counts where the geometry is wrong, the others do
    assert invalid_signals(records, geometry="rows are columns") == {
        "self_consistency": constant, "spatial_entropy": "rows are columns", "probe": missing,
    }  # fmt: skip
