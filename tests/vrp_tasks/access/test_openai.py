"""Runs against a server: a loopback of OpenAI's form over a shipped checkpoint."""

import base64
import io
import json
import sys
from argparse import Namespace
from collections import Counter
from pathlib import Path
from types import ModuleType

import lmms_eval.evaluator as evaluator
import numpy as np
import pytest
from lmms_eval.models.chat.openai import OpenAICompatible
from lmms_eval.models.simple.openai import OpenAICompatible as SimpleOpenAI
from lmms_eval.tasks import TaskManager
from openai import OpenAI
from PIL import Image
from safetensors import safe_open

from metrics.record.channels import TokenAlternatives
from metrics.record.store import ChannelStore
from tests.vrp_tasks.helpers.evaluation import CHECKPOINTS, PLAIN_TASK, read
from tests.vrp_tasks.helpers.loopback import KEY, NAME, Checkpoint, loopback
from tests.vrp_tasks.helpers.planted_probe import planted_probe
from tests.vrp_tasks.helpers.served import BOUNDS, FROM_SAMPLES, FROM_TOKENS, evaluate
from vrp_tasks.access.server.findings import PROMPT
from vrp_tasks.capture.self_evaluation import IS_TRUE
from vrp_tasks.registration import TASKS_FOLDER
from vrp_tasks.tasks.shapes import docs

GREY = FROM_TOKENS | BOUNDS | FROM_SAMPLES
pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture(scope="module")
def checkpoint():
    return Checkpoint("vrp-tiny-llava")


def asked(server, more="", *, key=KEY, name=NAME):
    given = f"model={name},base_url={server.url},api_key={key},num_concurrent=4,max_retries=2"
    return f"{given},retry_backoff_s=0,k=4,{more}".rstrip(",")


def interrupted(_):
    raise KeyboardInterrupt


def run(server, output, more="", *, model="openai", **options):
    results = evaluate(model, asked(server, more), output, **options)
    (folder,) = Path(output).glob("*/*_vrp")
    return results, *read(folder)[1:]


def offered_not(manifest):
    return {name.split(":")[1] for name in manifest["not_offered"]}


def question(body):
    return body["messages"][-1]["content"][-1]["text"]


def is_sample(body):
    return body["temperature"] > 0


@pytest.fixture(scope="module")
def white(tmp_path_factory):
    output = tmp_path_factory.mktemp("white")
    pretrained = CHECKPOINTS / "vrp-tiny-llava"
    evaluate("llava_hf", f"pretrained={pretrained},device_map=cpu,k=4", output, limit=16)
    (folder,) = output.glob("*/*_vrp")
    return read(folder)[2]


def test_the_same_checkpoint_from_outside_gives_the_same_answers_and_confidence(
    checkpoint, white, tmp_path
):
    with loopback(checkpoint) as server:
        results, manifest, records = run(server, tmp_path, limit=16)
        bodies = server.behaviour.bodies
    assert [r.answer for r in records] == [r.answer for r in white]
    assert [r.correct for r in records] == [r.correct for r in white]
    for own, inside in zip(records, white, strict=True):
        assert set(own.signals) == GREY
        assert own.n_answer_tokens == inside.n_answer_tokens
        for name in FROM_TOKENS:
            assert own.signals[name] == pytest.approx(inside.signals[name], abs=1e-5)
        for name in ("first_token_entropy", "logit_entropy"):  # negated: a bound is nearer to 0
            beyond = own.signals[f"{name}_bound"] - inside.signals[name]
            assert -1e-5 < beyond < 0.05
        assert not BOUNDS & inside.signals.keys()
        assert len(own.samples) == 4
    assert {"first_token_entropy", "logit_entropy", "probe"} <= offered_not(manifest)
    assert not GREY & offered_not(manifest)
    assert manifest["invalid"] == {}
    listed = manifest["probe"]["vrp_shapes"]["figures"]["logit_entropy_bound"]
    assert 0.9 < listed["least_mass_listed"] < listed["mass_listed"] <= 1
    model, cost = manifest["model"], manifest["cost"]
    assert (model["access"], model["served_as"], model["engine"]) == ("openai", NAME, "loopback")
    found = model["server"]
    assert (found["logprobs_are_raw"], found["same_seed_same_sample"]) == (True, True)
    assert (found["samples_per_request"], found["top_logprobs"]) == ("all", 20)
    assert cost["requests"] == 32  # an answer, and four samples, of each
    assert cost["requests"] + cost["requests_to_examine"] == len(bodies)
    assert cost["prompt_tokens"] > 0 < cost["completion_tokens"]
    accuracy = results["results"]["vrp_shapes"]["accuracy,none"]
    assert accuracy == np.mean([r.correct for r in records])
    assert manifest["tasks"]["vrp_shapes"]["prompts"]["of"] == "messages"
    assert KEY not in json.dumps(manifest)


