"""The main job through lmms-eval: same answers as stock, complete records."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from loguru import logger
from safetensors import safe_open
from transformers import GenerationMixin

from metrics.record.channels import PromptState, Samples
from metrics.record.failures import failure_in
from metrics.record.records import IMAGES_FILE, INTERVENTIONS_FILE
from metrics.record.store import ChannelStore
from metrics.signals import SIGNALS
from tests.vrp_tasks.helpers.bad_documents import write_bad_tasks
from tests.vrp_tasks.helpers.evaluation import (
    CHECKPOINTS,
    MODELS,
    PLAIN_TASK,
    evaluate,
    read,
    run_ours,
    stock_adapter,
    write_plain_task,
)
from tests.vrp_tasks.helpers.planted_probe import planted_probe
from tests.vrp_tasks.helpers.stopped import said
from vrp_tasks.access import tried
from vrp_tasks.capture.proof import Proof
from vrp_tasks.errors import CaptureError, FailuresError, SetupError
from vrp_tasks.registration import TASKS_FOLDER
from vrp_tasks.settings.probe_file import SEEN

UNASKED = ("answer", "prefill", "samples")  # what a run does without being asked


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module")
def plain_tasks(tmp_path_factory):
    """A folder with a task of the same questions that is not ours."""
    return write_plain_task(tmp_path_factory.mktemp("plain"))


@pytest.fixture
def generated(monkeypatch):
    """Token sequences that any `generate` call returns, without their prompts."""
    sequences = []
    stock = GenerationMixin.generate

    def recording(self, *args, **kwargs):
        out = stock(self, *args, **kwargs)
        sequences.extend(out[:, kwargs["input_ids"].shape[1] :].tolist())
        return out

    monkeypatch.setattr(GenerationMixin, "generate", recording)
    # the checks at load generate too
    monkeypatch.setattr(tried, "proof_of", lambda *_: Proof())
    return sequences


@pytest.mark.parametrize("model", MODELS)
def test_answers_are_those_of_the_stock_adapter_token_for_token(
    model, tmp_path, plain_tasks, generated
):
    _, (_, _, records) = run_ours(model, tmp_path)
    ours, generated[:] = sorted(generated), []
    lm = stock_adapter(model)(
        pretrained=str(CHECKPOINTS / MODELS[model]), device="cpu", device_map="cpu"
    )
    plain = evaluate(model, ["plain_shapes"], plain_tasks, lm=lm)
    assert sorted(generated) == ours
    samples = plain["samples"]["plain_shapes"]
    texts = {str(s["doc_id"]): s["filtered_resps"][0].strip() for s in samples}
    assert {r.doc_id: r.answer for r in records} == texts
    assert len(texts) == 16


@pytest.mark.parametrize("model", MODELS)
def test_a_run_is_complete_and_every_signal_is_there(model, tmp_path):
    results, (folder, manifest, records) = run_ours(model, tmp_path, limit=40)
    assert [r.doc_id for r in records] == [str(i) for i in range(40)]
    assert len({r.group for r in records}) == 5
    asked_for = {"loaded_probe", "h_neurons"}
    of_servers = {"first_token_entropy_bound", "logit_entropy_bound"}  # here they are exact
    every = {s.name for s in SIGNALS if s.cost in UNASKED} - asked_for - of_servers
    left_out = {name.split(":")[1]: why for name, why in manifest["not_offered"].items()}
    assert set(left_out) == {s.name for s in SIGNALS} - every
    ways = ("extra=", "blank_image=", "probe=", "rescore")  # to have them
    others = {name: why for name, why in left_out.items() if name not in of_servers}
    assert all(any(way in why for way in ways) for why in others.values())
    assert {left_out[name] for name in of_servers} == {left_out["logit_entropy_bound"]}
    for record in records:
        assert record.score in (0.0, 1.0)
        assert len(record.samples) == 10
        assert record.grid == [8, 8]
        assert len(record.layers["spatial_entropy"]) == manifest["model"]["n_layers"] == 6
        assert 0 < min(record.layers["image_attention_mass"]) < 1
        assert set(record.signals) == every
        assert len(record.layers["answer_margin"]) == len(record.layers["truth_margin"]) == 7
        assert len(record.layers["update_norm"]) == len(record.layers["margin_from_mlp"]) == 6
        assert record.signals["self_consistency"] in {i / 10 for i in range(1, 11)}
    table = results["results"]["vrp_shapes"]
    assert table["accuracy,none"] == np.mean([r.correct for r in records])
    assert manifest["tasks"]["vrp_shapes"]["n_samples"] == 40
    assert manifest["settings"]["k"] == 10
    assert len(manifest["model"]["weights_sha256"]) == 64
    assert manifest["model"]["center_crop"] == float(model == "llava_hf")
    assert (folder / records[0].shard).exists()
    pictures = pq.read_table(folder / IMAGES_FILE)["sha256"].to_pylist()
    assert len(pictures) == 5
    assert {r.image for r in records} == set(pictures)
    logged = results["samples"]["vrp_shapes"][0]["accuracy"]
    assert logged["answer"] == records[0].answer
    assert logged["signals"]["token_confidence"] == records[0].signals["token_confidence"]


def test_batches_give_the_same_answers_and_samples(tmp_path):
    _, (_, _, single) = run_ours("qwen2_vl", tmp_path / "one")
    _, (_, _, pairs) = run_ours("qwen2_vl", tmp_path / "two", batch_size=2)
    assert [r.answer for r in pairs] == [r.answer for r in single]
    assert [r.samples for r in pairs] == [r.samples for r in single]


def test_a_stopped_run_goes_on_where_it_was(tmp_path, monkeypatch):
    from vrp_tasks.run import answering
    from vrp_tasks.run.folder import RunFolder

    _, (_, _, whole) = run_ours("qwen2_vl", tmp_path / "whole")
    monkeypatch.setattr(answering, "_SLICE", 5)
    add, calls = RunFolder.add, []

    def stop_in_the_third_part(self, make, channels, *rest, **more):
        calls.append(len(make))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return add(self, make, channels, *rest, **more)

    def counted(self, make, channels, *rest, **more):
        calls.append(len(make))
        return add(self, make, channels, *rest, **more)

    monkeypatch.setattr(RunFolder, "add", stop_in_the_third_part)
    with pytest.raises(KeyboardInterrupt):
        run_ours("qwen2_vl", tmp_path / "stopped")
    calls.clear()
    monkeypatch.setattr(RunFolder, "add", counted)
    _, (_, manifest, resumed) = run_ours("qwen2_vl", tmp_path / "stopped")
    assert sum(calls) == manifest["cost"]["n_samples"] == 16 - 10
    for ours, theirs in zip(resumed, whole, strict=True):
        assert (ours.answer, ours.samples) == (theirs.answer, theirs.samples)
        assert ours.signals == pytest.approx(theirs.signals, nan_ok=True)


@pytest.mark.parametrize(
    ("model", "changed", "named"),
    [
        ("qwen2_vl", {"arguments": "max_pixels=3136"}, "model_arguments.max_pixels"),
        ("qwen2_vl", {"arguments": "min_pixels=6272"}, "model_arguments.min_pixels"),
        ("qwen2_vl", {"arguments": "system_prompt=Look"}, "model_arguments.system_prompt"),
        ("qwen2_vl", {"gen_kwargs": "max_new_tokens=3"}, "generation_kwargs.max_new_tokens"),
        ("llava_hf", {"arguments": "chat_template=x"}, "model_arguments.chat_template"),
        ("paligemma", {"arguments": "max_new_tokens=2"}, "model_arguments.max_new_tokens"),
        ("qwen2_vl", {"batch_size": 2}, None),
    ],
)
def test_a_stopped_run_does_not_go_on_under_other_model_arguments(
    model, changed, named, tmp_path, monkeypatch
):
    from vrp_tasks.run import answering
    from vrp_tasks.run.folder import RunFolder

    monkeypatch.setattr(answering, "_SLICE", 2)
    add, calls = RunFolder.add, []

    def stop_in_the_second_part(self, make, channels, *rest, **more):
        calls.append(len(make))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return add(self, make, channels, *rest, **more)

    def counted(self, make, channels, *rest, **more):
        calls.append(len(make))
        return add(self, make, channels, *rest, **more)

    monkeypatch.setattr(RunFolder, "add", stop_in_the_second_part)
    with pytest.raises(KeyboardInterrupt):
        run_ours(model, tmp_path, limit=6)
    (stopped,) = tmp_path.glob("*/*_vrp")
    lines = []
    handler = logger.add(lambda message: lines.append(str(message)), level="INFO")
    calls.clear()
    monkeypatch.setattr(RunFolder, "add", counted)
    _, (folder, manifest, records) = run_ours(model, tmp_path, limit=6, **changed)
    logger.remove(handler)
    said = [line for line in lines if "A new run is started" in line]
    if named is None:
        assert folder == stopped
        assert (sum(calls), said) == (4, [])
        return
    assert folder != stopped
    assert sum(calls) == len(records) == 6  # nothing of the stopped run
    assert len(said) == 1
    assert f"{named} (" in said[0]
    if "arguments" in changed:
        name, value = changed["arguments"].split("=")
        assert str(manifest["settings"]["model_arguments"][name]) == value


@pytest.mark.parametrize("arguments", ["k=0,hidden_dtype=none", "hidden_max=0"])
def test_what_is_not_offered_outlives_a_stop(arguments, tmp_path, monkeypatch):
    from vrp_tasks.run.session import Session

    _, (_, whole, _) = run_ours("qwen2_vl", tmp_path / "whole", limit=4, arguments=arguments)
    assert "vrp_shapes:probe" in whole["not_offered"]
    with monkeypatch.context() as patch:
        patch.setattr(Session, "finish", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_ours("qwen2_vl", tmp_path / "stopped", limit=4, arguments=arguments)
    _, (_, resumed, _) = run_ours("qwen2_vl", tmp_path / "stopped", limit=4, arguments=arguments)
    for field in ("not_offered", "invalid"):
        assert resumed[field] == whole[field]


def interrupted(_):
    raise KeyboardInterrupt


FILTERED = """
include: {folder}/shapes/_shapes_template_yaml
task: vrp_filtered
dataset_kwargs: {{data_files: {{test: {folder}/shapes/split.json}}}}
process_docs: !function vrp_tasks.tasks.shapes.docs.all_kinds
filter_list:
  - name: second
    filter: [{{function: regex, regex_pattern: '^.(.*)$'}}, {{function: take_first}}]
