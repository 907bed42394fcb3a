"""Tokens beside each answer token: those of the stock model's own logits, and their texts."""

import pytest
import torch

from metrics.record.channels import SampleScores, SampleTokens, TokenAlternatives
from tests.vrp_tasks.helpers.random_models import QUESTIONS, batch_of, random_architecture
from vrp_tasks.capture import CaptureSettings, probed_generate
from vrp_tasks.capture.attention import capturing_attention
from vrp_tasks.capture.extras import further_of
from vrp_tasks.capture.observer import Subjects
from vrp_tasks.families import family_of

ASKED = CaptureSettings(k=2, extra=("alternatives",))
N = len(QUESTIONS)


class Words:
    """A tokenizer whose tokens are words, the first of a text without a space before it."""

    def encode(self, _, *, add_special_tokens):
        return []  # no token begins yes, no or a letter

    def batch_decode(self, rows, *, skip_special_tokens):
        assert skip_special_tokens
        return [" ".join(f"w{token}" for token in row) for row in rows]


def captured(model, inputs, tokenizer):
    subjects = Subjects([None] * N, [[]] * N, tokenizer)
    with capturing_attention(model), torch.inference_mode():
        _, items = probed_generate(
            model,
            family_of(model.config),
            dict(inputs),
            identities=[f"t/{i}" for i in range(N)],
            settings=ASKED,
            subjects=subjects,
            do_sample=False,
            max_new_tokens=3,
        )
    return items


def test_they_are_the_likeliest_of_the_raw_distribution():
    architecture = random_architecture("llava", spread=0.2)
    model, inputs = architecture.model, batch_of(architecture)
    items = captured(model, inputs, Words())
    with torch.inference_mode():
        out = model.generate(
            **batch_of(architecture), do_sample=False, max_new_tokens=3,
            return_dict_in_generate=True, output_logits=True,
        )  # fmt: skip
    for index, item in enumerate(items):
        told = further_of(item, ASKED)[0][TokenAlternatives.name]
        assert told.logprobs.shape == (len(item.tokens), 10)
        for step, (own, *others) in enumerate(told.pieces()):
            logprobs, likeliest = out.logits[step][index].float().log_softmax(-1).topk(10)
            torch.testing.assert_close(
                torch.tensor(told.logprobs[step]), logprobs, rtol=1e-4, atol=1e-4
            )
            before = " " if step else ""
            assert own == f"{before}w{item.tokens[step]}" == others[0]
            assert others == [f"{before}w{token}" for token in likeliest.tolist()]


def test_samples_have_their_own_tokens():
    architecture = random_architecture("llava", spread=0.2)
    for item in captured(architecture.model, batch_of(architecture), Words()):
        channels = further_of(item, ASKED)[0]
        told, scores = channels[SampleTokens.name], channels[SampleScores.name]
        assert told.lengths.tolist() == [len(own) for own in item.sampled_tokens]
        for own, logprobs, whole, (text, without) in zip(
            item.sampled_tokens, told.by_sample(), scores.logprobs, told.shortened(), strict=True
        ):
            assert logprobs.sum() == pytest.approx(whole, abs=1e-5)
            words = [f"w{token}" for token in own]
            assert text == " ".join(words)
            assert without == [" ".join(words[:t] + words[t + 1 :]) for t in range(len(own))]


def test_without_a_tokenizer_or_the_wish_there_are_none():
    architecture = random_architecture("llava", spread=0.2)
    (item, *_) = captured(architecture.model, batch_of(architecture), None)
    channels, absent = further_of(item, ASKED)
    assert not {TokenAlternatives.name, SampleTokens.name} & channels.keys()
    assert absent[TokenAlternatives.name].state == "not offered"
    assert absent[SampleTokens.name].state == "not offered"
    _, absent = further_of(item, CaptureSettings())
    for name in (TokenAlternatives.name, SampleTokens.name):
        assert "extra=alternatives" in absent[name].reason


@pytest.mark.parametrize(
    ("limit", "said"),
    [("MOST_TOKENS", "a sample has more"), ("MOST_OF_SAMPLES", "the samples have")],
)
def test_more_tokens_of_samples_than_are_read_are_not_kept(limit, said, monkeypatch):
    architecture = random_architecture("llava", spread=0.2)
    monkeypatch.setattr(f"vrp_tasks.capture.alternatives.{limit}", 1)
    for item in captured(architecture.model, batch_of(architecture), Words()):
        channels, absent = further_of(item, ASKED)
        assert SampleTokens.name not in channels
        assert absent[SampleTokens.name].reason.startswith(said)
