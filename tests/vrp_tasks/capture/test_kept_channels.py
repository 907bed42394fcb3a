"""What is kept for detectors, and their signals, from the stock model's own outputs in float64.

Eager, one prompt at a time, by plain formulas; samples are teacher-forced one by one.
"""

import copy
import math
from functools import cache

import numpy as np
import pytest
import torch

from metrics.record.channels import (
    CANDIDATES,
    BlankScores,
    CandidateMasses,
    HeadMasses,
    LookBack,
    Samples,
    SampleScores,
    SampleSpread,
    TokenImageMass,
    TokenSteps,
    VisionState,
)
from metrics.record.observation import Observation
from metrics.signals import BY_NAME
from metrics.signals.recording import record_of
from tests.vrp_tasks.helpers.observed import not_asked_for
from tests.vrp_tasks.helpers.plain_signals import KEPT
from tests.vrp_tasks.helpers.random_models import FAMILIES, QUESTIONS, batch_of, random_architecture
from vrp_tasks.capture import CaptureSettings, probed_generate
from vrp_tasks.capture.attention import capturing_attention
from vrp_tasks.capture.channels import channels_of
from vrp_tasks.capture.observer import Subjects
from vrp_tasks.families import family_of

LENGTH, K = 4, 5
CLOSE = {"rtol": 1e-3, "atol": 1e-4}


@cache
def captured(family):
    """Of the batch, its answers ended early where a token that some of them hold ends them."""
    architecture = random_architecture(family, spread=0.2)
    inputs = batch_of(architecture)
    with capturing_attention(architecture.model), torch.no_grad():
        _, items = probed_generate(
            architecture.model,
            family_of(architecture.model.config),
            inputs,
            identities=[f"t/{i}" for i in range(len(QUESTIONS))],
            settings=CaptureSettings(k=K, blank_image=True),
            subjects=Subjects(QUESTIONS, [[]] * 3, architecture.processor.tokenizer),
            blank={**inputs, "pixel_values": torch.zeros_like(inputs["pixel_values"])},
            do_sample=False,
            max_new_tokens=LENGTH,
            eos_token_id=end_of(family),
        )
    return items


@cache
def end_of(family):
    architecture = random_architecture(family, spread=0.2)
    options = {"do_sample": False, "max_new_tokens": LENGTH}
    answers = architecture.model.generate(**batch_of(architecture), **options)[:, -LENGTH:].tolist()
    return next(t for a in answers for t in a[2:] if t not in {b[0] for b in answers})


@cache
def stock(family):
    model = copy.deepcopy(random_architecture(family, spread=0.2).model).double().eval()
    model.set_attn_implementation("eager")
    return model


def prompt_alone(family, index):
    inputs = batch_of(random_architecture(family, spread=0.2))
    kept = inputs["attention_mask"][index].bool()
    own = {
        name: value[index : index + 1, kept]
        for name, value in inputs.items()
        if name in ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")
    }
    if family == "qwen2_vl":
        sizes = inputs["image_grid_thw"].prod(dim=1).tolist()
        own["pixel_values"] = inputs["pixel_values"].split(sizes)[index]
        own["image_grid_thw"] = inputs["image_grid_thw"][index : index + 1]
    else:
        own["pixel_values"] = inputs["pixel_values"][index : index + 1]
    own["pixel_values"] = own["pixel_values"].double()
    return own


@cache
def forced(family, index, tokens, *, blank=False):
    """Outputs of each step that reads a token of this answer, the prompt's first.

    A generation in which nothing but these tokens can be chosen; one step more than tokens.
    """
    inputs = prompt_alone(family, index)
    if blank:
        inputs["pixel_values"] = torch.zeros_like(inputs["pixel_values"])
    length = inputs["input_ids"].shape[1]

    def only(_batch, ids):
        step = ids.shape[0] - length
        return [tokens[step] if step < len(tokens) else 0]

    with torch.no_grad():
        return stock(family).generate(
            **inputs, do_sample=False, max_new_tokens=len(tokens) + 1, eos_token_id=None,
            prefix_allowed_tokens_fn=only, return_dict_in_generate=True, output_logits=True,
            output_attentions=True, output_hidden_states=True, pad_token_id=0,
        )  # fmt: skip


CASES = [(family, index) for family in FAMILIES for index in range(len(QUESTIONS))]


def of_answer(family, index, **options):
    item = captured(family)[index]
    return item, forced(family, index, tuple(item.tokens), **options)


def distributions(out, n):
    return [out.logits[step][0].double().softmax(dim=-1).numpy() for step in range(n)]


