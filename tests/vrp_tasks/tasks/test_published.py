"""Every curated task through the command line, offline, on two families, beside the stock task.

One run per family holds our task and lmms-eval's own on the same small data sets, so that prompts,
answers and scores can be compared sample by sample.
"""

import json
import os
import sys
from pathlib import Path

import pytest
import torch

from tests.vrp_tasks.helpers import hub
from tests.vrp_tasks.helpers.coco_world import annotation_file, draw_images, random_pictures
from tests.vrp_tasks.helpers.evaluation import CHECKPOINTS, MODELS, records_of
from tests.vrp_tasks.helpers.judge_server import judge
from vrp_tasks.registration import TASKS_FOLDER
from vrp_tasks.tasks.coco.build import build

pytestmark = pytest.mark.slow

# ours -> lmms-eval's, and where its score of one answer stands
BASES = {
    "vrp_pope": ("pope", lambda s: s["pope_accuracy"]["score"]),
    "vrp_pope_adversarial": ("pope_adv", lambda s: s["pope_accuracy"]["score"]),
    "vrp_vqav2": ("vqav2_val", lambda s: s["exact_match"]),
    "vrp_textvqa": ("textvqa_val", lambda s: s["exact_match"]),
    "vrp_vizwiz": ("vizwiz_vqa_val", lambda s: s["exact_match"]),
    "vrp_gqa": ("gqa", lambda s: float(s["exact_match"])),
    "vrp_cvbench": ("cv_bench_2d", lambda s: s["cv_bench_acc"]["is_correct"]),
    "vrp_mme": (
        "mme",
        lambda s: (s.get("mme_perception_score") or s.get("mme_cognition_score"))["score"],
    ),
    "vrp_llava_bench": (
        "llava_bench_coco",
        lambda s: relative(s["gpt_eval_llava_all"]["scores"]),
    ),
}
# made from COCO; and one whose base asks a judge about all answers at the end of the run
WITHOUT_BASE = ("vrp_counting", "vrp_spatial", "vrp_hallusionbench")
OURS = (*BASES, *WITHOUT_BASE)


REFUSED = next(t for t in hub.tables() if "llava" in t.path).rows[3]["question"]


def opinion(prompt: str) -> str | int:
    """A judge that likes short answers, and fails on one question."""
    if f"[Question]\n{REFUSED}\n" in prompt:
        return 400
    own = prompt.split("[Assistant 2]\n")[1].split("\n\n[End of")[0]
    return f"8 {max(1, 10 - len(own))}\nBecause."