def pixels(body):
    url = body["messages"][-1]["content"][0]["image_url"]["url"]
    image = Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1])))
    return image.convert("RGB").tobytes()


@pytest.mark.parametrize("listed_end", [True, False])
def test_samples_are_as_probable_as_the_server_s_tokens_make_them(listed_end, checkpoint, tmp_path):
    """By sums over the very replies; temperature changes what is drawn, not what it is given."""
    told = {}

    def heard(_number, body, reply):
        if is_sample(body) and question(body) != PROMPT:
            own = [[t["logprob"] for t in c["logprobs"]["content"]] for c in reply["choices"]]
            ended = [listed_end and c["finish_reason"] == "stop" for c in reply["choices"]]
            whole = [sum(o[:-1] if e else o) for o, e in zip(own, ended, strict=True)]
            told[question(body), pixels(body)] = np.mean(whole)
        return reply

    with loopback(checkpoint, change=heard, listed_end=listed_end) as server:
        _, _, records = run(server, tmp_path, "sample_temperature=1")
    images = [
        docs.doc_to_visual(docs.load_test_split()[int(r.doc_id)])[0].tobytes() for r in records
    ]
    expected = [told[r.prompt, image] for r, image in zip(records, images, strict=True)]
    found = [r.signals["predictive_entropy"] for r in records]
    assert found == pytest.approx(expected, abs=1e-6)
    assert len(told) == len({round(one, 4) for one in found}) == len(records)
    assert all(r.signals["likelihood_semantic_entropy"] <= 0 for r in records)


def test_other_tokens_of_a_server_are_kept_where_they_are_asked_for(checkpoint, tmp_path):
    with loopback(checkpoint) as server:
        _, manifest, records = run(server, tmp_path, "k=0,extra=alternatives", limit=4)
    (folder,) = tmp_path.glob("*/*_vrp")
    store = ChannelStore(lambda name: safe_open(folder / name, framework="numpy"))
    for record, own in zip(records, store.channels([TokenAlternatives], records), strict=True):
        told = own["token_alternatives"]
        assert told.shortened()[0] == record.answer.strip()
        assert told.logprobs.shape == (record.n_answer_tokens, 10)
        assert told.logprobs[0, 0] == pytest.approx(
            np.log(record.signals["first_token_probability"]), abs=1e-5
        )
    assert {"claim_probability", "token_sar"} <= offered_not(manifest)


def test_samples_follow_the_seed_whatever_the_order_of_requests(checkpoint, white, tmp_path):
    found = {}
    for name, more in (("a", ""), ("b", "num_concurrent=1"), ("c", "sample_seed=1")):
        with loopback(checkpoint) as server:
            _, manifest, records = run(server, tmp_path / name, f"sample_temperature=1,{more}")
        found[name] = [r.samples for r in records], manifest["tasks"]["vrp_shapes"]["prompts"]
    assert found["a"] == found["b"]
    assert found["a"][0] != found["c"][0]
    assert found["a"][1] == found["c"][1]  # the same prompts


@pytest.mark.parametrize("form", ["simple", "azure", "litellm"])
def test_other_adapters_of_the_same_client_form(form, checkpoint, white, tmp_path, monkeypatch):
    with loopback(checkpoint) as server:
        given = {"num_concurrent": 4, "max_retries": 1}
        if form == "litellm":  # stands in for the package, which sends to a hundred providers
            stand_in = ModuleType("litellm")
            client = OpenAI(api_key=KEY, base_url=server.url)
            stand_in.completion = lambda api_key, api_base, **body: client.chat.completions.create(
                **body
            )
            monkeypatch.setitem(sys.modules, "litellm", stand_in)
            _, manifest, records = run(server, tmp_path, model="litellm")
        elif form == "azure":
            monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
            monkeypatch.setenv("AZURE_OPENAI_API_BASE", server.url.removesuffix("/v1"))
            monkeypatch.setenv("AZURE_OPENAI_API_VERSION", "2024-10-21")
            monkeypatch.setenv("OPENAI_API_KEY", "other")
            _, manifest, records = run(server, tmp_path, "azure_openai=True")
        else:
            lm = SimpleOpenAI(model=NAME, base_url=server.url, api_key=KEY, **given)
            _, manifest, records = run(server, tmp_path, model=lm)
    assert [r.answer for r in records] == [r.answer for r in white[:6]]
    for own, inside in zip(records, white, strict=False):
        assert set(own.signals) == GREY
        assert own.signals["token_confidence"] == pytest.approx(
            inside.signals["token_confidence"], abs=1e-5
        )
    assert manifest["model"]["access"] == "openai"


