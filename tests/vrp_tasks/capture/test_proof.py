"""What is believed of a model is tried at load, and what is wrong is found."""

import pytest
import torch
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

from tests.vrp_tasks.helpers import zoo
from tests.vrp_tasks.helpers.random_models import FAMILIES, batch_of, random_architecture
from vrp_tasks.capture import attention, proof, rows
from vrp_tasks.capture.proof import PASSED, proof_of, prove
from vrp_tasks.capture.trial import trial_inputs
from vrp_tasks.errors import SetupError
from vrp_tasks.families import Found, family_for

NAMES = {
    "capture leaves logits alone",
    "greedy answers are stock",
    "cold samples are greedy",
    "attention rows are those that layers used",
    "logits follow the rows",
    "image tokens hold the image",
    "the lens ends in the logits",
    "attention and MLP sum to what layers add",
}


@pytest.mark.parametrize("name", zoo.NAMES)
def test_every_architecture_is_proven_but_for_what_it_lacks(name):
    own = zoo.built(name)
    found = prove(own.model, Found(own.model), zoo.prompts(own))
    assert set(found.checks) == NAMES
    lacking = {check for check, said in found.checks.items() if not said.startswith(PASSED)}
    expected = set()
    if name in ("gemma4", "mllama", "aya_vision", "cohere2_vision"):
        expected.add("attention and MLP sum to what layers add")
    if name == "mllama":
        expected.add("logits follow the rows")
    assert lacking == expected, found.checks


@pytest.mark.parametrize("name", FAMILIES)
def test_declared_families_are_proven_and_lack_nothing(name):
    architecture = random_architecture(name)
    found = prove(architecture.model, family_for(architecture.model), batch_of(architecture))
    assert {said.split(" in ")[0] for said in found.checks.values()} == {PASSED}
    assert not found.lacks


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["qwen2_5_vl", "gemma3", "paligemma2", "qwen3_5", "internvl"])
def test_half_precision_is_proven_too(name, dtype):
    own = zoo.built(name, dtype)
    found = prove(own.model, Found(own.model), zoo.prompts(own))
    assert all(said.startswith(PASSED) for said in found.checks.values()), found.checks


def test_a_mask_that_is_left_out_stops_the_run(monkeypatch):
    own = zoo.built("qwen2_5_vl")
    masks = ALL_MASK_ATTENTION_FUNCTIONS._global_mapping
    monkeypatch.delitem(masks, attention.NAME)
    with pytest.raises(SetupError, match="logits differ from stock by"):
        prove(own.model, Found(own.model), zoo.prompts(own))


def test_another_answer_than_stock_stops_the_run(monkeypatch):
    own = zoo.built("qwen2_5_vl")
    stock = proof.probed_generate

    def other(*args, **options):
        sequences, items = stock(*args, **options)
        sequences[0, -1] = (sequences[0, -1] + 1) % 500
        return sequences, items

    monkeypatch.setattr(proof, "probed_generate", other)
    with pytest.raises(SetupError, match="is not the one that generate gives"):
        prove(own.model, Found(own.model), zoo.prompts(own))


def test_rows_that_the_model_did_not_use_void_the_maps_alone(monkeypatch):
    monkeypatch.setattr(rows, "has_own_rows", lambda last: False)
    monkeypatch.setattr(rows, "own_row", lambda last: None)
    own = zoo.built("paligemma2")
    found = prove(own.model, Found(own.model), zoo.prompts(own))
    assert "times V is not what the layer used" in found.lacks["attention"]
    assert set(found.lacks) == {"attention", "top_heads"}


def test_image_tokens_of_another_id_are_found(monkeypatch):
    own = zoo.built("qwen2_5_vl")
    inputs = zoo.prompts(own)
    family = Found(own.model)
    text = int(inputs["input_ids"][0, -1])
    monkeypatch.setattr(family, "image_tokens", lambda config, ids: ids == text)
    found = prove(own.model, family, inputs)
    assert "reach the decoder as the word that they spell" in found.lacks["attention"]


def test_a_lens_through_the_wrong_norm_is_found(monkeypatch):
    own = zoo.built("qwen2_5_vl")
    family = Found(own.model)
    body = family.decoder(own.model)
    wrong = type(body)(body.module, body.layers, body.layers[0].input_layernorm)
    monkeypatch.setattr(family, "decoder", lambda model: wrong)
    found = prove(own.model, family, zoo.prompts(own))
    assert "not what the model's logits are" in found.lacks["lens"]
    assert "attention" not in found.lacks


@pytest.mark.parametrize("name", FAMILIES)
def test_a_trial_is_made_with_the_processor_alone(name):
    architecture = random_architecture(name)
    inputs = trial_inputs(architecture.model, architecture.processor)
    family = family_for(architecture.model)
    counts = family.image_tokens(architecture.model.config, inputs["input_ids"]).sum(dim=1)
    assert (counts > 0).all()
    assert not bool(inputs["attention_mask"].all())  # of different length
    assert prove(architecture.model, family, inputs).checks


def test_a_processor_that_makes_no_trial_prompt_is_said_and_stops_nothing():
    own = zoo.built("qwen2_5_vl")
    found = proof_of(own.model, Found(own.model), None)
    assert set(found.checks) == {"trial"}
    assert found.checks["trial"].startswith("not run on this checkpoint (AttributeError: ")
