"""What is read from replies: those recorded of a real server, and broken ones."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from openai.types.chat import ChatCompletion

from metrics.record.channels import FirstTwo, SampleScores, TokenEntropies, TokenScores
from metrics.record.observation import Absent
from tests.vrp_tasks.helpers.loopback import Behaviour, Checkpoint, Loopback
from vrp_tasks.access.server.replies import (
    Choice,
    Token,
    alternatives_of,
    answer_tokens,
    channels_of,
    choices_of,
    sample_scores,
    usage_of,
)
from vrp_tasks.errors import ReplyError

RECORDED = json.loads((Path(__file__).parent / "vllm-0.32.json").read_text())
PROMPT = [{"role": "user", "content": [{"type": "text", "text": "What color is it?"}]}]


def completion(reply):
    return ChatCompletion.construct(**reply)


def recorded(name):
    return ChatCompletion.model_validate(RECORDED[name])


def test_a_recorded_reply_gives_the_tokens_of_its_answer():
    (choice,) = choices_of(recorded("greedy"))
    assert choice.text == "no, red square, red square,"
    channels, absent = channels_of(choice)
    stated = [t["logprob"] for t in RECORDED["greedy"]["choices"][0]["logprobs"]["content"]]
    assert channels[TokenScores.name].logprobs.tolist() == stated
    two = channels[FirstTwo.name].probabilities
    assert two == pytest.approx([math.exp(-1.5593987703323364), math.exp(-2.021411418914795)])
    assert absent.keys() == {TokenEntropies.name}  # two of all tokens are told
    usage = usage_of(recorded("two samples"))
    assert (usage.prompt, usage.completion, usage.reasoning) == (41, 16, 0)


def test_the_end_of_sequence_token_that_a_server_lists_is_none_of_the_answer():
    (choice,) = choices_of(recorded("ended"))
    assert (choice.text, len(choice.tokens)) == ("red", 2)
    channels, _ = channels_of(choice)
    stated = RECORDED["ended"]["choices"][0]["logprobs"]["content"][0]["logprob"]
    assert channels[TokenScores.name].logprobs.tolist() == [stated]


def shape_of(value):
    if isinstance(value, dict):
        return {name: shape_of(own) for name, own in value.items() if own is not None}
    if isinstance(value, list):
        return [shape_of(value[0])] if value else []
    return "number" if isinstance(value, int | float) else type(value).__name__


def test_the_loopback_has_the_form_of_a_recorded_reply():
    with Loopback(Checkpoint("vrp-tiny-llava"), Behaviour()) as server:
        body = {"messages": PROMPT, "max_tokens": 4, "temperature": 0, "logprobs": True}
        own = server.reply({**body, "top_logprobs": 2})
    theirs, ours = shape_of(RECORDED["greedy"]), shape_of(own)
    assert ours.items() <= {n: theirs[n] for n in ours}.items()
    for entry in own["choices"][0]["logprobs"]["content"]:
        assert entry["top_logprobs"][0]["logprob"] == max(
            other["logprob"] for other in entry["top_logprobs"]
        )


@pytest.mark.parametrize("reply", ["<html>", None, SimpleNamespace(choices=[]), SimpleNamespace()])
def test_what_is_no_chat_completion_is_refused(reply):
    with pytest.raises(ReplyError, match="the reply holds no choices"):
        choices_of(reply)


def tokens(*texts, logprob=-0.5, top=(-0.5, -1.5)):
    return tuple(Token(text.encode(), logprob, top) for text in texts)


@pytest.mark.parametrize(
    ("pieces", "text", "kept"),
    [
        (["a", "b"], "ab", 2),
        (["a", "b", "</s>"], "ab", 2),
        (["a", "b", ""], "ab", 2),
        ([" a", "b"], "ab", 2),  # a leading space that the server takes off
        (["a", "\n"], "a", 1),
        (["a", " "], "a ", 2),
        (["</s>"], "", 0),
        (["a", "b"], "ac", None),
        (["think", "a"], "a", None),
        (["ab"], "a", None),
    ],
)
def test_tokens_of_an_answer_join_to_it(pieces, text, kept):
    found = answer_tokens(tokens(*pieces), text)
    assert (None if found is None else len(found)) == kept


def test_a_character_may_be_made_of_several_tokens():
    parts = [Token(bytes([byte]), -0.1) for byte in "é".encode()]
    assert answer_tokens([*parts, Token(b"</s>", -0.1)], "é") == parts


ALL = {"token_scores", "first_two", "listed_tokens"}


@pytest.mark.parametrize(
    ("choice", "missing"),
    [
        (Choice("a", None), ALL),
        (Choice("a", ()), ALL),
        (Choice("b", tokens("a")), ALL),
        (Choice("a", tokens("a", logprob=math.nan)), ALL),
        (Choice("a", tokens("a", logprob=0.5)), ALL),
        (Choice("a", tokens("a", top=())), {"first_two", "listed_tokens"}),
        (Choice("a", tokens("a", top=(-0.5,))), {"first_two"}),
        (
            Choice("a", tokens("a", top=(-0.1, -0.2))),
            {"first_two", "listed_tokens"},
        ),  # more than 1 together
        (Choice("", tokens("</s>")), {"first_two"}),
        (Choice("a", tokens("a")), set()),
    ],
)
def test_what_a_reply_lacks_has_a_reason(choice, missing):
    channels, absent = channels_of(choice)
    exact = {TokenEntropies.name}  # of a whole vocabulary, which no server tells
    assert set(absent) - exact == missing
    assert set(channels) - exact == ALL - missing
    assert all(why.state == "missing" and why.reason for why in absent.values())


def test_the_chosen_token_counts_among_the_likeliest_where_it_is_not_listed():
    other = SimpleNamespace(token="b", bytes=None, logprob=-2.0)
    entry = SimpleNamespace(token="a", bytes=None, logprob=-1.0, top_logprobs=[other])
    choice = SimpleNamespace(
        index=0,
        message=SimpleNamespace(content="a"),
        logprobs=SimpleNamespace(content=[entry]),
    )
    (read,) = choices_of(SimpleNamespace(choices=[choice]))
    channels, _ = channels_of(read)
    assert np.allclose(channels["first_two"].probabilities, np.exp([-1.0, -2.0]))


END = Token(b"</s>", -0.125)


def test_other_tokens_are_kept_as_they_are_listed_the_chosen_one_among_them():
    own = Token(b"a", -0.25, (-0.25, -2.0), ("a", " b"))
    last = Token(" ü".encode(), -3.0, (-1.0,), ("c",))
    told = alternatives_of(Choice("a ü", (own, last, END)))
    assert told.pieces() == [["a", "a", " b"], [" ü", "c", ""]]
    assert told.logprobs.tolist() == [[-0.25, -2.0], [-1.0, -math.inf]]
    long = alternatives_of(Choice("a" * 513, (own,) * 513))
    assert long.reason == "the answer has more than 512 tokens"
    for bad in (Choice("a", (Token(b"a", -0.25),)), Choice("a", None), Choice("", (END,))):
        assert isinstance(alternatives_of(bad), Absent)


def test_a_sample_s_tokens_are_summed_and_its_end_is_not():
    two = Choice("a b", (Token(b"a", -0.25), Token(b" b", -1.5), END))
    scores = sample_scores([two, Choice("", (END,)), Choice("a", (Token(b"a", -2.0),))])
    assert isinstance(scores, SampleScores)
    assert scores.logprobs.tolist() == [-1.75, 0.0, -2.0]
    assert scores.lengths.tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (Choice("a", None), "no log-probabilities with this sample"),
        (Choice("a", (Token(b"b", -1.0),)), "do not join to the sample"),
        (Choice("a", (Token(b"a", math.nan),)), "log-probabilities that are none"),
    ],
)
def test_one_sample_without_log_probabilities_leaves_them_all_out(bad, words):
    scores = sample_scores([Choice("a", (Token(b"a", -2.0),)), bad])
    assert isinstance(scores, Absent)
    assert words in scores.reason