def test_a_server_that_gives_text_alone_and_ignores_the_temperature(checkpoint, white, tmp_path):
    with loopback(checkpoint, logprobs=False, n=False, samples=False) as server:
        _, manifest, records = run(server, tmp_path)
    assert [r.answer for r in records] == [r.answer for r in white[:6]]
    assert all(r.signals == {} for r in records)
    reasons = manifest["not_offered"]
    assert "asked for, and not returned" in reasons["vrp_shapes:token_confidence"]
    assert "ignores the temperature" in reasons["vrp_shapes:self_consistency"]
    assert manifest["cost"]["requests"] == 6  # nothing is asked for in vain
    assert manifest["invalid"] == {}


def test_without_n_each_sample_is_a_request(checkpoint, tmp_path):
    with loopback(checkpoint, n=False) as server:
        _, manifest, records = run(server, tmp_path, "sample_temperature=1")
        seeds = [b["seed"] for b in server.behaviour.bodies[-24:] if "seed" in b]
    assert manifest["model"]["server"]["samples_per_request"].startswith("one: n=4 was asked for")
    assert manifest["cost"]["requests"] == 6 * 5
    assert len(set(seeds)) == len(seeds)
    assert all(len(r.samples) == 4 for r in records)
    assert any(len(set(r.samples)) > 1 for r in records)


def test_choices_out_of_order_or_too_few_are_put_right(checkpoint, tmp_path):
    def turned(_number, body, reply):
        if is_sample(body) and body.get("n") and question(body).startswith(("What", "Is", "How")):
            reply["choices"] = reply["choices"][::-1]
        return reply

    def cut(_number, body, reply):
        if body.get("n") and not question(body).startswith("Write"):
            reply["choices"] = reply["choices"][:-1]
        return reply

    found = {}
    for name, change in (("plain", lambda n, b, reply: reply), ("turned", turned), ("cut", cut)):
        with loopback(checkpoint, change=change) as server:
            _, manifest, records = run(server, tmp_path / name, "sample_temperature=1")
        found[name] = [r.samples for r in records]
    assert found["turned"] == found["plain"]
    assert [own[:3] for own in found["cut"]] == [own[:3] for own in found["plain"]]
    assert all(len(own) == 4 for own in found["cut"])
    assert manifest["cost"]["requests"] == 6 * 3


@pytest.mark.parametrize("fault", [429, 500, "truncated", "timeout"])
def test_what_fails_once_is_asked_again_and_nothing_twice(fault, checkpoint, white, tmp_path):
    failed = []

    def once_a_question(_number, body):
        """Each question's first request for samples fails, and its first for an answer."""
        which = question(body), is_sample(body)
        if which[0].startswith("Write") or which in failed:
            return None
        failed.append(which)
        return fault

    with loopback(checkpoint, fault=once_a_question) as server:
        lm = OpenAICompatible(
            model=NAME, base_url=server.url, api_key=KEY, num_concurrent=4, retry_backoff_s=0
        )
        lm.client = lm.client.with_options(timeout=5 if fault == "timeout" else 60, max_retries=0)
        _, manifest, records = run(server, tmp_path, model=lm, limit=4)
    assert [r.answer for r in records] == [r.answer for r in white[:4]]
    assert all(len(r.samples) == 4 for r in records)
    asked_for = Counter(
        (question(b), is_sample(b))
        for b in server.behaviour.bodies
        if not question(b).startswith("Write")
    )
    assert set(asked_for.values()) == {2}
    assert manifest["cost"]["requests_failed"] == 8


