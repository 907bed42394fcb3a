"""Sweeps through lmms-eval: planted truth, the naive way, a stopped sweep, what is refused."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from lmms_eval.models.chat.llava_hf import LlavaHf
from lmms_eval.models.simple.qwen2_vl import Qwen2_VL

from leaderboard.results.robustness import summarise
from leaderboard.runs.read import read_run
from leaderboard.runs.sweep_columns import CurveKey
from metrics.record.channels import ImageMaps
from metrics.record.records import INTERVENTIONS_FILE
from tests.vrp_tasks.helpers import planted
from tests.vrp_tasks.helpers.evaluation import CHECKPOINTS, command_line
from vrp_tasks.access.transformers import TransformersAccess
from vrp_tasks.adapters.paligemma import PaliGemma
from vrp_tasks.interventions.ablation import ablated_units, bypassed
from vrp_tasks.interventions.blocking import blocked_attention
from vrp_tasks.interventions.companion import Robustness
from vrp_tasks.interventions.kinds import INTERVENTIONS
from vrp_tasks.interventions.pixels import replaced_pixels
from vrp_tasks.interventions.ranking import Ranking, choose_cells
from vrp_tasks.interventions.variants import Variant
from vrp_tasks.registration import TASKS_FOLDER

ADAPTERS = {
    "vrp-tiny-llava": LlavaHf,
    "vrp-tiny-paligemma": PaliGemma,
    "vrp-tiny-qwen2-vl": Qwen2_VL,
}
TASK = """
include: {template}
task: vrp_swept
process_docs: !function {docs}
generation_kwargs: {{max_new_tokens: {tokens}, do_sample: false}}
metadata: {{version: 1.0, vrp: {{robustness: {settings}}}}}
"""
ALL_KINDS = "vrp_tasks.tasks.shapes.docs.all_kinds"


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def adapter(checkpoint="vrp-tiny-llava", **options):
    folder = str(CHECKPOINTS / checkpoint)
    return ADAPTERS[checkpoint](pretrained=folder, device="cpu", device_map="cpu", **options)


def sweep(lm, settings, folder, *, limit, docs=ALL_KINDS, tokens=8, batch_size=1):
    """Run the task with these settings, without stored states to fit probes on; the run folder."""
    import lmms_eval.evaluator as evaluator
    from lmms_eval.tasks import TaskManager

    tasks = folder / "tasks"
    tasks.mkdir(exist_ok=True)
    shapes = TASKS_FOLDER / "shapes"
    text = TASK.format(
        template=shapes / "_shapes_template_yaml",
        docs=docs, tokens=tokens, settings=json.dumps(settings),
    )  # fmt: skip
    (tasks / "vrp_swept.yaml").write_text(text)
    (tasks / "split.json").write_bytes((shapes / "split.json").read_bytes())
    evaluator.simple_evaluate(
        model=lm, model_args="k=0,hidden_dtype=none", tasks=["vrp_swept"],
        limit=limit, batch_size=batch_size, bootstrap_iters=0,
        task_manager=TaskManager(include_path=str(tasks), include_defaults=False),
        cli_args=command_line(folder / "out"),
    )  # fmt: skip
    (manifest,) = (folder / "out").glob("*/*_vrp/manifest.json")
    return manifest.parent


def rows_of(run):
    return pq.read_table(run / INTERVENTIONS_FILE).to_pylist()


PLANTED = {
    "interventions": ["ablate_residual"], "unit_counts": [1], "unit_shares": [0.1],
    "unit_fills": ["zero"], "min_errors": 5,
}  # fmt: skip


@pytest.mark.parametrize("plant", [planted.plant_bottleneck, planted.plant_copies])
def test_planted_truth(plant, tmp_path):
    """One deciding dimension is a cliff, and is named; copies of it are a plateau."""
    lm = adapter()
    plant(lm.model, lm.tokenizer)
    docs = "tests.vrp_tasks.helpers.planted.true_questions"
    # a verdict takes 30 errors, a plateau more than 60 images
    folder = sweep(lm, PLANTED, tmp_path, limit=120, docs=docs, tokens=1)
    run = read_run(folder)
    found = summarise(run, "vrp_swept")
    ((place, verdict),) = found.verdicts
    single = found.curve(CurveKey("ablate_residual", 5, "zero", "count", "ranked"))
    assert found.words["ablate_residual"] == INTERVENTIONS["ablate_residual"].words
    assert set(run.manifest.sweeps["vrp_swept"]["words"]) == {"ablate_residual"}
    named = [fold[0] for fold in run.manifest.sweeps["vrp_swept"]["top_units"]["residual.5"]]
    assert place == "residual units of layer 5"
    assert 0.5 < found.clean.value < 0.95
    if plant is planted.plant_bottleneck:
        assert named == [planted.BOTTLENECK] * 5
        assert single.accuracy[0].value == 0  # nothing decides any more
        assert verdict.word == "bottleneck"
    else:
        assert single.agreement[0].value == 1
        assert verdict.word == "distributed"


EVERYTHING = {
    "interventions": [
        "mask_attention", "mask_pixels", "ablate_residual", "ablate_mlp", "bypass_mlp",
        "bypass_attention",
    ],
    "image_shares": [0.3], "mask_layers": [1], "unit_counts": [3], "unit_shares": [0.5],
    "layers": [4], "unit_fills": ["zero"], "pixel_fills": ["blur"],
    "min_errors": 1, "folds": 2, "max_rows": 7,
}  # fmt: skip


@pytest.mark.parametrize(
    ("checkpoint", "batch_size"),
    [("vrp-tiny-llava", 1), ("vrp-tiny-paligemma", 4), ("vrp-tiny-qwen2-vl", 5)],
)
def test_rows_are_what_one_hooked_generation_per_dose_gives(
    checkpoint, batch_size, tmp_path, monkeypatch
):
    lm = adapter(checkpoint, batch_size=batch_size)
    kept = {}
    stock = Robustness._sweep

    def keeping(self, pairs, ranking):
        samples = [sample for _, sample in pairs]
        maps = self.session.folder.store.array(ImageMaps, "by_layer", samples)
        kept.update(pairs=pairs, ranking=ranking, maps=maps)
        result = stock(self, pairs, ranking)
        kept["naive"] = naive_answers(self, kept)
        return result

    monkeypatch.setattr(Robustness, "_sweep", keeping)
    rows = rows_of(sweep(lm, EVERYTHING, tmp_path, limit=24, batch_size=batch_size))
    assert len(rows) == 24 * (2 * 5 + 2 * 2 * 4 + 2)
    found = {(r["doc_id"], variant_of(r)): r["answer"] for r in rows}
    assert {key: found[key] for key in kept["naive"]} == kept["naive"]
    assert len(kept["naive"]) == len({variant_of(r) for r in rows})
    assert len({found[key] for key in kept["naive"]}) > 1


def variant_of(row):
    return Variant(**{name: row[name] for name in Variant.__dataclass_fields__})


def naive_answers(companion, kept):
    """Every variant of the document whose answers differ most: one `generate` each, by itself."""
    answers = {}
    rows = companion.session.folder.rows(INTERVENTIONS_FILE)
    distinct = {doc: len({r["answer"] for r in rows if r["doc_id"] == doc})
                for doc in dict.fromkeys(r["doc_id"] for r in rows)}  # fmt: skip
    chosen = max(distinct, key=distinct.get)
    index = next(i for i, (_, sample) in enumerate(kept["pairs"]) if sample.doc_id == chosen)
    request, sample = kept["pairs"][index]
    attended = kept["maps"][index].mean(axis=0)
    for variant in (v for group in companion.groups for v in group.variants):
        handler = naive_handler(companion, variant, sample, kept["ranking"], attended)
        (text,) = companion.access.serve(companion.asked([request]), handler)
        answers[sample.doc_id, variant] = text.strip()
    return answers


def naive_handler(companion, variant, sample, ranking, attended):
    model, family, name = companion.model, companion.family, variant.intervention

    def handler(inputs, options, _docs):
        if name.startswith("mask"):
            chosen = torch.from_numpy(
                choose_cells(variant, attended.ravel(), f"vrp_swept/test/{sample.doc_id}")
            )
            if name == "mask_pixels":
                cells = [chosen.reshape(attended.shape)]
                changed = replaced_pixels(model.config, family, inputs, cells, fill=variant.fill)
                return type(model).generate(model, **changed, **options)
            hidden = family.image_tokens(model.config, inputs["input_ids"])
            hidden[hidden.clone()] = chosen
            context = blocked_attention(model, family, hidden, layers=[variant.layer])
        elif name.startswith("bypass"):
            context = bypassed(model, family, variant.layer, name.removeprefix("bypass_"))
        else:
            site = name.removeprefix("ablate_")
            total = 128 if site == "residual" else 320
            units = torch.from_numpy(ranking.units(site, variant, sample.doc_id, total))[None]
            context = ablated_units(model, family, variant.layer, site, units)
        with context:
            return type(model).generate(model, **inputs, **options)

    return handler


QUICK = {
    "interventions": ["ablate_mlp", "bypass_mlp"], "unit_counts": [], "unit_shares": [0.25],
    "unit_fills": ["zero", "mean"], "min_errors": 1, "folds": 2,
}  # fmt: skip


def test_a_stopped_sweep_keeps_what_is_done_and_goes_on(tmp_path, monkeypatch):
    (tmp_path / "whole").mkdir()
    whole = rows_of(sweep(adapter(), QUICK, tmp_path / "whole", limit=32))
    stock, slices = Robustness._handle, []

    def stopping(self, inputs, options, docs, **more):
        slices.append(docs)
        if len(slices) == 20:
            raise KeyboardInterrupt
        return stock(self, inputs, options, docs, **more)

    monkeypatch.setattr(Robustness, "_handle", stopping)
    (tmp_path / "parts").mkdir()
    with pytest.raises(KeyboardInterrupt):
        sweep(adapter(), QUICK, tmp_path / "parts", limit=32)
    (parts,) = (tmp_path / "parts" / "out").glob("*/*_vrp/parts/1")
    assert len(list(parts.glob(f"{INTERVENTIONS_FILE}.*"))) == 1  # the first 16 of 32 samples
    for states in parts.glob("units.*"):  # and as if stopped between capture and unit states
        states.unlink()
        break
    rows = rows_of(sweep(adapter(), QUICK, tmp_path / "parts", limit=32))
    assert len(slices) == 20 + 16
    key = lambda r: (int(r["doc_id"]), str(variant_of(r)))  # noqa: E731
    assert sorted(rows, key=key) == sorted(whole, key=key)


def stopped_in_the_second_slice(folder, monkeypatch, **more):
    """A sweep that is stopped after the rows of sixteen samples."""
    stock, calls = Robustness._handle, []

    def stopping(self, inputs, options, docs, **options_more):
        calls.append(docs)
        if len(calls) == 20:
            raise KeyboardInterrupt
        return stock(self, inputs, options, docs, **options_more)

    with monkeypatch.context() as patch:
        patch.setattr(Robustness, "_handle", stopping)
        with pytest.raises(KeyboardInterrupt):
            sweep(adapter(), QUICK, folder, **more)


@pytest.mark.parametrize("limit", [12, 32])
def test_another_limit_leaves_rows_of_its_own_samples_and_ranking_only(
    limit, tmp_path, monkeypatch
):
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = sweep(adapter(), QUICK, tmp_path / "whole", limit=limit)
    stopped_in_the_second_slice(tmp_path / "parts", monkeypatch, limit=24)
    found = sweep(adapter(), QUICK, tmp_path / "parts", limit=limit)
    key = lambda r: (int(r["doc_id"]), str(variant_of(r)))  # noqa: E731
    rows = sorted(rows_of(found), key=key)
    assert rows == sorted(rows_of(whole), key=key)
    assert {row["doc_id"] for row in rows} == {str(doc) for doc in range(limit)}
    fresh, again = (read_run(folder).manifest.sweeps["vrp_swept"] for folder in (whole, found))
    for part in ("top_units", "refused", "n_samples", "ranked_on"):
        assert again[part] == fresh[part]
    assert again["top_units"] or limit == 12  # no error to rank on


def test_a_stopped_sweep_does_not_go_on_under_other_settings(tmp_path, monkeypatch):
    def stop(*_args, **_more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Robustness, "_handle", stop)
        with pytest.raises(KeyboardInterrupt):
            sweep(adapter(), QUICK, tmp_path, limit=2)
    sweep(adapter(), QUICK | {"layers": [3]}, tmp_path, limit=2)
    assert len(list((tmp_path / "out").glob("*/*_vrp"))) == 2


def test_too_few_errors_to_rank_on_is_said_and_controls_are_measured(tmp_path):
    settings = QUICK | {"min_errors": 200, "interventions": ["ablate_mlp"], "max_samples": 8}
    folder = sweep(adapter(), settings, tmp_path, limit=24)
    run = read_run(folder)
    ((what, reason),) = run.manifest.sweeps["vrp_swept"]["refused"].items()
    assert what == "ranked mlp units of layer 5"
    assert "wrong answers to rank units on, 200 are needed" in reason or "right answers" in reason
    rows = rows_of(folder)
    assert {r["choice"] for r in rows} == {"random"}
    assert 8 <= len({r["doc_id"] for r in rows}) < 24
    found = summarise(run, "vrp_swept")
    assert (found.verdicts[0][1].word, found.verdicts[0][1].reason) == ("cannot tell", reason)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": [6]}, "layer 6 does not exist: the 6 decoder layers are 0 … 5"),
        ({"unit_counts": [129]}, "asks for 129 units, layer 5 has 128 residual units"),
        ({"image_shares": [1.5]}, "image_shares must hold a number in"),
    ],
)
def test_bad_settings_stop_before_the_first_sample(settings, message, tmp_path, monkeypatch):
    lm = adapter()
    monkeypatch.setattr(TransformersAccess, "observe", lambda *_: pytest.fail("asked"))
    with pytest.raises(SystemExit, match=message):
        sweep(lm, settings, tmp_path, limit=4)


def test_units_of_a_ranking_are_nested_and_held_out():
    place = (5, "mlp")
    order = np.stack([np.arange(8), np.arange(8)[::-1]])
    ranking = Ranking("t", fold={"a": 0, "b": 1}, order={place: order}, means={place: order * 1.0})
    one, half = (Variant("ablate_mlp", "ranked", "zero", 5, d, "share") for d in (0.1, 0.5))
    assert ranking.units("mlp", one, "a", 8).nonzero()[0].tolist() == [0]
    assert ranking.units("mlp", one, "b", 8).nonzero()[0].tolist() == [7]
    assert ranking.units("mlp", half, "b", 8).nonzero()[0].tolist() == [4, 5, 6, 7]
    drawn = [[replace(v, choice="random", seed=s) for v in (one, half)] for s in range(3)]
    draws = [
        [frozenset(np.flatnonzero(ranking.units("mlp", v, "a", 8))) for v in both] for both in drawn
    ]
    assert all(small < large for small, large in draws)
    assert len({large for _, large in draws}) == 3
    mean = Variant("ablate_mlp", "ranked", "mean", 5, 2.0, "count")
    assert ranking.fill("mlp", mean, "b", 8).tolist() == order[1].tolist()
    assert Ranking("t").units("mlp", mean, "a", 8) is None
