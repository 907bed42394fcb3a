"""Grounding through lmms-eval: complete tables, exact masks, and the same after a stop."""

from functools import cache
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest

from metrics.record.records import (
    GROUNDING_FILE,
    GROUNDING_MAPS,
    INTERVENTIONS_FILE,
    OCCLUSION,
    REGION_MAP,
)
from tests.vrp_tasks.helpers.evaluation import MODELS, evaluate, read
from tests.vrp_tasks.helpers.run_folders import record as made_up
from vrp_tasks.grounding.companion import Grounding
from vrp_tasks.registration import TASKS_FOLDER
from vrp_tasks.tasks.shapes.docs import region
from vrp_tasks.tiny.world.dataset import load_test_split

TASK = "vrp_shapes_grounding"
LIMIT = 10
BATCHES = {"llava_hf": 1, "paligemma": 4, "qwen2_vl": 2}


def run(model, output, *, batch_size):
    evaluate(model, [TASK], TASKS_FOLDER, output=output, limit=LIMIT, batch_size=batch_size)
    (found,) = output.glob("*/*_vrp/manifest.json")
    folder, manifest, records = read(found.parent)
    tables = [pq.read_table(folder / f).to_pylist() for f in (GROUNDING_FILE, INTERVENTIONS_FILE)]
    return manifest, records, *tables


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Runs from start to end, each done once."""
    return cache(
        lambda model: run(model, tmp_path_factory.mktemp(model), batch_size=BATCHES[model])
    )


@pytest.mark.parametrize("model", MODELS)
def test_every_sample_has_its_maps_and_its_occlusion(model, whole):
    manifest, records, grounding, interventions = whole(model)
    assert set(manifest["files"]) >= {GROUNDING_FILE, INTERVENTIONS_FILE}
    docs = load_test_split()
    rows = {(row["doc_id"], row["map"]): row for row in grounding}
    answers = {(row["doc_id"], row["choice"]): row for row in interventions}
    assert {row["intervention"] for row in interventions} == {OCCLUSION}
    refused = 0
    for record in records:
        doc = docs[int(record.doc_id)]
        own = [rows[record.doc_id, name] for name in GROUNDING_MAPS]
        assert {(r["group"], r["correct"]) for r in own} == {(record.group, record.correct)}
        uniform = rows[record.doc_id, "uniform"]
        entropy = rows[record.doc_id, "attention.answer"]["spatial_entropy"]
        assert entropy == pytest.approx(record.signals["spatial_entropy"], abs=1e-6)
        if not doc["evidence"]:
            assert {r["reason"] for r in own} == {"the sample has no annotated region"}
            assert (record.doc_id, "region") not in answers
            refused += 1
            continue
        share = region(doc)["mask"].mean()  # nothing is cropped at the shipped size
        assert uniform["mass"] == uniform["region_share"] == pytest.approx(share)
        blanked = answers[record.doc_id, "region"]
        assert blanked["dose"] == pytest.approx(share)
        assert blanked["clean_correct"] == record.correct
        assert blanked["clean_logprob"] == pytest.approx(record.signals["token_confidence"])
        cells = np.frombuffer(rows[record.doc_id, REGION_MAP]["cells"], dtype=np.uint8)
        assert cells.sum() / 255 / 64 == pytest.approx(share, rel=0.05)
    assert 0 < refused < LIMIT
    reasons = manifest["sweeps"][TASK]["occlusion"]["refused"]
    assert reasons["region: the sample has no annotated region"] == refused
    drop = {
        choice: np.mean([r["logprob"] - r["clean_logprob"] for r in interventions
                         if r["choice"] == choice])
        for choice in ("region", "elsewhere")
    }  # fmt: skip
    assert drop["region"] < drop["elsewhere"]


def test_a_stopped_run_goes_on_to_the_same_tables(tmp_path, monkeypatch, whole):
    stock, calls = Grounding._occlude, []

    def stop(self, choice, *args):
        calls.append(choice)
        if choice == "elsewhere":
            raise KeyboardInterrupt
        stock(self, choice, *args)

    with monkeypatch.context() as patched:
        patched.setattr(Grounding, "_occlude", stop)
        with pytest.raises(KeyboardInterrupt):
            run("paligemma", tmp_path, batch_size=BATCHES["paligemma"])
    assert calls == ["region", "elsewhere"]
    *_, resumed, again = run("paligemma", tmp_path, batch_size=BATCHES["paligemma"])
    *_, grounding, interventions = whole("paligemma")

    def ordered(rows):
        return sorted(rows, key=lambda r: (r["doc_id"], r.get("map") or r.get("choice")))

    assert ordered(resumed) == ordered(grounding)
    for one, two in zip(ordered(again), ordered(interventions), strict=True):
        assert one == {**two, "logprob": pytest.approx(two["logprob"], abs=1e-5)}


class Folder:
    def __init__(self):
        self.written = []

    def rows(self, file):
        return []

    def add_rows(self, file, rows):
        self.written += rows


def test_samples_without_maps_say_so():
    vrp = {"grounding": {"occlusion": False}}
    task = SimpleNamespace(
        config=SimpleNamespace(metadata={"vrp": vrp}),
        lmms_eval_specific_kwargs=None,
    )
    session = SimpleNamespace(tasks={"t": task}, folder=Folder(), sweeps={})
    access = SimpleNamespace(image_processor=lambda: None, sees_maps=True)
    request = SimpleNamespace(args=("?", {}, None, 0, "t", "test"), doc_id=0)
    lost = made_up(0, None, None, group="image")
    Grounding(access, session, "t", vrp["grounding"], None).after_task([request], [lost])
    assert [row["map"] for row in session.folder.written] == list(GROUNDING_MAPS)
    assert all("nothing was captured" in row["reason"] for row in session.folder.written)
    assert {row["group"] for row in session.folder.written} == {"image"}
    assert session.sweeps == {}
