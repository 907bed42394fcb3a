"""vLLM in this process: lmms-eval's adapters over an engine of the same interface."""

from argparse import Namespace
from pathlib import Path

import lmms_eval.evaluator as evaluator
import pytest
from lmms_eval.tasks import TaskManager

from tests.vrp_tasks.helpers.evaluation import CHECKPOINTS, read, write_plain_task
from tests.vrp_tasks.helpers.fake_vllm import FakeLLM, vllm_is
from tests.vrp_tasks.helpers.loopback import Checkpoint
from tests.vrp_tasks.helpers.served import BOUNDS, FROM_SAMPLES, FROM_TOKENS, evaluate
from vrp_tasks.access.engine.findings import findings_of
from vrp_tasks.registration import TASKS_FOLDER
from vrp_tasks.tasks.shapes import docs

NAME, N = "vrp-tiny-llava", 8
EXACT = {"first_token_entropy", "logit_entropy"}
pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture(scope="module")
def checkpoint():
    return Checkpoint(NAME)


@pytest.fixture(scope="module")
def white(tmp_path_factory):
    output = tmp_path_factory.mktemp("white")
    evaluate("vrp_hf", f"pretrained={CHECKPOINTS / NAME},device_map=cpu,k=4", output, limit=N)
    return found_in(output)


def found_in(output):
    (folder,) = Path(output).glob("*/*_vrp")
    return folder, *read(folder)[1:]


def run(engine, output, more="", *, model="vllm", **options):
    arguments = f"model={CHECKPOINTS / NAME},max_new_tokens=8,k=4,{more}".rstrip(",")
    with vllm_is(engine):
        evaluate(model, arguments, output, limit=options.pop("limit", N), **options)
    return found_in(output)


def offered_not(manifest):
    return {name.split(":")[1] for name in manifest["not_offered"]}


def assert_seen_alike(records, white):
    assert [r.answer for r in records] == [r.answer for r in white]
    assert [r.correct for r in records] == [r.correct for r in white]
    for own, inside in zip(records, white, strict=True):
        assert own.n_answer_tokens == inside.n_answer_tokens
        for name in FROM_TOKENS:
            assert own.signals[name] == pytest.approx(inside.signals[name], abs=1e-5)


def test_the_same_checkpoint_in_an_engine_gives_the_same_answers_and_confidence(
    checkpoint, white, tmp_path
):
    engine = FakeLLM(checkpoint)
    _, manifest, records = run(engine, tmp_path)
    _, inside, expected = white
    assert_seen_alike(records, expected)
    for own, other in zip(records, expected, strict=True):
        assert set(own.signals) == FROM_TOKENS | BOUNDS | FROM_SAMPLES
        for name in EXACT:  # negated: a bound is nearer to 0
            assert -1e-5 < own.signals[f"{name}_bound"] - other.signals[name] < 0.05
        assert len(own.samples) == 4
    assert manifest["tasks"]["vrp_shapes"]["prompts"] == inside["tasks"]["vrp_shapes"]["prompts"]
    assert manifest["model"]["weights_sha256"] == inside["model"]["weights_sha256"]
    assert manifest["invalid"] == {}
    assert EXACT | {"probe"} <= offered_not(manifest)
    found = manifest["model"]["engine_findings"]
    assert (found["logprobs_are_raw"], found["same_seed_same_sample"]) == (True, True)
    assert (found["top_logprobs"], found["sampling"]) == (20, "varies")
    examination, call = engine.calls
    assert len(examination) == 4
    assert [own.n for _, own in call] == [1] * N + [4] * N  # one call for all of it
    assert manifest["cost"]["requests"] == 2 * N
    assert manifest["cost"]["prompt_tokens"] > 0 < manifest["cost"]["completion_tokens"]


@pytest.mark.parametrize(("model", "simple"), [("vllm", True), ("vllm_generate", False)])
def test_other_forms_of_the_adapter(model, simple, checkpoint, white, tmp_path):
    engine = FakeLLM(checkpoint)
    _, manifest, records = run(engine, tmp_path, model=model, force_simple=simple)
    assert_seen_alike(records, white[2])
    assert ("simple" in manifest["model"]["adapter"]) is simple
    assert len(engine.calls) == 2
    assert all(len(own.samples) == 4 for own in records)


def test_the_whole_vocabulary_gives_entropies_as_they_are(checkpoint, white, tmp_path):
    _, manifest, records = run(FakeLLM(checkpoint, max_logprobs=-1), tmp_path)
    for own, inside in zip(records, white[2], strict=True):
        for name in EXACT:
            assert own.signals[name] == pytest.approx(inside.signals[name], abs=1e-5)
    assert not BOUNDS & records[0].signals.keys()
    assert "entropies are exact" in manifest["not_offered"]["vrp_shapes:logit_entropy_bound"]
    assert manifest["model"]["engine_findings"]["top_logprobs"] == "all"


def test_samples_follow_the_seed_and_another_seed_brings_others(checkpoint, tmp_path):
    one, again, other = (
        run(
            FakeLLM(checkpoint),
            tmp_path / str(i),
            f"sample_seed={seed},sample_temperature=2",
            limit=3,
        )[2]
        for i, seed in enumerate((0, 0, 1))
    )
    assert [r.samples for r in one] == [r.samples for r in again]
    assert [r.samples for r in one] != [r.samples for r in other]