def test_a_request_that_fails_is_a_missing_record_and_no_answer(checkpoint, white, tmp_path):
    seen = []

    def first_question_fails(_number, body):
        if not question(body).startswith("Write") and question(body) not in seen:
            seen.append(question(body))
        return 500 if seen[:1] == [question(body)] else None

    with loopback(checkpoint, fault=first_question_fails) as server:
        results, manifest, records = run(server, tmp_path, "num_concurrent=1")
    (lost,) = [r for r in records if "answer" in r.missing]
    assert lost.prompt in seen[0]
    assert (lost.answer, lost.score, lost.correct, lost.samples) == ("", None, None, [])
    assert "the request failed" in lost.missing["score"]
    assert "broken on purpose" in lost.missing["score"]
    assert lost.signals == dict.fromkeys(GREY)
    assert manifest["invalid"] == {}
    assert not GREY & offered_not(manifest)
    others = [r.correct for r in records if r is not lost]
    assert None not in others
    accuracy = results["results"]["vrp_shapes"]["accuracy,none"]
    assert accuracy == np.mean(others)
    assert manifest["cost"]["requests_failed"] == 2
    assert manifest["tasks"]["vrp_shapes"]["n_samples"] == 6


def test_what_a_spent_budget_leaves_unasked_has_a_reason(checkpoint, tmp_path, monkeypatch):
    from vrp_tasks.run import answering

    monkeypatch.setattr(answering, "_SLICE", 4)
    with loopback(checkpoint) as server:
        _, manifest, records = run(server, tmp_path, "num_concurrent=1", limit=12, max_tokens=700)
    unasked = [r for r in records if "answer" in r.missing]
    assert 4 < len(unasked) < 12
    assert all(r.missing["answer"].startswith("not asked: the token budget") for r in unasked)
    # the samples count too, and a budget is not asked about
    spent = manifest["cost"]["prompt_tokens"] + manifest["cost"]["completion_tokens"]
    assert 700 < spent < 700 + 2 * spent / (12 - len(unasked))
    assert server.n_requests == manifest["cost"]["requests"] + 8


def test_samples_that_fail_cost_their_signals_and_not_the_answer(checkpoint, white, tmp_path):
    def samples_fail(_number, body):
        return 500 if is_sample(body) and not question(body).startswith("Write") else None

    with loopback(checkpoint, fault=samples_fail) as server:
        _, manifest, records = run(server, tmp_path)
    assert [r.answer for r in records] == [r.answer for r in white[:6]]
    for record, inside in zip(records, white, strict=False):
        assert record.signals["token_confidence"] == pytest.approx(
            inside.signals["token_confidence"], abs=1e-5
        )
        assert {record.signals[name] for name in FROM_SAMPLES} == {None}
        assert "sampling failed (InternalServerError" in record.missing["samples"]
    assert set(manifest["invalid"]) >= {f"vrp_shapes:{name}" for name in FROM_SAMPLES}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"content": None}, "the reply has no text (finish_reason: length)"),
        ({"content": None, "refusal": "I will not."}, "the model refused: I will not."),
        ({"content": None, "reasoning_content": "Hm"}, "the model was still thinking"),
    ],
)
def test_a_reply_without_a_text_is_no_answer(change, reason, checkpoint, tmp_path):
    def without_text(_number, body, reply):
        if body["max_tokens"] == 8 and question(body).startswith("How"):
            reply["choices"][0] |= {"finish_reason": "length"}
            reply["choices"][0]["message"] |= change
        return reply

    with loopback(checkpoint, change=without_text) as server:
        _, _, records = run(server, tmp_path, "k=0", limit=8)
    lost = [r for r in records if "answer" in r.missing]
    assert 0 < len(lost) < 8
    assert all(reason in r.missing["score"] for r in lost)
    assert all(r.correct is None and r.answer == "" for r in lost)


def test_tokens_that_do_not_join_to_the_answer_are_no_confidence(checkpoint, white, tmp_path):
    def other_tokens(_number, body, reply):
        for choice in reply["choices"] if body["max_tokens"] == 8 else []:
            choice["message"]["content"] = "maybe" + choice["message"]["content"].strip()
        return reply

    with loopback(checkpoint, change=other_tokens) as server:
        _, manifest, records = run(server, tmp_path)
    assert [r.answer for r in records] == [f"maybe{r.answer}" for r in white[:6]]
    assert all("do not join to the answer" in r.missing["token_confidence"] for r in records)
    assert "vrp_shapes:token_confidence" in manifest["invalid"]
    assert all(len(r.samples) == 4 for r in records)


