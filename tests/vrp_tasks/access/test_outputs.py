"""What is read of vLLM's outputs: those recorded of vLLM 0.32 in one process, and made-up ones."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from metrics.record.channels import FirstTwo, TokenEntropies, TokenScores
from tests.vrp_tasks.helpers.fake_vllm import FakeLLM, SamplingParams
from tests.vrp_tasks.helpers.loopback import Checkpoint
from vrp_tasks.access.engine.asking import AskingEngine
from vrp_tasks.access.engine.findings import EngineFindings
from vrp_tasks.access.engine.outputs import choice_of
from vrp_tasks.access.server.replies import channels_of, sample_scores
from vrp_tasks.capture.settings import CaptureSettings

RECORDED = json.loads((Path(__file__).parent / "vllm-0.32-in-process.json").read_text())


def as_vllm_has_it(told):
    """A recorded output in the form of vLLM's ``CompletionOutput``."""
    own, logprobs = dict(told), told["logprobs"]
    if isinstance(logprobs, dict):
        own["logprobs"] = SimpleNamespace(**logprobs)
    elif logprobs is not None:
        own["logprobs"] = [
            {int(token): SimpleNamespace(**entry) for token, entry in position.items()}
            for position in logprobs
        ]
    return SimpleNamespace(**own)


def recorded(name):
    return [choice_of(as_vllm_has_it(told)) for told in RECORDED[name]["outputs"]]


def test_the_end_of_the_answer_is_none_of_its_tokens():
    (choice,) = recorded("answer")
    assert (choice.text, len(choice.tokens)) == ("no", 1)
    channels, _ = channels_of(choice)
    first = RECORDED["answer"]["outputs"][0]["logprobs"][0]
    stated = sorted((own["logprob"] for own in first.values()), reverse=True)
    assert channels[TokenScores.name].logprobs.tolist() == stated[:1]
    assert channels[FirstTwo.name].probabilities == pytest.approx(np.exp(stated[:2]))
    assert choice.tokens[0].listed == ("no", "yes", "small")


def test_both_forms_in_which_it_lists_tokens_are_read_alike():
    assert recorded("flat") == recorded("answer")


def test_an_answer_that_was_cut_off_keeps_all_its_tokens():
    told = {**RECORDED["answer"]["outputs"][0], "finish_reason": "length"}
    assert len(choice_of(as_vllm_has_it(told)).tokens) == 2


def test_samples_are_as_probable_as_the_tokens_before_their_end():
    outputs = RECORDED["samples"]["outputs"]
    scores = sample_scores(recorded("samples"))
    for own, logprob, length in zip(outputs, scores.logprobs, scores.lengths, strict=True):
        ended = own["finish_reason"] == "stop"
        stated = [
            p[str(t)]["logprob"] for p, t in zip(own["logprobs"], own["token_ids"], strict=True)
        ]
        kept = stated[:-1] if ended else stated
        assert length == len(kept)
        assert logprob == pytest.approx(sum(kept))
        assert sum(stated) == pytest.approx(own["cumulative_logprob"])


def test_without_log_probabilities_there_is_a_text():
    (choice,) = recorded("plain")
    assert (choice.text, choice.tokens) == ("no", None)


def test_a_request_that_was_given_up_is_no_answer():
    told = {**RECORDED["answer"]["outputs"][0], "finish_reason": "abort"}
    choice = choice_of(as_vllm_has_it(told))
    assert choice.text is None
    assert "gave the request up (finish_reason: abort)" in choice.reason


def told(*probabilities, chosen=0):
    listed = [
        {i: SimpleNamespace(logprob=math.log(p), decoded_token=f" {i}")}
        for i, p in enumerate(probabilities)
    ]
    one = {token: own for entry in listed for token, own in entry.items()}
    return SimpleNamespace(
        text="x", token_ids=[chosen], logprobs=[one], finish_reason="length", stop_reason=None
    )


def test_an_entropy_is_that_of_the_whole_distribution_or_none():
    (token,) = choice_of(told(0.5, 0.25, 0.125, 0.125), vocabulary=4).tokens
    assert token.entropy == pytest.approx(1.75 * math.log(2))  # by hand
    for listed, size in (((0.5, 0.25), 2), ((0.9995, 0.0004), 4)):  # the second is nearly whole
        channels, absent = channels_of(choice_of(told(*listed), vocabulary=size))
        assert TokenEntropies.name not in channels
        assert "whole distribution is not told" in absent[TokenEntropies.name].reason
    (token,) = choice_of(told(0.5, 0.25, 0.125, 0.125)).tokens
    assert token.entropy is None


@pytest.mark.parametrize(
    "changes",
    [{"token_ids": [7]}, {"token_ids": [0, 1]}, {"logprobs": [None]}, {"logprobs": [{}]}],
)
def test_tokens_of_which_one_is_not_told_cost_no_text(changes):
    choice = choice_of(SimpleNamespace(**{**vars(told(0.5, 0.5)), **changes}))
    assert (choice.text, choice.tokens) == ("x", None)


def test_a_stop_string_is_no_part_of_the_answer():
    told_ = {i: SimpleNamespace(logprob=-0.1 - i, decoded_token=("x", "#")[i]) for i in (0, 1)}
    output = {"text": "x", "token_ids": [0, 1], "logprobs": [told_, told_]}
    output |= {"finish_reason": "stop", "stop_reason": "#"}
    channels, _ = channels_of(choice_of(SimpleNamespace(**output)))
    assert channels[TokenScores.name].logprobs.tolist() == [-0.1]


@pytest.mark.parametrize(
    ("n_answers", "n_samples", "said"), [(1, 2, "gave 2 of 3 samples"), (0, 3, "gave no text")]
)
def test_fewer_outputs_than_asked_are_told(n_answers, n_samples, said):
    text = told(0.5, 0.5)

    def chat(prompts, sampling_params, use_tqdm):
        return [
            SimpleNamespace(outputs=[text] * n, prompt_token_ids=[1, 2])
            for n in (n_answers, n_samples)
        ]

    asking = AskingEngine(SimpleNamespace(chat=chat), EngineFindings(), CaptureSettings(k=3))
    (found,) = asking.chat(["?"], SamplingParams())
    answered = found.outputs[0].text.answered
    assert said in (answered.choice.reason if answered.choice.text is None else answered.no_samples)


def test_the_engine_that_tests_run_against_has_the_form_of_what_was_recorded():
    engine = FakeLLM(Checkpoint("vrp-tiny-qwen2-vl"))
    messages = [{"role": "user", "content": [{"type": "text", "text": "What color is it?"}]}]
    for name, more in (("answer", {}), ("flat", {"flat_logprobs": True})):
        params = SamplingParams(temperature=0, max_tokens=4, logprobs=3, **more)
        (output,) = engine.chat([messages], [params])
        (known,) = RECORDED[name]["outputs"]
        own = output.outputs[0]
        assert vars(output).keys() <= RECORDED[name].keys()
        assert vars(own).keys() <= known.keys()
        assert type(own.logprobs) is type(as_vllm_has_it(known).logprobs)
        if name == "flat":
            assert vars(own.logprobs).keys() <= known["logprobs"].keys()
        else:
            entry = next(iter(own.logprobs[0].values()))
            assert vars(entry).keys() <= next(iter(known["logprobs"][0].values())).keys()
