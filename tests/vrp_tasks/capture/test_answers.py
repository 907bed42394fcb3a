"""Where answers end: the rule against brute force, and capture under it against eager models."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.vrp_tasks.helpers.observed import record_of
from tests.vrp_tasks.helpers.random_models import FAMILIES, batch_of, random_architecture
from tests.vrp_tasks.helpers.versions import since
from vrp_tasks.capture import CaptureSettings, probed_generate
from vrp_tasks.capture.answers import AnswerEnd, AnswerRule
from vrp_tasks.capture.attention import capturing_attention
from vrp_tasks.families import family_of

PIECES = (b"a", b"b", b"ab", b" ", b"\n", b"\n\n", b"b\n", b"a\n\nb", b"\xc3", b"\xa9", b"\xe2\x82")


def decode(batch):
    """A tokenizer whose characters may be spread over tokens."""
    joined = [b"".join(PIECES[token] for token in tokens) for tokens in batch]
    return [text.decode(errors="replace") for text in joined]


def plain_answer(tokens, stops, decode=decode):
    """As Qwen2-VL's adapter in lmms-eval cuts a decoded text."""
    (text,) = decode([tokens])
    stop_pos = len(text)
    for term in stops:
        if term and term in text:
            stop_pos = min(stop_pos, text.index(term))
    return text[:stop_pos].strip(), stop_pos < len(text)


def plain_length(tokens, stops, decode=decode):
    """The smallest number of tokens that decodes to the answer, found by trying all of them."""
    answer, stopped = plain_answer(tokens, stops, decode)
    if not stopped:
        return len(tokens) if answer else 0
    prefixes = range(len(tokens) + 1)
    return next(n for n in prefixes if plain_answer(tokens[:n], stops, decode)[0] == answer)


TOKENS = st.lists(st.integers(0, len(PIECES) - 1), max_size=10)
STOPS = st.lists(st.text("ab \n", min_size=1, max_size=4), max_size=3)


@given(TOKENS, STOPS)
def test_length_is_the_smallest_number_of_tokens_that_decodes_to_the_answer(tokens, stops):
    rule = AnswerRule.until(decode, stops)
    assert rule.texts([tokens]) == [plain_answer(tokens, stops)[0]]
    assert rule.length(tokens) == plain_length(tokens, stops)


@given(TOKENS, STOPS)
def test_what_is_said_to_be_certain_while_tokens_come_stays_so(tokens, stops):
    answer = AnswerEnd(AnswerRule.until(decode, stops))
    for n, token in enumerate(tokens, start=1):
        answer.add(token)
        assert answer.length == plain_length(tokens[:n], stops)
        assert answer.settled <= plain_length(tokens, stops)
        if answer.closed:
            assert answer.length == plain_length(tokens, stops)


@pytest.mark.parametrize(
    ("text", "stops", "length", "answer"),
    [
        (["yes", "\n\n", "because"], ["\n\n"], 1, "yes"),
        (["yes", "\n", "\n", "because"], ["\n\n"], 1, "yes"),
        (["yes", ".\n\n", "because"], ["\n\n"], 2, "yes."),  # a stop string inside a token
        (["yes", " ", "\n\n"], ["\n\n"], 1, "yes"),
        (["\n\n", "yes"], ["\n\n"], 0, ""),  # a leading one: no answer
        ([" ", "\n\n", "yes"], ["\n\n"], 0, ""),
        (["yes", "##", "#", "no", "!"], ["!", "###"], 1, "yes"),  # the first to stand, not named
        (["x", "ab", "yy"], ["xabyy", "ab"], 0, ""),  # a longer one that began before
        (["yes", "because"], ["\n\n"], 2, "yesbecause"),
        (["yes", "\n"], ["\n\n"], 2, "yes"),  # nothing was cut: every token counts
        (["yes", "\n\n"], "\n\n", 1, "yes"),
        (["yes", "\n\n"], [""], 2, "yes"),
        (["yes", "\n\n"], None, 2, "yes"),
        ([" ", "\n"], ["!"], 0, ""),
        ([], ["\n\n"], 0, ""),
    ],
)
def test_answers_end(text, stops, length, answer):
    rule = AnswerRule.until(lambda batch: ["".join(text[t] for t in own) for own in batch], stops)
    tokens = list(range(len(text)))
    assert (rule.length(tokens), rule.texts([tokens])) == (length, [answer])
    assert rule.texts([]) == []


