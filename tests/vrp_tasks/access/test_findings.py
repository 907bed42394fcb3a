"""What is found out about servers of every ability."""

import base64
import io

import pytest
from openai import OpenAI
from PIL import Image

from tests.vrp_tasks.helpers.loopback import KEY, NAME, Checkpoint, loopback
from vrp_tasks.access.server.findings import PROMPT, Examination
from vrp_tasks.capture.settings import CaptureSettings
from vrp_tasks.errors import SetupError

CAPTURE = CaptureSettings(k=4)


@pytest.fixture(scope="module")
def checkpoint():
    return Checkpoint("vrp-tiny-llava")


def picture():
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}


def examined(checkpoint, capture=CAPTURE, payload=None, **behaviour):
    body = {
        "model": NAME,
        "messages": [{"role": "user", "content": [picture(), {"type": "text", "text": PROMPT}]}],
        "max_tokens": 12,
        "temperature": 0,
    }
    with loopback(checkpoint, **behaviour) as server:
        client = OpenAI(api_key=KEY, base_url=server.url, max_retries=0)
        send = client.chat.completions.create
        found = Examination(send, body if payload is None else payload(body), capture).run()
        assert found.n_requests == server.n_requests
    return found


WIDE = {"extra_body": {"top_k": -1, "min_p": 0.0}}
SAMPLED = {"temperature": 0.7, "top_p": 0.9}


def test_a_server_that_can_do_everything(checkpoint):
    found = examined(checkpoint)
    assert found.answer_options == {"logprobs": True, "top_logprobs": 20}
    assert found.sample_options == SAMPLED | WIDE | {"logprobs": True}
    assert found.no_sample_logprobs is None
    assert (found.no_logprobs, found.no_samples, found.several, found.seeded) == (None,) * 4
    assert (found.raw, found.varies, found.repeats, found.wide) == (True,) * 4
    assert found.model == NAME


@pytest.mark.parametrize(
    ("behaviour", "options", "reason", "raw"),
    [
        ({"most_top": 5}, {"logprobs": True, "top_logprobs": 5}, None, True),
        ({"refuses": frozenset({"top_logprobs"})}, {"logprobs": True}, None, None),
        ({"refuses": frozenset({"logprobs"})}, {}, "refuses to give log-probabilities", None),
        ({"logprobs": False}, {}, "asked for, and not returned", None),
        ({"processed": True}, {}, "after temperature and top-p", False),
    ],
)
def test_log_probabilities(behaviour, options, reason, raw, checkpoint):
    found = examined(checkpoint, **behaviour)
    assert found.answer_options == options
    assert (found.no_logprobs is None) == (reason is None)
    assert reason is None or reason in found.no_logprobs
    assert found.no_samples is None
    assert found.raw is raw
    # a sample's are taken where they are known to be those before temperature, and only there
    assert ("logprobs" in found.sample_options) == (found.no_sample_logprobs is None) == bool(raw)


@pytest.mark.parametrize(
    ("behaviour", "field", "words"),
    [
        ({"samples": False}, "no_samples", "ignores the temperature"),
        ({"samples": False, "n": False}, "no_samples", "ignores the temperature"),
        ({"refuses": frozenset({"top_p"})}, "no_samples", "refuses to sample"),
        ({"n": False}, "several", "n=4 was asked for, 1 came"),
        ({"refuses": frozenset({"n"})}, "several", "refuses n=4"),
        ({"copies": True}, "several", "are copies"),
        ({"refuses": frozenset({"seed"})}, "seeded", "refuses a seed"),
    ],
)
def test_sampling(behaviour, field, words, checkpoint):
    found = examined(checkpoint, **behaviour)
    wanting = {name: getattr(found, name) for name in ("no_samples", "several", "seeded")}
    assert words in wanting[field]
    if field != "no_samples":
        assert wanting["no_samples"] is None
    assert found.no_logprobs is None


def test_a_low_temperature_is_not_taken_for_an_ignored_one(checkpoint):
    found = examined(checkpoint, CaptureSettings(k=4, temperature=1e-3))
    assert found.varies
    assert found.sample_options["temperature"] == 1e-3
    assert found.no_samples is None


def test_a_server_that_knows_no_top_k_is_not_sent_it(checkpoint):
    found = examined(checkpoint, refuses=frozenset({"top_k"}))
    assert (found.wide, found.sample_options) == (False, SAMPLED | {"logprobs": True})


def test_a_model_that_is_sent_no_temperature_is_said_not_to_be_greedy(checkpoint):
    def without(body):
        return {name: value for name, value in body.items() if name != "temperature"}

    found = examined(checkpoint, payload=without, refuses=frozenset({"temperature"}), samples=False)
    assert found.greedy.startswith("at the server's own temperature")
    assert "refuses to sample" in found.no_samples
    assert "Unsupported parameter: 'temperature'" in found.no_samples


def test_without_samples_one_request_does(checkpoint):
    assert examined(checkpoint, CaptureSettings(k=0)).n_requests == 1


def test_what_a_server_fails_at_is_left_out_and_what_is_busy_is_an_error(checkpoint):
    def fails_at(name, status):
        return lambda number, body: status if name in body else None

    assert examined(checkpoint, fault=fails_at("n", 500)).several == "one: the server refuses n=4"
    found = examined(checkpoint, fault=fails_at("logprobs", 501))
    assert (found.answer_options, found.no_samples) == ({}, None)
    with pytest.raises(SetupError, match="429"):
        examined(checkpoint, fault=fails_at("top_p", 429))


@pytest.mark.parametrize("fault", [400, 500])
def test_a_server_that_answers_nothing_is_an_error(fault, checkpoint):
    with pytest.raises(SetupError, match="broken on purpose"):
        examined(checkpoint, fault=lambda number, body: fault)


def test_replies_without_texts_leave_it_open_whether_the_server_samples(checkpoint):
    def silent(_number, _body, reply):
        for choice in reply["choices"]:
            choice["message"]["content"] = None
        return reply

    found = examined(checkpoint, change=silent)
    assert (found.varies, found.no_samples) == (None, None)