def image_of(family, index):
    config = stock(family).config
    return (prompt_alone(family, index)["input_ids"][0] == config.image_token_id).numpy()


@pytest.mark.parametrize(("family", "index"), CASES)
def test_functions_of_each_step(family, index):
    item, out = of_answer(family, index)
    kept = item.further[TokenSteps.name]
    for step, p in enumerate(distributions(out, len(item.tokens))):
        first, second = sorted(p, reverse=True)[:2]
        uniform = 1 / len(p)
        kl = math.fsum(uniform * math.log(uniform / own) for own in p)
        top = sorted(p, reverse=True)[:15]
        expected = (first - second, kl, -math.log(math.fsum(own**2 for own in p)),
                    -math.fsum(own * math.log(own) for own in top))  # fmt: skip
        got = [own[step] for own in kept.arrays().values()]
        np.testing.assert_allclose(got, expected, **CLOSE)


@pytest.mark.parametrize(("family", "index"), CASES)
def test_samples_have_the_raw_probability_of_each_of_their_tokens(family, index):
    item = captured(family)[index]
    scores, spread = item.further[SampleScores.name], item.further[SampleSpread.name]
    assert scores.lengths.tolist() == [len(own) for own in item.sampled_tokens]
    states = []
    middle = len(stock(family).model.language_model.layers) // 2
    longest = max(len(captured(family)[i].tokens) for i in range(3))
    for tokens, logprob in zip(item.sampled_tokens, scores.logprobs, strict=True):
        out = forced(family, index, tuple(tokens))
        steps = distributions(out, len(tokens))
        expected = math.fsum(math.log(p[t]) for p, t in zip(steps, tokens, strict=True))
        assert logprob == pytest.approx(expected, rel=1e-3, abs=1e-3)
        # the last token of a sample that reaches the limit is fed where an answer's is
        fed = len(tokens) if len(tokens) < LENGTH or longest == LENGTH else len(tokens) - 1
        states.append(out.hidden_states[fed][middle + 1][0, -1].numpy())
    covariance = np.cov(np.array(states))
    np.testing.assert_allclose(
        spread.eigenvalues, np.linalg.eigvalsh(covariance), rtol=2e-3, atol=1e-4
    )


@pytest.mark.parametrize(("family", "index"), CASES)
def test_where_each_head_looks(family, index):
    """On the image, on the rest of the prompt, on the answer: of the positions that predict it."""
    item, out = of_answer(family, index)
    image, n = image_of(family, index), len(item.tokens)
    rows = np.array(
        [
            [attention[0, :, -1].numpy()[:, : len(image)] for attention in step]
            for step in out.attentions[:n]
        ]
    )  # fmt: skip  (n, layers, heads, prompt)
    on_image, on_prompt = rows[..., image].sum(-1), rows.sum(-1)
    shares = np.stack([on_image, on_prompt - on_image, 1 - on_prompt], axis=-1).mean(axis=0)
    np.testing.assert_allclose(item.further[HeadMasses.name].shares, shares, atol=1e-3)
    by_token = item.further[TokenImageMass.name].by_token
    np.testing.assert_allclose(by_token, on_image.mean(axis=(1, 2)), **CLOSE)


