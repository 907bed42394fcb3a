"""Benchmarks with evidence boxes: lmms-eval's own functions on rows with the data sets' columns."""

from pathlib import Path

import datasets
import pyarrow.parquet as pq
import pytest
import yaml
from lmms_eval import evaluator
from lmms_eval.tasks.multihopspatial import utils as multihop
from lmms_eval.tasks.refcoco import utils_rec as refcoco
from PIL import Image

import vrp_tasks.tasks.grounding
from metrics.record.records import GROUNDING_FILE, INTERVENTIONS_FILE
from tests.vrp_tasks.helpers import hub
from tests.vrp_tasks.helpers.evaluation import CHECKPOINTS, MODELS, command_line
from vrp_tasks.grounding.regions import region_of
from vrp_tasks.grounding.settings import GroundingSettings, question_in, regions_of
from vrp_tasks.tasks.grounding import docs

FOLDER = Path(vrp_tasks.tasks.grounding.__file__).parent
SIZE = (64, 48)


def settings(name):
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text())["metadata"]["vrp"]


TEXT = datasets.Value("string")
REFCOCO_FEATURES = {
    "question_id": TEXT,
    "image": datasets.Image(),
    "question": TEXT,
    "answer": [TEXT],
    "segmentation": [datasets.Value("float32")],
    "bbox": [datasets.Value("float32")],
    "iscrowd": datasets.Value("int8"),
    "file_name": TEXT,
}
# two objects of one image; boxes are x, y, width and height, as on the hub
REFCOCO = [
    {
        "question_id": str(number),
        "image": Image.new("RGB", SIZE, (9, 90, 9)),
        "question": "Please provide a short description for this region.",
        "answer": ["the left zebra", "striped one"][: number + 1],
        "segmentation": [0.0] * 6,
        "bbox": [8.0, 12.0, 16.0 + number, 24.0],
        "iscrowd": 0,
        "file_name": f"COCO_train2014_000000000009_{number}.jpg",
    }
    for number in (0, 1)
]
MULTIHOP_FEATURES = {
    **dict.fromkeys(("question", "answer", "view", "image_resolution"), TEXT),
    "image": datasets.Image(),
    "bbox": [datasets.Value("float32")],
    "hop": datasets.Value("int64"),
}
MULTIHOP = {
    "image": Image.new("RGB", SIZE),
    "question": "Which is <POS>left of</POS> the cup? (a) spoon (b) plate (c) jug (d) hat",
    "answer": "(b) plate",
    "bbox": [10, 5, 20, 30],
    "hop": 2,
    "view": "ego",
    "image_resolution": "64x48",
}


@pytest.fixture(scope="module")
def refcoco_rows():
    dataset = datasets.Dataset.from_list(REFCOCO, features=datasets.Features(REFCOCO_FEATURES))
    return list(refcoco.refcoco_bbox_rec_preprocess_dataset(dataset))


def test_refcoco_boxes_are_in_pixels_again(refcoco_rows):
    assert len(refcoco_rows) == 3  # one per expression
    annotate = regions_of(settings("vrp_refcoco"), task="vrp_refcoco")
    region = region_of(annotate(refcoco_rows[2]), SIZE)
    assert (region.x.tolist(), region.y.tolist()) == ([8, 25], [12, 36])
    assert {docs.refcoco_image(doc) for doc in refcoco_rows} == {"000000000009"}


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("[0.125, 0.25, 0.375, 0.75]", 1.0),
        ("[0.125, 0.25, 0.25, 0.75]", 0.5),
        ("[0.25, 0.25, 0.125, 0.75]", 0.0),
        ("on the left", 0.0),
    ],
)
def test_refcoco_scores_by_lmms_evals_parser(refcoco_rows, answer, score):
    doc = refcoco_rows[0]
    results = refcoco.refcoco_bbox_rec_process_result(doc, [answer])
    assert docs.refcoco_iou(doc, answer, results) == pytest.approx(score)
    assert docs.refcoco_target(doc) == "[0.125, 0.250, 0.375, 0.750]"