"""


def test_filters_act_once_on_the_answer_and_on_its_samples(tmp_path, monkeypatch):
    """The filter leaves another text each time: what a resumed run hands on must be the raw one."""
    from vrp_tasks.run import answering
    from vrp_tasks.run.folder import RunFolder

    (tmp_path / "vrp_filtered.yaml").write_text(FILTERED.format(folder=TASKS_FOLDER))

    def run(output):
        found = evaluate("qwen2_vl", ["vrp_filtered"], tmp_path, output=output, limit=8)
        (folder,) = output.glob("*/*_vrp")
        return found["samples"]["vrp_filtered"], read(folder)[2]

    whole, records = run(tmp_path / "whole")
    for record in records:
        assert record.normal_samples == [re.sub("^.(.*)$", r"\1", s) for s in record.samples]
    assert any(record.signals["answer_agreement"] == 1 for record in records)

    monkeypatch.setattr(answering, "_SLICE", 2)
    add, calls = RunFolder.add, []

    def stop_in_the_third_part(self, make, channels, *rest, **more):
        calls.append(len(make))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return add(self, make, channels, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "add", stop_in_the_third_part)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "stopped")
    resumed, again = run(tmp_path / "stopped")
    for one, other in zip(whole, resumed, strict=True):
        assert (one["resps"], one["filtered_resps"]) == (other["resps"], other["filtered_resps"])
    for one, other in zip(records, again, strict=True):
        assert (one.answer, one.correct, one.missing) == (
            other.answer,
            other.correct,
            other.missing,
        )
        assert one.signals == pytest.approx(other.signals, nan_ok=True)


def test_text_alone_gives_the_same_answers_and_what_answers_tell(tmp_path):
    inside, outside = (
        run_ours("qwen2_vl", tmp_path / level, limit=6, arguments=f"access={level},k=3")
        for level in ("transformers", "text")
    )
    for one, other in zip(inside[0]["samples"]["vrp_shapes"], outside[0]["samples"]["vrp_shapes"],
                          strict=True):  # fmt: skip
        assert one["filtered_resps"] == other["filtered_resps"]
    _, (_, manifest, records) = outside
    assert manifest["model"]["access"] == "text"
    offered = {s.name for s in SIGNALS if s.needs == (Samples,)}
    left_out = {name.split(":")[1] for name in manifest["not_offered"]}
    for record, same in zip(records, inside[1][2], strict=True):
        assert (record.answer, record.correct) == (same.answer, same.correct)
        # samples that never differ may be certainty or an ignored temperature: none are scored then
        assert set(record.signals) == offered - left_out
    assert left_out >= {s.name for s in SIGNALS} - offered
    assert not set(manifest["not_offered"]) & set(manifest["invalid"])


def test_the_manifest_says_every_model_argument_that_can_matter(tmp_path):
    _, (_, manifest, _) = run_ours("qwen2_vl", tmp_path, limit=2)
    arguments = manifest["settings"]["model_arguments"]
    assert arguments["max_pixels"] == 602112
    assert arguments["system_prompt"] == "You are a helpful assistant."
    assert not {"pretrained", "device", "device_map", "batch_size", "k"} & set(arguments)


def test_the_response_cache_takes_nothing_from_ours(tmp_path):
    """Elsewhere answers are asked for anew, with all that stands beside them."""
    given = {"use_cache": str(tmp_path / "cache"), "limit": 6}
    with said() as lines:
        _, (_, _, first) = run_ours("qwen2_vl", tmp_path / "a", **given)
    assert any(line.startswith("--use_cache is not used for vrp_shapes:") for line in lines)
    _, (_, _, moved) = run_ours("qwen2_vl", tmp_path / "elsewhere", **given)
    assert moved == first
    assert all(r.signals["logit_entropy"] is not None for r in moved)


def test_without_samples_consistency_is_undefined(tmp_path):
    _, (_, manifest, records) = run_ours("llava_hf", tmp_path, limit=8, arguments="k=0")
    names = ("self_consistency", "answer_agreement", "pairwise_agreement", "distinct_answers")
    for name in names:
        reason = manifest["not_offered"][f"vrp_shapes:{name}"]
        assert reason == "no answers were asked for (k=0)"
        assert f"vrp_shapes:{name}" not in manifest["invalid"]
    for record in records:
        assert record.samples == []
        assert not set(names) & set(record.signals)


def test_a_probe_on_too_few_errors_says_so(tmp_path):
    _, (_, manifest, records) = run_ours("qwen2_vl", tmp_path, limit=8)
    reason = records[0].missing["probe"]
    assert manifest["invalid"]["vrp_shapes:probe"] == f"missing for all 8 samples: {reason}"
    assert "20" in reason


def states_of(folder, record):
    store = ChannelStore(lambda shard: safe_open(folder / shard, framework="numpy"))
    return store.array(PromptState, "by_layer", [record])[0].astype(np.float32)


def test_a_given_probe_adds_its_probability_to_each_sample(tmp_path):
    probe = planted_probe(tmp_path / "probe")
    _, (folder, manifest, records) = run_ours(
        "qwen2_vl", tmp_path / "out", limit=8, arguments=f"probe={tmp_path / 'probe'}"
    )
    assert manifest["settings"]["probe"] == "vrp_x on m"
    for record in records:
        expected = probe.probability(states_of(folder, record)[None])[0]
        assert record.signals["loaded_probe"] == pytest.approx(expected, abs=0.02)


@pytest.mark.slow
def test_a_probe_scores_no_image_that_it_was_fitted_on(tmp_path):
    """The probe of a run, given to a run that shows some of its images again, and to itself."""
    _, (folder, _, records) = run_ours("qwen2_vl", tmp_path / "a", limit=160, arguments="k=0")
    given = f"k=0,probe={folder}"
    _, (_, manifest, again) = run_ours(
        "qwen2_vl", tmp_path / "b", limit=60, arguments=given, offset=130
    )
    known = {record.group for record in records}
    seen = [record.group in known for record in again]
    assert 0 < sum(seen) < 60
    for record, own in zip(again, seen, strict=True):
        assert (record.signals["loaded_probe"] is None) == own
        assert (record.missing.get("loaded_probe") == SEEN) == own
    assert manifest["tasks"]["vrp_shapes"]["n_seen_by_loaded_probe"] == sum(seen)
    with pytest.raises(SystemExit, match="has seen the images of all samples of vrp_shapes"):
        run_ours("qwen2_vl", tmp_path / "c", limit=160, arguments=given)
    assert not list((tmp_path / "c").glob("*/*_vrp"))  # before anything is captured


def test_nothing_is_left_without_an_output_path(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    results = evaluate("qwen2_vl", ["vrp_shapes"], TASKS_FOLDER, limit=8)
    assert results["results"]["vrp_shapes"]["accuracy,none"] is not None
    assert not list(tmp_path.glob("vrp-*"))


def test_a_failure_while_generating_stops_the_run_instead_of_giving_empty_answers(
    tmp_path, monkeypatch
):
    from vrp_tasks.access import transformers

    def fail(*_args, **_kwargs):
        raise CaptureError("broken on purpose")

    monkeypatch.setattr(transformers, "probed_generate", fail)
    with pytest.raises(FailuresError, match="broken on purpose"):
        run_ours("llava_hf", tmp_path)  # the stock adapter swallows errors and answers ""


def test_a_task_without_images_is_refused_before_the_first_sample(tmp_path, plain_tasks):
    text = PLAIN_TASK.replace("plain_shapes", "vrp_blind").replace(
        "{version: 1.0}", "{version: 1.0, vrp: true}"
    )
    text = text.replace("vrp_tasks.tasks.shapes.docs.doc_to_visual", "blind.no_image")
    text += "process_results: !function vrp_tasks.tasks.shapes.docs.process_results\n"
    (tmp_path / "seed.json").write_text('[{"id": "seed"}]\n')
    (tmp_path / "blind.py").write_text("def no_image(doc):\n    return []\n")
    (tmp_path / "vrp_blind.yaml").write_text(text)
    with pytest.raises(SetupError, match="task vrp_blind has no image in its first 100 documents"):
        evaluate("qwen2_vl", ["vrp_blind"], tmp_path)


RUN = """
import sys
from importlib import metadata
from types import ModuleType
if {hide}:
    found = metadata.entry_points
    def without(**kwargs):
        every = found()
        kept = metadata.EntryPoints(
            e for g in every.groups for e in every.select(group=g) if e.name != "vrp_tasks"
        )
        return kept.select(**kwargs)
    metadata.entry_points = without
    stub = ModuleType("vrp_tasks.registration")  # the task's data set is ours and imports us
    stub.install_hooks = lambda: None
    sys.modules[stub.__name__] = stub