@pytest.mark.parametrize(("family", "index"), CASES)
def test_heads_that_look_back(family, index):
    item, out = of_answer(family, index)
    n_layers, n = len(out.attentions[0]), len(item.tokens)
    expected = []
    for layer in range(n_layers // 3, math.ceil(2 * n_layers / 3)):
        # the step that reads token t + 1 sees token t one place before it
        back = [out.attentions[step][layer][0, :, -1, -2].numpy() for step in range(2, n + 1)]
        head = int(np.mean(back, axis=0).argmax()) if back else 0
        expected.append([0.0, *(own[head] for own in back)])
    np.testing.assert_allclose(item.further[LookBack.name].previous, expected, **CLOSE)


@pytest.mark.parametrize(("family", "index"), CASES)
def test_the_answer_forced_on_a_blank_image(family, index):
    item, shown = of_answer(family, index)
    _, blank = of_answer(family, index, blank=True)
    kept, n = item.further[BlankScores.name], len(item.tokens)
    steps = distributions(blank, n)
    own = [math.log(p[t]) for p, t in zip(steps, item.tokens, strict=True)]
    np.testing.assert_allclose(kept.logprobs, own, **CLOSE)
    entropies = [-math.fsum(p * np.log(p)) for p in steps]
    np.testing.assert_allclose(kept.entropies, entropies, **CLOSE)
    p = distributions(shown, 1)[0]
    np.testing.assert_allclose(kept.divergence, math.fsum(p * np.log(p / steps[0])), **CLOSE)
    assert abs(kept.logprobs - item.logprobs).max() > 1e-3


@pytest.mark.parametrize(("family", "index"), CASES)
def test_the_image_inside_the_model(family, index):
    item, out = of_answer(family, index)
    image = image_of(family, index)
    states = [layer[0].numpy() for layer in out.hidden_states[0]]
    kept, middle = item.further[VisionState.name], (len(states) - 1) // 2
    np.testing.assert_allclose(kept.features, states[0][image].mean(axis=0), **CLOSE)
    np.testing.assert_allclose(kept.last, states[middle + 1][image][-1], atol=2e-3)


@pytest.mark.parametrize(("family", "index"), CASES)
def test_candidates_are_all_spellings_of_a_word_and_the_capitals(family, index):
    item, out = of_answer(family, index)
    tokenizer = random_architecture(family, spread=0.2).processor.tokenizer
    p = distributions(out, 1)[0]
    kept = item.further[CandidateMasses.name]

    def mass(*forms):
        """Of tokens that begin one of these, with a space before it or not; a space is none."""
        spelt = (
            tokenizer.encode(a + b, add_special_tokens=False) for a in ("", " ") for b in forms
        )
        firsts = {own[0] for own in spelt}
        return sum(p[t] for t in firsts if tokenizer.decode([t]).strip())

    expected = [mass("yes", "Yes", "YES"), mass("no", "No", "NO"), *map(mass, CANDIDATES[2:])]
    np.testing.assert_allclose(kept.masses, expected, **CLOSE)


def signals_of(family, index):
    item = captured(family)[index]
    channels, absent = channels_of(item)
    texts = [str(len(tokens) % 2) for tokens in item.sampled_tokens]
    channels[Samples.name] = Samples.of(texts, texts, texts[0])
    given = CandidateMasses(item.further[CandidateMasses.name].masses, np.array([1], np.int8))
    channels[CandidateMasses.name] = given
    observation = Observation(
        task="t", split="test", doc_id="0", group="g", kind="all", prompt="?", answer="a",
        target=None, score=1.0, correct=1, normal_answer="a", channels=channels,
        absent=absent | not_asked_for(item),
    )  # fmt: skip
    return item, texts, record_of(observation, shard=None, row=None).signals


@pytest.mark.parametrize(("family", "index"), CASES)
def test_signals_are_their_plain_formulas(family, index):
    item, texts, found = signals_of(family, index)
    steps, blank = item.further[TokenSteps.name], item.further[BlankScores.name]
    p_samples = np.exp(item.further[SampleScores.name].logprobs.astype(float))
    meanings = [sum(p for p, t in zip(p_samples, texts, strict=True) if t == m) for m in set(texts)]
    shares = [m / sum(meanings) for m in meanings]
    masses = item.further[CandidateMasses.name].masses.astype(float)
    values = item.further[SampleSpread.name].eigenvalues.astype(float)
    p, back = np.exp(item.logprobs.astype(float)), item.further[LookBack.name].previous
    by_layer = []
    for layer in back:
        c = [p[0]]
        for t in range(1, len(p)):
            c.append(0.2 * p[t] + 0.8 * layer[t] * c[-1])
        by_layer.append(np.mean(np.log(c)))
    expected = {
        "self_certainty": steps.self_certainty.mean(),
        "renyi_entropy": -steps.collision.mean(),
        "epr": -steps.top_entropies.mean(),
        "likelihood_semantic_entropy": sum(s * math.log(s) for s in shares),
        "predictive_entropy": np.log(p_samples).mean(),
        "eigenscore": -np.mean([math.log(v + 1e-3) for v in values]),
        "candidate_mass": masses[1],
        "candidate_margin": masses[1] - masses[0],
        "candidate_share": masses[1] / (masses[0] + masses[1]),
        "rauq": min(by_layer),
        "image_information": (item.logprobs - blank.logprobs).sum(),
        "blank_entropy_difference": (blank.entropies - item.entropies).mean(),
        "first_step_divergence": blank.divergence[0],
    }
    assert expected.keys() == KEPT
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-4, abs=1e-6), name
        low, high = BY_NAME[name].bounds
        assert low <= found[name] <= high


def test_some_answers_end_early_and_some_samples_differ():
    lengths = {len(captured(family)[index].tokens) for family, index in CASES}
    assert len(lengths) > 1
    assert any(len({*map(tuple, captured(f)[i].sampled_tokens)}) > 1 for f, i in CASES)