@pytest.mark.parametrize("stated", [True, False])
def test_log_probabilities_after_temperature_are_no_confidence(stated, checkpoint, tmp_path):
    """As the settings have it, and where they are silent, as the engine shows."""
    engine = FakeLLM(checkpoint, logprobs_mode="processed_logprobs")
    if not stated:
        del engine.llm_engine.model_config.logprobs_mode
    _, manifest, records = run(engine, tmp_path, limit=2)
    reason = manifest["not_offered"]["vrp_shapes:token_confidence"]
    said = "logprobs_mode=processed_logprobs" if stated else "change with the temperature"
    assert said in reason
    assert "vrp_shapes:self_consistency" not in manifest["not_offered"]
    assert "likelihood_semantic_entropy" in offered_not(manifest)
    assert all(r.answer for r in records)


def test_an_engine_that_ignores_the_temperature_gives_no_consistency(checkpoint, tmp_path):
    _, manifest, records = run(FakeLLM(checkpoint, samples=False), tmp_path, limit=2)
    assert "ignores the temperature" in manifest["not_offered"]["vrp_shapes:self_consistency"]
    assert records[0].signals["token_confidence"] is not None


def test_one_prompt_that_fails_costs_itself_alone(checkpoint, white, tmp_path):
    """What the engine still holds of the call that failed comes back first in the next one."""
    engine = FakeLLM(checkpoint)
    inputs, left, bad = checkpoint.inputs, [], docs.load_test_split()[2]["question"]

    def chat(messages, sampling_params, **options):
        texts = [own[-1]["content"][-1]["text"] for own in messages]
        if any(bad in text for text in texts):
            left.append(object())
            raise ValueError("this prompt is longer than the model's context")
        found = [*left, *engine._outputs(messages, sampling_params, inputs)]
        left.clear()
        return found

    engine.chat = chat
    _, _, records = run(engine, tmp_path, "max_failed=1")
    failed = [r for r in records if r.answer == ""]
    assert failed
    assert all("longer than the model's context" in r.missing["answer"] for r in failed)
    kept = {r.doc_id: r for r in records if r.answer}
    same = [r for r in white[2] if r.doc_id in kept]
    assert_seen_alike([kept[r.doc_id] for r in same], same)


def test_an_engine_that_dies_is_one_line_and_the_run_goes_on_later(
    checkpoint, white, tmp_path, monkeypatch
):
    from vrp_tasks.access import vllm
    from vrp_tasks.run import answering

    class EngineDeadError(Exception):
        pass

    monkeypatch.setattr(vllm, "_BATCH", 4)
    monkeypatch.setattr(answering, "_SLICE", 4)
    engine = FakeLLM(checkpoint)

    def dying(messages, sampling_params, **options):
        if len(engine.calls) > 1:  # the examination, and one slice
            raise EngineDeadError("EngineCore encountered an issue.")
        return FakeLLM.chat(engine, messages, sampling_params, **options)

    engine.chat = dying
    with pytest.raises(SystemExit, match=r"vLLM's engine stopped .EngineDeadError.*start the same"):
        run(engine, tmp_path)
    del engine.chat
    _, manifest, records = run(engine, tmp_path)
    assert_seen_alike(records, white[2])
    assert manifest["cost"]["n_samples"] == N - 4


def test_stock_tasks_are_asked_as_ever(checkpoint, tmp_path):
    """The same prompts, parameters and batches, alone and beside a task of ours."""
    write_plain_task(tmp_path)
    include = [str(tmp_path), str(TASKS_FOLDER)]
    manager = TaskManager(include_path=include, include_defaults=False)
    arguments = f"model={CHECKPOINTS / NAME},max_new_tokens=8"
    calls = []
    for tasks in (["plain_shapes"], ["plain_shapes", "vrp_shapes"]):
        with vllm_is(FakeLLM(checkpoint)) as engine:
            evaluator.simple_evaluate(
                model="vllm",
                model_args=arguments + ",k=2" * (len(tasks) > 1),
                tasks=tasks,
                limit=3,
                batch_size=2,
                task_manager=manager,
                cli_args=Namespace(output_path=str(tmp_path / "out"), process_with_media=False),
            )
        calls.append([call for call in engine.calls if call[0][1].logprobs is None])
    alone, beside = calls
    assert [len(call) for call in alone] == [2, 1]
    assert beside == alone


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("pretrained=somewhere", "no model argument pretrained: write model=somewhere"),
        ("model=./nowhere", "model=./nowhere is not a folder"),
        ("model=x,access=openai", "access=openai cannot be had through --model vllm"),
    ],
)
def test_what_the_engine_cannot_be_asked_for_is_one_line(arguments, said, checkpoint, tmp_path):
    with vllm_is(FakeLLM(checkpoint)), pytest.raises(SystemExit, match=said):
        evaluate("vllm", arguments, tmp_path)


def test_without_vllm_it_is_said_how_to_go_on(tmp_path):
    with pytest.raises(SystemExit, match=r"needs vLLM in this environment.*--model openai"):
        evaluate("vllm", "model=x", tmp_path)


@pytest.mark.parametrize(
    ("most", "listed", "whole"), [(-1, -1, True), (1000, -1, True), (20, 20, False), (1, 1, False)]
)
def test_how_many_tokens_are_listed_is_the_engine_s_setting(most, listed, whole, checkpoint):
    found = findings_of(FakeLLM(checkpoint, max_logprobs=most))
    assert (found.answer_options["logprobs"], found.is_whole) == (listed, whole)


def test_where_a_seed_would_kill_the_engine_none_is_given(checkpoint):
    engine = FakeLLM(checkpoint)
    assert findings_of(engine).seeded is None
    engine.llm_engine.vllm_config.device_config.device = "cpu"
    assert "enable_chunked_prefill=False" in findings_of(engine).seeded
    engine.llm_engine.vllm_config.scheduler_config.enable_chunked_prefill = False
    assert findings_of(engine).seeded is None
