"""Every architecture, through what is found on the model, against stock transformers."""

import functools

import numpy as np
import pytest
import torch

from tests.vrp_tasks.helpers import zoo
from tests.vrp_tasks.helpers.versions import has
from tests.vrp_tasks.helpers.zoo.reference import eager_pass, image_rows, with_answer
from vrp_tasks.capture import CaptureSettings, probed_generate, rows
from vrp_tasks.capture.attention import capturing_attention
from vrp_tasks.capture.recorder import Recorder
from vrp_tasks.families.found import Found

COLD = CaptureSettings(k=2, temperature=1e-6, top_p=1.0)
NEW = 6
OPTIONS = {"do_sample": False, "max_new_tokens": NEW}
# their states are large, so that the two passes differ in the fourth decimal
LOOSE = {"granite4_vision": 2e-4, "idefics2": 1e-4}


@functools.cache
def probed(name):
    """One generation of two prompts that never ends early, beside what stock gives."""
    own = zoo.built(name)
    inputs = zoo.prompts(own)
    options = {**OPTIONS, "eos_token_id": None}
    family = Found(own.model)
    family.study(own.model, inputs)
    with torch.inference_mode():
        stock = own.model.generate(**inputs, **options)
        with capturing_attention(own.model):
            sequences, items = probed_generate(
                own.model, family, inputs, identities=["a", "b"], settings=COLD, **options
            )
    return own, family, inputs, stock, sequences, items


@pytest.mark.parametrize("name", zoo.NAMES)
def test_greedy_answers_are_stock_and_cold_samples_are_greedy(name):
    *_, stock, sequences, items = probed(name)
    assert torch.equal(sequences, stock)
    for item in items:
        assert len(item.tokens) == NEW
        assert item.sampled_tokens == [item.tokens] * COLD.k


@pytest.mark.parametrize("name", zoo.NAMES)
def test_rows_and_states_of_the_prompt_equal_eager(name):
    own, family, inputs, *_ = probed(name)
    length = inputs["input_ids"].shape[1]
    seen = Recorder(family.decoder(own.model), batch_size=2, prompt_length=length, all_attend=False)
    with capturing_attention(own.model), torch.no_grad(), seen.attached():
        own.model(**inputs)
    seen.take_prompt()
    expected = eager_pass(own.model, inputs)
    attended = [a for a in expected.attentions if a is not None and a.shape[-1] == length]
    tolerance = LOOSE.get(name, 3e-5)
    assert len(seen.prompt_heads) == len(attended)
    for row, attention in zip(seen.prompt_heads, attended, strict=True):
        np.testing.assert_allclose(row, attention[:, :, -1], atol=tolerance)
    states = torch.stack([h[:, -1] for h in expected.hidden_states])
    size = float(states.abs().max())
    assert len(seen.last_prompt) == len(states)
    np.testing.assert_allclose(seen.last_prompt[:-1] / size, states[:-1] / size, atol=tolerance)
    norm = family.decoder(own.model).norm
    with torch.no_grad():  # transformers gives the last layer's state after the final norm
        last = norm(seen.last_prompt[-1])
    np.testing.assert_allclose(last, states[-1], atol=20 * tolerance)


@pytest.mark.parametrize("name", zoo.NAMES)
def test_rows_of_the_answer_equal_one_eager_pass_over_it(name):
    own, family, inputs, _, sequences, items = probed(name)
    length = inputs["input_ids"].shape[1]
    grown = with_answer(inputs, sequences, is_prefix_lm=name == "paligemma2")
    with_attention = [
        a for a in eager_pass(own.model, grown).attentions
        if a is not None and a.shape[-1] == grown["input_ids"].shape[1]
    ]  # fmt: skip
    image = family.image_tokens(own.model.config, inputs["input_ids"])
    for index, item in enumerate(items):
        if item.image_mass is None:
            assert item.missing["attention"]
            continue
        true = image_rows(with_attention, image[index], length, index)
        has_mass = ~np.isnan(item.image_mass)
        np.testing.assert_allclose(item.image_mass[has_mass], true.sum(axis=1), atol=5e-5)
        if item.maps is None:  # in tiles
            assert "do not fill one" in item.missing["attention"]
            continue
        has_map = ~np.isnan(item.maps).any(axis=1)
        np.testing.assert_array_equal(has_map[has_mass], item.image_mass[has_mass] > 0)
        true = true[item.image_mass[has_mass] > 0]
        true = true / true.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(item.maps[has_map], true, atol=2e-4)


