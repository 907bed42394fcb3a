"""Small checkpoints of many types through lmms-eval: our adapter, and stock ones as they are."""

import json
from argparse import Namespace
from pathlib import Path

import lmms_eval.evaluator as evaluator
import numpy as np
import pyarrow.parquet as pq
import pytest
from lmms_eval.tasks import TaskManager

from metrics.record.manifest import GEOMETRY_PASSED
from metrics.record.records import GROUNDING_FILE, INTERVENTIONS_FILE, OCCLUSION
from tests.vrp_tasks.helpers import zoo
from tests.vrp_tasks.helpers.evaluation import write_plain_task
from vrp_tasks.families.adapters import STOCK
from vrp_tasks.registration import TASKS_FOLDER

# model id, architecture, batch size; a run takes seconds, so make test has a few of them
FEW = (("vrp_hf", "qwen3_5", 2), ("internvl_hf", "internvl", 1))
MORE = (
    *(("vrp_hf", name, 2) for name in ("internvl", "mllama", "paligemma2", "glm4v", "llava_next")),
    ("llava_hf", "llava_next", 1),
    ("llava_hf", "llava_onevision", 1),
    ("llava_hf", "pixtral", 1),
    ("paligemma", "paligemma2", 2),
    ("qwen2_5_vl", "qwen2_5_vl", 2),
    ("qwen3_vl", "qwen3_vl", 2),
    ("qwen3_5", "qwen3_5", 2),
    ("gemma3", "gemma3", 2),
    ("mistral3_vl", "mistral3", 1),
    ("llama_vision", "mllama", 1),
    ("llama4_scout", "llama4", 1),
    ("idefics2", "idefics2", 1),
    ("lfm2_5_vl", "lfm2_vl", 1),
)
# these adapters enlarge small images to the thousands of tokens of a full-size model
SMALLER = dict.fromkeys(("qwen2_5_vl", "qwen3_vl", "qwen3_5"), ",min_pixels=4096,max_pixels=16384")
WITHOUT_MAPS = {"mllama": "cross-attention", "idefics2": "away from their"}
EVERY = [*FEW, *(pytest.param(*run, marks=pytest.mark.families) for run in MORE)]


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module")
def plain_tasks(tmp_path_factory):
    return write_plain_task(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    return tmp_path_factory.mktemp("zoo")


def evaluate(model, checkpoint, task, include, *, batch_size, output=None, arguments=""):
    return evaluator.simple_evaluate(
        model=model,
        model_args=f"pretrained={checkpoint}{arguments}",
        tasks=[task],
        limit=4,
        batch_size=batch_size,
        device="cpu",
        bootstrap_iters=0,
        task_manager=TaskManager(include_path=str(include), include_defaults=False),
        cli_args=Namespace(output_path=str(output), process_with_media=False) if output else None,
    )


@pytest.mark.parametrize(("model", "name", "batch_size"), EVERY)
def test_answers_are_those_without_us_and_the_checks_are_in_the_manifest(
    model, name, batch_size, checkpoints, tmp_path, plain_tasks
):  # fmt: skip
    folder, own = zoo.saved(name, checkpoints), SMALLER.get(model, "")
    own += "" if model == "lfm2_5_vl" else ",device_map=cpu"  # it takes none
    evaluate(
        model, folder, "vrp_shapes", TASKS_FOLDER, batch_size=batch_size, output=tmp_path,
        arguments=f"{own},k=2,hidden_dtype=none,blank_image=true",
    )  # fmt: skip
    (manifest,) = tmp_path.glob("*/*_vrp/manifest.json")
    stated = json.loads(manifest.read_text())["model"]
    assert stated["access"] == "transformers"
    assert stated["checks"]["greedy answers are stock"] == "passed"
    records = pq.read_table(manifest.parent / "records.parquet").to_pylist()
    plain = evaluate(
        model, folder, "plain_shapes", plain_tasks, batch_size=batch_size, arguments=own
    )
    told = {
        str(s["doc_id"]): s["filtered_resps"][0].strip() for s in plain["samples"]["plain_shapes"]
    }
    assert {record["doc_id"]: record["answer"] for record in records} == told
    assert len(told) == 4
    # pictures are painted, and the adapter prepares them again; an empty answer has no chances
    assert all(np.isfinite(own["signal.image_information"]) for own in records if own["answer"])
    said = stated["geometry_self_test"]
    if name in WITHOUT_MAPS:
        assert WITHOUT_MAPS[name] in said
        return
    assert said == GEOMETRY_PASSED
    assert all(record["signal.spatial_entropy"] < 0 for record in records)


@pytest.mark.families
@pytest.mark.parametrize("name", ["internvl", "qwen3_vl"])
def test_a_sweep_of_a_model_that_nobody_declared_leaves_rows(name, checkpoints, tmp_path):
    """Over several pictures, and with features that are added between layers."""
    evaluate(
        "vrp_hf", zoo.saved(name, checkpoints), "vrp_shapes_robustness", TASKS_FOLDER,
        batch_size=2, output=tmp_path, arguments=",device_map=cpu,k=0",
    )  # fmt: skip
    (manifest,) = tmp_path.glob("*/*_vrp/manifest.json")
    found = json.loads(manifest.read_text())["sweeps"]["vrp_shapes_robustness"]
    assert found["settings"]["interventions"] == ["mask_attention", "ablate_residual", "bypass_mlp"]
    rows = pq.read_table(manifest.parent / INTERVENTIONS_FILE).to_pylist()
    assert {row["intervention"] for row in rows} >= {"mask_attention", "bypass_mlp"}
    assert {row["doc_id"] for row in rows} == {"0", "1", "2", "3"}
    assert len({row["logprob"] for row in rows}) > 4


@pytest.mark.families
@pytest.mark.parametrize("name", ["internvl", "gemma3"])
def test_regions_are_read_where_tokens_were_measured_to_look(name, checkpoints, tmp_path):
    """On a canvas, and of a processor whose geometry is not declared."""
    evaluate(
        "vrp_hf", zoo.saved(name, checkpoints), "vrp_shapes_grounding", TASKS_FOLDER,
        batch_size=2, output=tmp_path, arguments=",device_map=cpu,k=0",
    )  # fmt: skip
    (folder,) = tmp_path.glob("*/*_vrp")
    rows = pq.read_table(folder / GROUNDING_FILE).to_pylist()
    told = [row for row in rows if row["map"] == "attention.answer" and row["mass"] is not None]
    assert {row["doc_id"] for row in told} >= {"0"}
    occluded = pq.read_table(folder / INTERVENTIONS_FILE).to_pylist()
    assert {row["intervention"] for row in occluded} == {OCCLUSION}


def test_every_stock_id_but_one_is_tried():
    """gemma4's small checkpoints do not load again: the rest of it is in `test_zoo`."""
    tried = {run[0] for run in (*FEW, *MORE)} | {"qwen2_vl"}  # the shipped models
    assert set(STOCK) - tried == {"gemma4"}


@pytest.mark.parametrize(
    ("model", "name", "message"),
    [
        ("vrp_hf", "blip-2", "runs a second model inside"),
        ("vrp_hf", "t5gemma2", "with an encoder and a decoder"),
        ("vrp_hf", "llama", "which takes no image"),
        ("glm4v", "glm4v", "--model glm4v cannot be looked into: it loads a dense"),
        ("qwen2_5_vl", "qwen3_vl", "takes 'qwen2_5_vl'. Use --model qwen3_vl."),
    ],
)
def test_what_cannot_be_looked_into_is_one_line_before_it_is_loaded(model, name, message, tmp_path):
    (Path(tmp_path) / "config.json").write_text(json.dumps({"model_type": name}))
    with pytest.raises(SystemExit) as stopped:
        evaluate(model, tmp_path, "vrp_shapes", TASKS_FOLDER, batch_size=1, output=tmp_path / "o")
    said = str(stopped.value)
    assert said.startswith("vrp-tasks: ")
    assert message in said
    assert "\n" not in said


def test_code_of_a_checkpoint_is_not_run_unasked(tmp_path):
    config = {"model_type": "own", "auto_map": {"AutoConfig": "own.Config"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(SystemExit, match="needs code that comes with the checkpoint"):
        evaluate("vrp_hf", tmp_path, "vrp_shapes", TASKS_FOLDER, batch_size=1, output=tmp_path)