def relative(scores: list[float]) -> float | None:
    """Of the answer to the reference; None where lmms-eval says that the judge failed."""
    reference, own = scores
    return None if reference < 0 else min(1.0, own / reference)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Caches, keys and addresses, as a user would have set them."""
    folder = tmp_path_factory.mktemp("hub")
    hub.fill(folder / "datasets")
    pictures = random_pictures(200, seed=5)
    annotation_file(pictures, folder / "instances.json")
    build(folder / "instances.json", draw_images(pictures, folder / "images"), folder / "coco", n=8)
    with judge(opinion) as (address, asked), pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        hub.redirect(folder / "datasets", patch)
        patch.setenv("VRP_COCO", str(folder / "coco"))
        patch.setenv("OPENAI_API_KEY", "any")
        patch.setenv("OPENAI_API_URL", address)
        yield asked


def lmms_eval(*arguments):
    """The command line, in this process."""
    from lmms_eval.__main__ import cli_evaluate

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["lmms-eval", *map(str, arguments)])
        cli_evaluate()


@pytest.fixture(scope="module", params=["llava_hf", "qwen2_vl"])
def run(request, world, tmp_path_factory):
    """Records of our tasks and samples of all, by task."""
    out = tmp_path_factory.mktemp("out")
    model = request.param
    lmms_eval(
        *("--model", model, "--device", "cpu", "--batch_size", "1", "--log_samples"),
        *("--model_args", f"pretrained={CHECKPOINTS / MODELS[model]},device_map=cpu,k=2"),
        *("--tasks", ",".join((*OURS, *(base for base, _ in BASES.values())))),
        *("--output_path", out),
    )
    (manifest,) = out.rglob("manifest.json")
    about = json.loads(manifest.read_text())
    samples = {
        path.stem.split("_samples_")[1]: [
            json.loads(line) for line in path.read_text().splitlines()
        ]
        for path in out.rglob("*_samples_*.jsonl")
    }
    (results,) = out.rglob("*_results.json")
    return {
        "records": records_of(manifest.parent, about),
        "samples": samples,
        "results": json.loads(results.read_text())["results"],
        "manifest": about,
    }


def of(run, task):
    return sorted((r for r in run["records"] if r.task == task), key=lambda r: int(r.doc_id))


def test_every_curated_task_ran_whole(run):
    assert set(run["manifest"]["tasks"]) == set(OURS)
    sizes = dict.fromkeys(OURS, 4) | {"vrp_mme": 8, "vrp_counting": 8, "vrp_spatial": 8}
    assert {task: len(of(run, task)) for task in OURS} == sizes
    for record in run["records"]:
        assert record.correct in ((0, 1) if record.score is not None else (None,))
        assert (record.signals["token_confidence"] is None) is (record.answer == "")
        assert len(record.samples) == 2
        assert record.target not in (None, "", "answer", "gpt_answer")


@pytest.mark.parametrize("task", BASES)
def test_answers_and_scores_are_those_of_the_stock_task(run, task):
    base, score = BASES[task]
    stock = sorted(run["samples"][base], key=lambda s: s["doc_id"])
    records = of(run, task)
    assert [r.prompt for r in records] == [s["input"] for s in stock]
    assert [r.answer.strip() for r in records] == [_text(s["filtered_resps"]) for s in stock]
    assert [r.score for r in records] == [score(s) for s in stock]


def _text(responses):
    while isinstance(responses, list):
        responses = responses[0]
    return responses.strip()


def test_the_stock_metrics_stand_beside_ours(run):
    for task, (base, _) in BASES.items():
        ours, stock = run["results"][task], run["results"][base]
        shared = [k for k in stock if k.endswith(",none") and "stderr" not in k and k in ours]
        assert shared
        assert {k: ours[k] for k in shared} == {k: stock[k] for k in shared}, task


def test_hallusion_bench_is_scored_by_its_own_rule_without_a_judge(run):
    from lmms_eval.tasks.hallusion_bench.evaluate_hb import hb_aggregation_result_intern

    records = of(run, "vrp_hallusionbench")
    rows = next(t for t in hub.tables() if t.path.endswith("HallusionBench")).rows
    whole = [{**row, "model_prediction": r.answer} for row, r in zip(rows, records, strict=True)]
    mean = hb_aggregation_result_intern([dict(row) for row in whole], "aAcc")
    assert sum(r.score for r in records) / len(records) == mean
    assert run["results"]["vrp_hallusionbench"]["aAcc,none"] == mean


def test_groups_are_images_and_kinds_are_those_of_the_benchmarks(run):
    for task in OURS:
        records = of(run, task)
        expected = (
            8
            if task in ("vrp_counting", "vrp_spatial")
            else 4
            if task in ("vrp_mme", "vrp_vizwiz")
            else 2
        )
        assert len({r.group for r in records}) == expected, task
    kinds = {task: {r.kind for r in of(run, task)} for task in OURS}
    assert kinds["vrp_pope"] == {"adversarial", "popular", "random"}
    assert kinds["vrp_cvbench"] == {"Count", "Relation"}
    assert kinds["vrp_mme"] == {"existence", "code_reasoning"}
    assert kinds["vrp_gqa"] == {"verify"}
    assert kinds["vrp_textvqa"] == {"number"}
    assert kinds["vrp_vizwiz"] <= {"what", "which"}
    assert kinds["vrp_llava_bench"] == {"conv", "detail", "complex"}
    assert kinds["vrp_hallusionbench"] == {"VD illusion"}


def test_soft_scores_are_kept_and_binarised(run):
    scores = {r.score for task in ("vrp_vqav2", "vrp_textvqa", "vrp_vizwiz") for r in of(run, task)}
    assert all(0 <= score <= 1 for score in scores)
    for record in run["records"]:
        threshold = 0.75 if record.task == "vrp_llava_bench" else 0.5
        if record.score is not None:
            assert record.correct == int(record.score >= threshold)


def test_what_the_judge_did_not_score_has_no_label_and_says_why(run, world):
    *judged, refused = of(run, "vrp_llava_bench")
    assert refused.prompt == REFUSED
    assert refused.correct is refused.score is None
    assert "the judge gave no scores" in refused.missing["score"]
    assert "refused on purpose" in refused.missing["score"]
    assert {r.correct for r in judged} <= {0, 1}
    assert None not in {r.score for r in judged}
    assert any("Coloured shapes on a plain ground." in prompt for prompt in world)


@pytest.fixture(scope="module")
def tasks(world):
    """Our tasks and their bases, built without reading every stock YAML."""
    import lmms_eval.tasks as stock
    from lmms_eval.tasks import TaskManager, get_task_dict

    home = Path(stock.__file__).parent
    folders = ("pope", "vqav2", "textvqa", "vizwiz_vqa", "gqa", "cv_bench", "mme")
    paths = [str(TASKS_FOLDER), *(str(home / name) for name in folders)]
    manager = TaskManager(include_path=paths, include_defaults=False)
    names = [t for t in BASES if t != "vrp_llava_bench"]
    return get_task_dict([*names, *(BASES[t][0] for t in names)], manager)


@pytest.mark.parametrize("task", [t for t in BASES if t != "vrp_llava_bench"])
def test_any_answer_is_scored_as_the_stock_task_scores_it(tasks, task):
    base, score = BASES[task]
    ours, stock = tasks[task], tasks[base]
    seen = set()
    for index in range(len(ours.task_docs)):
        doc = ours.dataset_no_image[ours.config.test_split][index]
        target = str(ours.config.process_results(doc, [""])["accuracy"]["target"])
        for answer in (
            target,
            f"{target}.",
            target.upper(),
            "yes",
            "No.",
            "other 0",
            "Unanswerable",
            "",
        ):
            doc = ours.dataset_no_image[ours.config.test_split][index]
            same = stock.dataset_no_image[stock.config.test_split][index]
            expected = float(score(stock.process_results(same, [answer])))
            assert ours.process_results(doc, [answer])["accuracy"]["score"] == expected
            seen.add(expected)
    assert len(seen) > 1  # right and wrong answers were among them


def refused(tasks, data_sets=None, **options):
    """The one line with which the command line stops, before a model is built."""
    pretrained = f"pretrained={CHECKPOINTS / MODELS['qwen2_vl']}"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in options.items():
            patch.setenv(name, value)
        hub.redirect(data_sets or os.environ["HF_DATASETS_CACHE"], patch)
        patch.setattr(torch.nn.Module, "__init__", lambda *_: pytest.fail("a model was built"))
        _without_stock_tasks(patch)
        with pytest.raises(SystemExit) as stopped:
            lmms_eval("--model", "qwen2_vl", "--tasks", tasks, "--model_args", pretrained)
    said = str(stopped.value)  # a text: Python prints it and exits with 1
    assert said.startswith("vrp-tasks: ")
    assert "\n" not in said
    return said


def _without_stock_tasks(patch):
    """Spare the reading of 2,000 YAMLs; bases are found by their file."""
    from lmms_eval.tasks import TaskManager

    read = TaskManager.initialize_tasks
    ours = {"include_path": str(TASKS_FOLDER), "include_defaults": False}
    patch.setattr(TaskManager, "initialize_tasks", lambda self, *_, **__: read(self, **ours))


@pytest.mark.parametrize(
    ("task", "shown"),
    [
        (
            "vrp_pope",
            "task vrp_pope: its data set lmms-lab-encoder/POPE (default) cannot be loaded",
        ),
        ("vrp_cvbench", "nyu-visionx/CV-Bench (2D) cannot be loaded"),
        ("vrp_gqa", "lmms-lab-encoder/GQA (testdev_balanced_images) cannot be loaded"),
        ("vrp_core", "task vrp_pope: its data set lmms-lab-encoder/POPE"),
    ],
)
def test_a_data_set_out_of_reach_is_one_clear_line(world, task, shown, tmp_path):
    said = refused(task, data_sets=tmp_path / "empty")
    assert shown in said
    assert "HF_HUB_OFFLINE" in said
    assert str(tmp_path / "empty") in said


def test_without_coco_the_line_says_how_to_make_it(world, tmp_path):
    assert "python -m vrp_tasks.tasks.coco build" in refused("vrp_spatial", VRP_COCO=str(tmp_path))


def test_without_a_judge_nothing_is_loaded(world):
    assert "is labelled by a judge" in refused("vrp_paper", OPENAI_API_KEY="")


def test_the_groups_are_the_papers_set_and_what_a_release_check_runs(tasks):
    from lmms_eval.tasks import TaskManager

    from vrp_tasks.attach.names import expanded

    manager = TaskManager(include_path=str(TASKS_FOLDER), include_defaults=False)
    assert set(OURS) <= set(manager.all_tasks)
    paper, core = (set(dict(expanded(manager, [n]))) for n in ("vrp_paper", "vrp_core"))
    assert paper == {"vrp_pope_adversarial", "vrp_llava_bench", "vrp_counting", "vrp_spatial",
                     "vrp_vqav2", "vrp_textvqa"}  # fmt: skip
    assert core <= set(OURS) - {"vrp_llava_bench", "vrp_counting", "vrp_spatial"}