@pytest.mark.parametrize("name", zoo.NAMES)
def test_prompts_of_one_no_and_two_images_answer_as_in_stock(name):
    if name == "mllama" and not has("5.23"):
        pytest.skip("its processor refuses to mix prompts with and without images before 5.23")
    own, family = probed(name)[:2]
    inputs = zoo.prompts(own, shown=(1, 0, 2))
    with torch.inference_mode():
        stock = own.model.generate(**inputs, **OPTIONS)
        with capturing_attention(own.model):
            sequences, items = probed_generate(
                own.model, family, inputs, identities=["a", "b", "c"], settings=COLD, **OPTIONS
            )
    assert torch.equal(sequences, stock)
    assert items[1].maps is None
    assert items[1].missing["attention"]


@pytest.mark.parametrize("name", zoo.NAMES)
def test_parts_of_the_lens_are_right_or_not_given(name):
    """The embedding's own part and the layers' shares make up the last margin."""
    own, family, _, _, _, items = probed(name)
    for item in items:
        if "margin_from_mlp" not in item.extra:
            assert item.missing["attribution"]
            assert "margin_from_attention" not in item.extra
            continue
        first = torch.from_numpy(item.hidden["last_prompt"][[0, -1]])
        norm = family.decoder(own.model).norm
        epsilon = getattr(norm, "variance_epsilon", getattr(norm, "eps", 0.0))
        with torch.no_grad():
            # through the norm whose scale is frozen at the last state
            scale = (first[1].square().mean() + epsilon).rsqrt()
            gain = norm(first[1]) / (first[1] * scale)
            logits = own.model.get_output_embeddings()(first * scale * gain)
        token = item.tokens[0]
        others = logits[1].clone()
        others[token] = -torch.inf
        embedded = float(logits[0, token] - logits[0, others.argmax()])
        total = embedded + item.extra["margin_from_attention"].sum()
        total += item.extra["margin_from_mlp"].sum()
        assert total == pytest.approx(item.extra["answer_margin"][-1], abs=2e-3)


@pytest.mark.parametrize("name", ["paligemma2", "llava_gpt_oss"])
def test_rows_by_the_cheap_rule_alone_are_refused_where_scores_are_capped_or_sunk(
    name, monkeypatch
):
    own, family, inputs, *_ = probed(name)
    monkeypatch.setattr(rows, "has_own_rows", lambda last: False)
    monkeypatch.setattr(rows, "own_row", lambda last: None)
    with torch.inference_mode(), capturing_attention(own.model):
        _, items = probed_generate(
            own.model, family, inputs, identities=["a", "b"], settings=COLD, **OPTIONS
        )
    assert "times V is not what the layer used" in items[0].missing["attention"]
    assert items[0].maps is None
    assert "last_prompt" in items[0].hidden


def test_layers_that_do_not_attend_have_no_map_and_the_others_keep_theirs():
    item = probed("qwen3_5")[-1][0]
    has_map = ~np.isnan(item.maps).any(axis=1)
    assert has_map.tolist() == [False, True, False, True]
    np.testing.assert_array_equal(np.isnan(item.image_mass), ~has_map)
    assert len(item.hidden["last_prompt"]) == 5
    assert len(item.extra["update_norm"]) == 4


def test_a_window_that_has_left_the_image_takes_the_map_of_its_layer_alone():
    item = probed("gemma3")[-1][1]  # the longer question
    has_map = ~np.isnan(item.maps).any(axis=1)
    assert has_map.tolist() == [False, True, False, True]
    np.testing.assert_array_equal(item.image_mass[~has_map], 0.0)


@pytest.mark.parametrize("name", ["gemma4", "mllama", "aya_vision"])
def test_shares_that_do_not_sum_are_invalid_with_the_layer_that_says_so(name):
    _, family, *_, items = probed(name)
    assert "margin_from_mlp" not in items[0].extra
    assert items[0].missing["attribution"] == family.lacks["attribution"]
    assert "answer_margin" in items[0].extra


def test_an_image_read_through_cross_attention_has_no_maps_and_says_why():
    item = probed("mllama")[-1][0]
    assert item.maps is None
    assert "cross-attention" in item.missing["attention"]
    assert len(item.hidden["last_prompt"]) == 5