def test_a_server_that_stops_half_way_is_one_line_and_the_run_goes_on_later(
    checkpoint, white, tmp_path, monkeypatch
):
    from vrp_tasks.run import answering

    monkeypatch.setattr(answering, "_SLICE", 4)
    answered = []

    def gone(_number, body):
        if body["max_tokens"] == 8 and not is_sample(body):
            answered.append(body)
        return 503 if len(answered) > 4 else None

    with loopback(checkpoint, fault=gone) as server:
        with pytest.raises(SystemExit, match=r"stopped answering .*start the same command again"):
            run(server, tmp_path, limit=12)
        server.behaviour.fault = lambda number, body: None
        _, manifest, records = run(server, tmp_path, limit=12)
    assert [r.answer for r in records] == [r.answer for r in white[:12]]
    assert manifest["cost"]["n_samples"] == 8
    assert manifest["cost"]["requests"] == 16


def test_what_failed_before_a_stop_is_asked_again(checkpoint, white, tmp_path, monkeypatch):
    from vrp_tasks.run.session import Session

    def some_fail(_number, body):
        return 500 if question(body).startswith("How") else None

    with loopback(checkpoint, fault=some_fail) as server:
        with monkeypatch.context() as patch:
            patch.setattr(Session, "finish", interrupted)
            with pytest.raises(SystemExit):
                run(server, tmp_path, limit=8)
        server.behaviour.fault = lambda number, body: None
        _, manifest, records = run(server, tmp_path, limit=8)
    assert [r.answer for r in records] == [r.answer for r in white[:8]]
    assert 0 < manifest["cost"]["n_samples"] < 8
    assert not any("answer" in r.missing for r in records)


def test_stock_tasks_send_what_they_send_and_not_a_request_more(checkpoint, tmp_path):
    (tmp_path / "plain_shapes.yaml").write_text(PLAIN_TASK)
    (tmp_path / "seed.json").write_text('[{"id": "seed"}]\n')
    sent, answers = [], []
    for tasks in (["plain_shapes"], ["plain_shapes", "vrp_shapes"]):
        with loopback(checkpoint) as server:
            include = [str(tmp_path), str(TASKS_FOLDER)]
            manager = TaskManager(include_path=include, include_defaults=False)
            found = evaluator.simple_evaluate(
                model="openai",
                model_args=asked(server) if len(tasks) > 1 else asked(server).replace(",k=4", ""),
                tasks=tasks,
                limit=5,
                batch_size=1,
                task_manager=manager,
                cli_args=Namespace(output_path=str(tmp_path / "out"), process_with_media=False),
            )
            sent.append([b for b in server.behaviour.bodies if "logprobs" not in b])
        answers.append([s["filtered_resps"] for s in found["samples"]["plain_shapes"]])
    alone = [b for b in sent[0] if b["temperature"] == 0]
    beside = [b for b in sent[1] if b["temperature"] == 0]
    assert len(sent[0]) == len(alone) == 5
    assert sorted(map(json.dumps, beside)) == sorted(map(json.dumps, alone))
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"key": "wrong"}, "Incorrect API key provided"),
        ({"name": "nosuch"}, r"The model `nosuch` does not exist\..*It serves: tiny\."),
    ],
)
def test_a_server_that_refuses_everything_is_one_line(change, words, checkpoint, tmp_path):
    with loopback(checkpoint) as server, pytest.raises(SystemExit, match=words) as stopped:
        evaluate("openai", asked(server, **change), tmp_path)
    said = str(stopped.value)
    assert said.startswith("vrp-tasks: the server at http://127.0.0.1:")
    assert "\n" not in said
    assert not list(tmp_path.glob("*/*_vrp"))


@pytest.mark.parametrize(
    ("model", "arguments", "words"),
    [
        ("qwen2_vl", "pretrained=x,access=openai", "access=openai cannot be had through --model q"),
        ("openai", "model=x,api_key=x,probe={probe}", "probe=… needs hidden states, and --model o"),
        ("openai", "model=x", "needs a key: set OPENAI_API_KEY. A server of your own takes any"),
        ("openai", "model=x,azure_openai=True", "needs a key: set AZURE_OPENAI_API_KEY"),
    ],
)
def test_what_a_server_cannot_be_asked_for_is_one_line(
    model, arguments, words, tmp_path, monkeypatch
):
    for key in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY"):
        monkeypatch.delenv(key, raising=False)
    planted_probe(tmp_path / "probe")
    with pytest.raises(SystemExit, match=words) as stopped:
        evaluate(model, arguments.format(probe=tmp_path / "probe"), tmp_path / "out")
    assert "\n" not in str(stopped.value)


