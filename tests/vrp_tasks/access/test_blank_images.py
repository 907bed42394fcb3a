"""Blank images are painted before processing: what zero pixels are, wherever those are plain."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from tests.vrp_tasks.access.test_perturbation import IMAGES, Request, asked
from tests.vrp_tasks.helpers.random_models import random_architecture
from vrp_tasks.access.blank_images import Blanks, about_blanks, mean_colour

FAMILIES = ("llava", "paligemma", "qwen2_vl")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA"])
def test_a_painted_picture_is_zero_but_for_the_rounding_of_a_pixel(family, mode):
    processor = random_architecture(family).processor.image_processor
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8))
    request = Request(doc_id=0, arguments=("?", {}, lambda _doc: [picture.convert(mode)]))
    (own,) = about_blanks(asked([request]), mean_colour(processor)).requests
    (blank,) = own.args[2](0)
    assert (blank.size, blank.mode) == (picture.size, "RGB")
    pixels = processor(images=[blank], return_tensors="pt")["pixel_values"]
    shown = processor(images=[picture], return_tensors="pt")["pixel_values"]
    assert pixels.shape == shown.shape
    half = 0.5 / 255 / min(processor.image_std)
    assert float(pixels.abs().max()) <= half + 1e-6 < float(shown.abs().max())


@pytest.mark.parametrize(
    ("settings", "colour"),
    [
        ({"do_normalize": True, "image_mean": [0.5, 0.25, 1.0]}, (128, 64, 255)),
        ({"do_normalize": True, "image_mean": 0.0, "rescale_factor": 1 / 127.5}, (0, 0, 0)),
        ({"do_normalize": True, "image_mean": [1.0] * 3, "rescale_factor": 1 / 127.5}, (128,) * 3),
        ({"do_normalize": True, "image_mean": [9, 8, 7], "do_rescale": False}, (9, 8, 7)),
        ({"do_normalize": False, "image_mean": [0.2] * 3}, (128,) * 3),
        ({}, (128,) * 3),
    ],
)  # fmt: skip
def test_the_colour_is_what_a_processor_subtracts(settings, colour):
    assert mean_colour(SimpleNamespace(**settings)) == colour


def test_every_image_of_a_document_is_blank_and_the_document_stays():
    request = Request(doc_id=0, arguments=("?", {}, lambda _doc: [*IMAGES[:2]]))
    (own,) = about_blanks(asked([request]), (1, 2, 3)).requests
    assert [image.getcolors() for image in own.args[2](0)] == [[(24 * 36, (1, 2, 3))]] * 2
    assert request.args[2](0) == IMAGES[:2]


def test_another_prompt_is_none_about_the_same_question():
    ids = torch.tensor([[1, 2, 3]])
    blanks = Blanks()
    assert blanks({"input_ids": ids, "pixel_values": ids}, {}, ["7"]).tolist() == [[1, 2, 3, 3]]
    assert blanks.of(["8"], {"input_ids": ids}) == blanks.of(["7"], {"input_ids": ids[:, :2]})
    assert "another prompt" in blanks.of(["8"], {"input_ids": ids})
    blanks({"input_ids": ids, "pixel_values": ids}, {}, ["7"])
    assert blanks.of(["7"], {"input_ids": ids})["pixel_values"] is ids
    assert Blanks("no").of(["7"], {"input_ids": ids}) == "no"