def test_a_prompt_without_a_rule_counts_every_token():
    answer = AnswerEnd(None)
    for token in range(3):
        answer.add(token)
    assert (answer.length, answer.settled, answer.closed) == (3, 3, False)


N_TOKENS = 7
SETTINGS = CaptureSettings(k=3, temperature=1.0, top_p=1.0)
VARIED = {"no_repeat_ngram_size": 1}  # random models repeat one token otherwise


def spelled(batch):
    """Each token as a word of its own, so that any of them can be a stop string."""
    return ["".join(f"<{int(token)}>" for token in tokens) for tokens in batch]


def capture(family, stops, *, inputs=None, **options):
    architecture = random_architecture(family)
    inputs = batch_of(architecture) if inputs is None else inputs
    rule = None if stops is None else AnswerRule.until(spelled, stops)
    with capturing_attention(architecture.model):
        return probed_generate(
            architecture.model,
            family_of(architecture.model.config),
            inputs,
            identities=[f"sample-{i}" for i in range(len(inputs["input_ids"]))],
            settings=SETTINGS,
            rule=rule,
            **{"do_sample": False, "max_new_tokens": N_TOKENS, **VARIED, **options},
        )


def eager(family):
    model = random_architecture(family).model
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        return model.generate(
            **batch_of(random_architecture(family)),
            do_sample=False,
            max_new_tokens=N_TOKENS + 1,
            return_dict_in_generate=True,
            output_attentions=True,
            output_hidden_states=True,
            output_logits=True,
            **VARIED,
        )
    finally:
        model.set_attn_implementation(before)


def expected(family, output, index, n):
    """Statistics of the first n tokens, from what eager `generate` gives."""
    architecture = random_architecture(family)
    ids = batch_of(architecture)["input_ids"]
    is_image = ids[index] == architecture.model.config.image_token_id
    tokens = output.sequences[index, ids.shape[1] :].tolist()[:n]
    logprobs = [step[index].float().log_softmax(dim=-1) for step in output.logits[:n]]
    rows = torch.stack(
        [
            torch.stack([layer[index, :, -1, : ids.shape[1]].mean(dim=0)[is_image]
                         for layer in step])
            for step in output.attentions[: max(n, 1)]  # of no answer, the prompt's own row
        ]
    ).mean(dim=0)  # fmt: skip
    states = [torch.stack([h[index, -1] for h in step]) for step in output.hidden_states[1 : n + 1]]
    return {
        "tokens": tokens,
        "logprobs": [float(own[t]) for own, t in zip(logprobs, tokens, strict=True)],
        "entropies": [float(-(own.exp() * own).sum()) for own in logprobs],
        "maps": rows / rows.sum(dim=1, keepdim=True),
        "states": states,
    }


def stops_for(family):
    """Two tokens of the first answer, and what stands inside a token of the second."""
    output = eager(family)
    length = batch_of(random_architecture(family))["input_ids"].shape[1]
    answers = [row[length:].tolist() for row in output.sequences]
    return output, [f"<{answers[0][3]}><{answers[0][4]}>", f"{answers[1][3]}>"], answers