def test_no_server_is_one_line(tmp_path):
    arguments = f"model={NAME},base_url=http://127.0.0.1:9/v1,api_key=x"
    with pytest.raises(SystemExit, match=r"at http://127.0.0.1:9/v1/ cannot be asked") as stopped:
        evaluate("openai", arguments, tmp_path)
    assert "\n" not in str(stopped.value)


def test_text_access_scores_no_failed_request_either(checkpoint, white, tmp_path):
    def some_fail(_number, body):
        return 500 if question(body).startswith("How") else None

    with loopback(checkpoint, fault=some_fail) as server:
        _, manifest, records = run(server, tmp_path, "access=text", limit=8)
    lost = [r for r in records if "answer" in r.missing]
    assert manifest["model"]["access"] == "text"
    assert 0 < len(lost) < 8
    assert all(r.correct is None and set(r.signals) <= FROM_SAMPLES for r in lost)
    assert not {n.split(":")[1] for n in manifest["invalid"]} - FROM_SAMPLES


def test_a_server_is_asked_about_its_own_answers(checkpoint, white, tmp_path):
    """In further turns behind its answer, and by requests that are counted like all others."""

    def change(number, body, reply):
        choice, text = reply["choices"][0], question(body)
        if IS_TRUE.split("?")[1] in text:
            told = (("True", -0.25), (" true", -3.0), ("False", -2.0), ("maybe", -4.0))
            listed = [{"token": t, "logprob": p, "bytes": None} for t, p in told]
            choice["logprobs"] = {"content": [listed[0] | {"top_logprobs": listed}]}
        elif "from 0 to 100" in text or "from 0 (" in text:
            choice["message"]["content"] = "about 85%" if text.startswith("How") else "no idea"
        return reply

    with loopback(checkpoint, change=change) as server:
        given = "extra=ptrue+verbalized+perturb+vauq"
        _, manifest, records = run(server, tmp_path, given, limit=4)
        bodies = server.behaviour.bodies
    assert [r.answer for r in records] == [r.answer for r in white[:4]]
    p_true, p_false = np.exp(-0.25) + np.exp(-3.0), np.exp(-2.0)
    for record in records:
        assert record.signals["p_true"] == pytest.approx(p_true)
        assert record.signals["p_true_with_samples"] == pytest.approx(p_true)
        assert record.signals["p_true_share"] == pytest.approx(p_true / (p_true + p_false))
        assert record.signals["stated_confidence"] == pytest.approx(0.85)
        assert record.signals["self_probing"] is None
        assert record.missing["self_probing"].endswith("the model said: 'no idea'")
        assert 0 <= record.signals["perturbation_agreement"] <= 1
    asked = [body for body in bodies if len(body["messages"]) > 1]
    assert len(asked) == 4 * 3
    for body in asked:
        assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
        assert body["messages"][1]["content"].strip() in [r.answer for r in records]
    cost = manifest["cost"]
    assert cost["requests"] + cost["requests_to_examine"] == len(bodies)
    assert set(cost["extra_seconds"]) == {"further turns", "perturb"}
    why = {n.split(":")[1]: reason for n, reason in manifest["not_offered"].items()}
    assert why["stated_confidence_in_turn"].startswith("a server begins a turn of its own")
    assert {"vauq", "core_information", "probe_blank"} <= why.keys()


def test_a_server_without_log_probabilities_is_not_asked_for_true_and_false(checkpoint, tmp_path):
    with loopback(checkpoint, logprobs=False) as server:
        _, manifest, records = run(server, tmp_path, "extra=ptrue+verbalized", limit=3)
        assert not any(IS_TRUE in json.dumps(body) for body in server.behaviour.bodies)
    why = {n.split(":")[1]: reason for n, reason in manifest["not_offered"].items()}
    assert why["p_true"] == why["token_confidence"]
    assert all("stated_confidence" in record.signals for record in records)


def test_further_turns_that_fail_cost_nothing_else(checkpoint, white, tmp_path):
    def fault(number, body):
        return 500 if len(body["messages"]) > 1 else None

    with loopback(checkpoint, fault=fault) as server:
        _, _, records = run(server, tmp_path, "extra=ptrue", limit=3)
    for record, inside in zip(records, white, strict=False):
        assert record.answer == inside.answer
        assert record.signals["p_true"] is None
        assert record.missing["p_true"].startswith("the server could not be asked")
        assert record.signals["token_confidence"] is not None