from lmms_eval.__main__ import cli_evaluate
sys.argv = ["lmms-eval"] + {arguments!r}
cli_evaluate()
there = hasattr(sys.modules.get("vrp_tasks.registration"), "ADAPTERS")
sys.stderr.write(f"plugin: {{there}}")
"""


def test_a_task_that_is_not_ours_gives_byte_identical_samples(tmp_path, plain_tasks):
    samples = {}
    for hide in (False, True):
        out = tmp_path / str(hide)
        arguments = [
            *("--model", "qwen2_vl", "--device", "cpu", "--batch_size", "1", "--limit", "12"),
            *("--model_args", f"pretrained={CHECKPOINTS / 'vrp-tiny-qwen2-vl'},device_map=cpu"),
            *("--tasks", "plain_shapes", "--include_path", str(plain_tasks)),
            *("--output_path", str(out), "--log_samples"),
        ]
        code = RUN.format(hide=hide, arguments=arguments)
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=False
        )
        files = list(out.rglob("*_samples_*.jsonl"))
        assert files, done.stderr[-2000:]
        assert done.stderr.endswith(f"plugin: {not hide}")
        samples[hide] = files[0].read_bytes()
        assert not list(out.rglob("manifest.json"))
    assert samples[True] == samples[False]


def sweep_answers(folder):
    names = ("task", "doc_id", "intervention", "choice", "fill", "layer", "dose", "seed", "answer")
    rows = pq.read_table(folder / INTERVENTIONS_FILE).to_pylist()
    return sorted(str([row[name] for name in names]) for row in rows)


@pytest.mark.slow
def test_two_ranks_write_one_run_whatever_documents_are_bad(tmp_path, monkeypatch):
    """Rank 0 meets one whose kind cannot be told, rank 1 one whose picture cannot be read."""
    bad = tmp_path / "bad"
    bad.mkdir()
    write_bad_tasks(bad, {1: "unreadable", 2: "kind"}, n=6)
    monkeypatch.syspath_prepend(bad)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(bad), os.environ.get("PYTHONPATH", "")]))
    tasks = ["vrp_shapes", "vrp_shapes_robustness", "vrp_bad"]
    done = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "torchrun"), "--nproc_per_node", "2"),
            *("--master_port", "29611", "-m", "lmms_eval", "--model", "qwen2_vl"),
            *("--model_args", f"pretrained={CHECKPOINTS / 'vrp-tiny-qwen2-vl'},device_map=cpu"),
            *("--tasks", ",".join(tasks), "--limit", "5", "--batch_size", "1"),
            *("--include_path", str(bad), "--output_path", str(tmp_path)),
        ],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    manifests = list(tmp_path.rglob("manifest.json"))
    assert len(manifests) == 1, done.stderr[-3000:]
    folder, manifest, both = read(manifests[0].parent)
    records = [r for r in both if r.task == "vrp_shapes"]
    assert [r.doc_id for r in records] == [str(i) for i in range(5)]
    assert {r.shard.split("-")[1] for r in records} == {"0", "1"}
    assert set(manifest["files"]) >= {"arrays-0-0.safetensors", "arrays-1-0.safetensors"}
    evaluate("qwen2_vl", tasks, [TASKS_FOLDER, bad], output=tmp_path / "alone", limit=5)
    (alone,) = (tmp_path / "alone").glob("*/*_vrp")
    _, whole, apart = read(alone)
    for name in ("samples", "missing"):
        found = [{(r.task, r.doc_id): getattr(r, name) for r in own} for own in (both, apart)]
        assert found[0] == found[1]
    failed = {r.doc_id: failure_in(r.missing)[0] for r in both if failure_in(r.missing)}
    assert failed == {"1": "answer", "2": "label"}
    for name in ("n_failed", "failures"):
        assert manifest["tasks"]["vrp_bad"][name] == whole["tasks"]["vrp_bad"][name]
    assert len(sweep_answers(folder)) > 50
    assert sweep_answers(folder) == sweep_answers(alone)