@pytest.mark.parametrize("family", FAMILIES)
def test_every_statistic_ends_where_the_answer_ends(family):
    output, stops, answers = stops_for(family)
    plain, uncut = capture(family, None)
    sequences, captured = capture(family, stops)
    assert torch.equal(sequences, plain)  # the adapter itself cuts what `generate` returns
    for index, (item, tokens) in enumerate(zip(captured, answers, strict=True)):
        n = plain_length(tokens[:N_TOKENS], stops, spelled)
        check(item, expected(family, output, index, n))
        assert record_of(item).n_answer_tokens == n
    assert [len(item.tokens) for item in captured[:2]] == [3, 4]
    assert len(captured[2].tokens) > 4
    assert [len(item.tokens) for item in uncut] == [N_TOKENS] * 3


def check(item, wanted):
    assert item.tokens == wanted["tokens"]
    np.testing.assert_allclose(item.logprobs, wanted["logprobs"], atol=1e-4)
    np.testing.assert_allclose(item.entropies, wanted["entropies"], atol=1e-4)
    np.testing.assert_allclose(item.maps, wanted["maps"], atol=1e-5)
    assert ("last_answer" in item.hidden) == bool(wanted["states"])
    if wanted["states"]:
        last, mean = wanted["states"][-1], torch.stack(wanted["states"]).mean(dim=0)
        np.testing.assert_allclose(item.hidden["last_answer"][:-1], last[:-1], atol=2e-4)
        np.testing.assert_allclose(item.hidden["mean_answer"][:-1], mean[:-1], atol=2e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_answer_that_begins_with_a_stop_string_has_no_statistics(family):
    output, _, answers = stops_for(family)
    _, captured = capture(family, [f"<{answers[0][0]}>"])
    check(captured[0], expected(family, output, 0, 0))
    record = record_of(captured[0])
    undefined = {name for name, value in record.signals.items() if value is None}
    assert undefined >= {
        "token_confidence", "min_token_confidence", "logit_entropy", "first_token_entropy",
        "first_token_probability", "first_token_margin", "answer_margin", "answer_margin_mean",
    }  # fmt: skip
    assert {record.missing[name] for name in undefined} == {"the answer is empty"}


def test_samples_are_cut_as_the_answer_is():
    _, (uncut, *_) = capture("llava", None)
    words = spelled(uncut.sampled_tokens)
    stop = f"<{uncut.sampled_tokens[0][1]}>"
    _, (item, *_) = capture("llava", [stop])
    assert spelled(item.sampled_tokens) == [text.split(stop)[0] for text in words]
    assert item.sampled_tokens[0] == uncut.sampled_tokens[0][:1]


@since("5.23", "the repetition penalty counts padding")
def test_answers_of_one_batch_end_each_for_itself():
    """The repetition penalty knows padding; a ban on n-grams would count it."""
    _, stops, _ = stops_for("qwen2_vl")
    varied = {"no_repeat_ngram_size": 0, "repetition_penalty": 5.0}
    _, together = capture("qwen2_vl", stops, **varied)
    inputs = batch_of(random_architecture("qwen2_vl"), n=1)
    _, (alone,) = capture("qwen2_vl", stops, inputs=inputs, **varied)
    assert len(alone.tokens) == 3
    assert alone.tokens == together[0].tokens
    assert alone.sampled_tokens == together[0].sampled_tokens
    np.testing.assert_allclose(alone.maps, together[0].maps, atol=1e-5)
    np.testing.assert_allclose(
        alone.hidden["mean_answer"], together[0].hidden["mean_answer"], atol=2e-4
    )


@pytest.mark.parametrize("n_tokens", range(1, N_TOKENS))
def test_a_stop_string_at_the_length_limit(n_tokens):
    """It may be complete, begun or absent when the limit comes; each state counts once."""
    output, stops, answers = stops_for("llava")
    _, captured = capture("llava", stops, max_new_tokens=n_tokens)
    for index, (item, tokens) in enumerate(zip(captured, answers, strict=True)):
        n = plain_length(tokens[:n_tokens], stops, spelled)
        check(item, expected("llava", output, index, n))
