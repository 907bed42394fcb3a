"""Where each family's image tokens and structural tokens are."""

import pytest

from tests.vrp_tasks.helpers.random_models import FAMILIES, batch_of, random_architecture
from vrp_tasks.errors import SetupError
from vrp_tasks.families import family_of

MARKERS = {
    "llava": ["<s>", "USER", ":", "\n", " ASSISTANT", ":"],
    "paligemma": ["<bos>", "\n"],
    "qwen2_vl": [
        *("<|im_start|>", "\n", "<|im_end|>", "\n", "<|im_start|>", "\n"),
        *("<|vision_start|>", "<|vision_end|>", "<|im_end|>", "\n", "<|im_start|>", "\n"),
    ],
}


@pytest.mark.parametrize("name", FAMILIES)
def test_boundary_markers_are_the_structural_tokens_of_the_prompt(name):
    architecture = random_architecture(name)
    tokenizer = architecture.processor.tokenizer
    family = family_of(architecture.model.config)
    ids = batch_of(architecture, n=1)["input_ids"]
    found = ids[family.boundary_markers(tokenizer, ids)].tolist()
    assert [tokenizer.decode([i]) for i in found] == MARKERS[name]


@pytest.mark.parametrize("name", FAMILIES)
def test_image_tokens_fill_the_grid(name):
    architecture = random_architecture(name)
    config, inputs = architecture.model.config, batch_of(architecture)
    family = family_of(config)
    counts = family.image_tokens(config, inputs["input_ids"]).sum(dim=1).tolist()
    for index, count in enumerate(counts):
        height, width = family.image_grid(config, inputs, index)
        assert height * width == count
    if name == "qwen2_vl":
        assert family.image_grid(config, inputs, 1) == (6, 12)


def test_a_family_that_cannot_be_probed_is_named():
    config = random_architecture("llava").model.config.text_config
    with pytest.raises(SetupError, match=r"type 'llama' cannot be probed.*llava, paligemma"):
        family_of(config)