def test_refcoco_looks_from_the_expression_alone(refcoco_rows):
    text = refcoco.refcoco_bbox_rec_doc_to_text(refcoco_rows[1])
    options = GroundingSettings.of(settings("vrp_refcoco")["grounding"], task="vrp_refcoco")
    assert question_in(text, options, {}) == refcoco_rows[1]["answer"]


def test_multihop_boxes_and_words():
    vrp = settings("vrp_multihop")
    region = region_of(regions_of(vrp, task="t")(MULTIHOP), SIZE)
    assert (region.x.tolist(), region.y.tolist()) == ([10, 30], [5, 35])
    options = GroundingSettings.of(vrp["grounding"], task="t")
    text = multihop.multihopspatial_doc_to_text(MULTIHOP)
    expected = "Which is left of the cup? (a) spoon (b) plate (c) jug (d) hat"
    assert question_in(text, options, {}) == expected
    assert docs.multihop_region({**MULTIHOP, "bbox": None}) is None
    assert docs.multihop_kind(MULTIHOP) == "2-hop"


@pytest.mark.parametrize(("answer", "score"), [("Answer: (b) plate", 1.0), ("Answer: (a)", 0.0)])
def test_multihop_scores_the_choice(answer, score):
    results = multihop.multihopspatial_process_results(MULTIHOP, [answer])
    assert docs.multihop_correct(MULTIHOP, answer, results) == score


def test_every_named_function_is_there():
    for name in ("vrp_refcoco", "vrp_multihop"):
        for value in settings(name).values():
            if isinstance(value, str) and ":" in value:
                assert hasattr(docs, value.split(":")[1])
    group = yaml.safe_load((FOLDER / "vrp_grounding.yaml").read_text())
    assert group["task"] == ["vrp_shapes_grounding", "vrp_refcoco", "vrp_multihop"]


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Both tasks through lmms-eval, on data sets of the hub's names and columns."""
    folder = tmp_path_factory.mktemp("hub")
    outside = {**MULTIHOP, "bbox": [50, 5, 20, 30]}
    for table in (
        hub.Table("lmms-lab-encoder/RefCOCO", "default", "val", REFCOCO_FEATURES, REFCOCO),
        hub.Table(
            "etri-vilab/MultihopSpatial", "benchmark", "test", MULTIHOP_FEATURES,
            [MULTIHOP, outside],
        ),
    ):  # fmt: skip
        hub.prepare(table, folder / "datasets")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        hub.redirect(folder / "datasets", patch)
        evaluator.simple_evaluate(
            model="paligemma",
            model_args=f"pretrained={CHECKPOINTS / MODELS['paligemma']},device_map=cpu,k=2",
            tasks=["vrp_refcoco", "vrp_multihop"],
            batch_size=2,
            bootstrap_iters=0,
            gen_kwargs="max_new_tokens=4",
            cli_args=command_line(folder / "out"),
        )
    (manifest,) = folder.glob("out/*/*_vrp/manifest.json")
    names = (GROUNDING_FILE, INTERVENTIONS_FILE)
    return [pq.read_table(manifest.parent / name).to_pylist() for name in names]


def test_both_tasks_run_through_lmms_eval(tables):
    grounding, interventions = tables
    rows = {(r["task"], r["doc_id"]): r for r in grounding if r["map"] == "attention.prompt"}
    assert sorted(doc for task, doc in rows if task == "vrp_refcoco") == ["0", "1", "2"]
    share = 16 * 24 / (SIZE[0] * SIZE[1])
    assert rows["vrp_refcoco", "0"]["region_share"] == pytest.approx(share)
    assert rows["vrp_refcoco", "0"]["group"] == "000000000009"
    assert 0 < rows["vrp_refcoco", "0"]["mass"] < 1
    assert rows["vrp_multihop", "0"]["reason"] is None
    assert "reaches outside the 64 x 48 image" in rows["vrp_multihop", "1"]["reason"]
    assert {(r["task"], r["doc_id"]) for r in interventions if r["choice"] == "region"} == {
        ("vrp_refcoco", "0"), ("vrp_refcoco", "1"), ("vrp_refcoco", "2"), ("vrp_multihop", "0")
    }  # fmt: skip
