"""Rows of decoders with sliding windows against eager, cacheless passes over the whole sequence.

Gemma 2 has windows too, but no attention through SDPA in transformers, hence none here.
"""

import functools

import numpy as np
import pytest
import torch
from transformers import (
    Gemma3TextConfig,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
)

from tests.vrp_tasks.helpers.random_models import batch_of, random_architecture
from vrp_tasks.capture import CaptureSettings, probed_generate
from vrp_tasks.capture.attention import capturing_attention
from vrp_tasks.errors import SetupError
from vrp_tasks.families import family_of
from vrp_tasks.interventions.blocking import blocked_attention

N_STEPS, N_LAYERS = 6, 3
DECODERS = ("qwen2_vl_text", "gemma3_text")


@functools.cache
def windowed(decoder, window):
    """A random model whose decoder has some layers with a window of so many positions."""
    base = random_architecture("qwen2_vl" if decoder == "qwen2_vl_text" else "paligemma")
    own = base.model.config.to_dict()
    text = {**own.pop("text_config"), "num_hidden_layers": N_LAYERS, "sliding_window": window}
    text.pop("layer_types", None)
    torch.manual_seed(3)
    if decoder == "qwen2_vl_text":
        text |= {"use_sliding_window": True, "max_window_layers": 1}
        model = Qwen2VLForConditionalGeneration(Qwen2VLConfig(**own, text_config=text))
    else:
        types = ["sliding_attention", "full_attention", "sliding_attention"]
        text |= {"model_type": decoder, "layer_types": types}
        del text["rope_parameters"], text["use_bidirectional_attention"]  # that halves windows
        text_config = Gemma3TextConfig(**text)
        model = PaliGemmaForConditionalGeneration(PaliGemmaConfig(**own, text_config=text_config))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return base, model.eval()


def true_maps(model, inputs, sequences, n_answer):
    """Attention of the answer-side positions to the image per prompt, (n_layers, S), eagerly."""
    length, n_new = inputs["input_ids"].shape[1], sequences.shape[1] - inputs["input_ids"].shape[1]
    grown = {**inputs, "input_ids": sequences}
    for name, fill in (("attention_mask", 1), ("token_type_ids", 1), ("mm_token_type_ids", 0)):
        if name in inputs:
            new = inputs[name].new_full((len(sequences), n_new), fill)
            grown[name] = torch.cat([inputs[name], new], dim=1)
    if "token_type_ids" in grown:  # answers are the causal suffix of the prefix-LM
        grown["token_type_ids"][:, length:] = 1
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        with torch.inference_mode():
            attentions = model(**grown, output_attentions=True).attentions
    finally:
        model.set_attn_implementation(before)
    image = inputs["input_ids"] == model.config.image_token_id
    return [
        np.stack(
            [
                a[row]
                .mean(dim=0)[length - 1 : length - 1 + n_answer][:, :length][:, image[row]]
                .mean(dim=0)
                .numpy()
                for a in attentions
            ]
        )
        for row in range(len(sequences))
    ]


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("beyond", [-30, -3, -1, 0, 1, 2, N_STEPS, 50])
def test_rows_stand_in_the_columns_of_their_keys(decoder, beyond):
    base, model = windowed(decoder, 40)
    length = batch_of(base, 2)["input_ids"].shape[1]
    base, model = windowed(decoder, length + beyond)
    inputs = batch_of(base, 2)
    with capturing_attention(model), torch.inference_mode():
        sequences, items = probed_generate(
            model,
            family_of(model.config),
            inputs,
            identities=["a", "b"],
            settings=CaptureSettings(k=2),
            do_sample=False,
            max_new_tokens=N_STEPS,
            eos_token_id=None,
        )
    expected = true_maps(model, inputs, sequences, N_STEPS)
    for item, true in zip(items, expected, strict=True):
        assert len(item.tokens) == N_STEPS
        assert "attention" not in item.missing, item.missing
        np.testing.assert_allclose(item.image_mass, true.sum(axis=1), atol=1e-5)
        true = true / true.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(item.maps, true, atol=2e-5)


def test_a_block_is_refused_where_a_window_would_move_its_columns():
    base, model = windowed("qwen2_vl_text", 40)
    hidden = torch.zeros_like(batch_of(base, 2)["input_ids"], dtype=torch.bool)
    with (
        pytest.raises(SetupError, match="its cache forgets positions"),
        blocked_attention(model, family_of(model.config), hidden),
    ):
        pass
