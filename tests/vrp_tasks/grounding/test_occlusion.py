"""What is blanked, and how probable the clean answer is then, against slow ways to the same."""

import numpy as np
import pytest
import torch
from PIL import Image

from tests.vrp_tasks.helpers.random_models import FAMILIES, batch_of, random_architecture
from vrp_tasks.capture.forced import generate_and_score
from vrp_tasks.errors import UnmappedError
from vrp_tasks.families.window import Window
from vrp_tasks.grounding.occlusion import (
    blanked,
    elsewhere_pixels,
    occluded_request,
    region_pixels,
)
from vrp_tasks.grounding.regions import region_of

WHOLE = Window(0, 0, 40, 30)
GREEDY = {"do_sample": False, "max_new_tokens": 5}


def region(*boxes, size=(40, 30)):
    return region_of({"boxes": [list(b) for b in boxes], "size": size}, size)


def test_as_many_pixels_elsewhere_without_touching_the_region():
    own = region((3, 4, 12, 9), (10, 8, 15, 20))
    there = region_pixels(own, WHOLE)
    places = set()
    for seed in range(20):
        moved = elsewhere_pixels(own, WHOLE, seed=seed)
        assert moved.sum() == there.sum() == own.area
        assert not (moved & there).any()
        rows, columns = np.nonzero(moved)
        places.add((rows.min(), columns.min()))
        shape = moved[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        np.testing.assert_array_equal(shape, there[4:20, 3:15])
    assert len(places) > 10
    np.testing.assert_array_equal(
        elsewhere_pixels(own, WHOLE, seed=3), elsewhere_pixels(own, WHOLE, seed=3)
    )


def test_only_what_the_model_sees_is_blanked():
    window = Window(10, 0, 30, 30)
    own = region((2, 5, 14, 10))
    assert region_pixels(own, window).sum() == 4 * 5
    for seed in range(10):
        columns = np.nonzero(elsewhere_pixels(own, window, seed=seed))[1]
        assert columns.min() >= 10
        assert columns.max() < 30


def test_no_room_elsewhere_says_so():
    with pytest.raises(UnmappedError, match="no equal area"):
        elsewhere_pixels(region((0, 0, 40, 20)), WHOLE, seed=0)
    with pytest.raises(UnmappedError, match="sees no pixel of the region"):
        elsewhere_pixels(region((0, 0, 5, 5)), Window(10, 0, 30, 30), seed=0)


def test_blanking_changes_the_chosen_pixels_only():
    rng = np.random.default_rng(0)
    before = rng.integers(0, 256, size=(30, 40, 3), dtype=np.uint8)
    pixels = region_pixels(region((3, 4, 12, 9)), WHOLE)
    after = np.array(blanked(Image.fromarray(before), pixels))
    np.testing.assert_array_equal(after[~pixels], before[~pixels])
    mean = np.rint(before.reshape(-1, 3).mean(axis=0))
    assert (after[pixels] == mean).all()


class Request:
    """The two forms in which lmms-eval hands over a document's images."""

    def __init__(self, make, chat):
        settings = {"max_new_tokens": 3}
        self.args = ("?", make, settings, 0, "t", "s") if chat else (
            "?", settings, make, 0, "t", "s"
        )  # fmt: skip
        self.arguments = self.args


@pytest.mark.parametrize("chat", [False, True])
def test_images_are_blanked_wherever_the_request_makes_them(chat):
    doc = {"image": Image.new("RGB", (40, 30), (10, 20, 30))}
    doc["image"].paste((250, 0, 0), (0, 0, 20, 30))

    def visuals(doc):
        return [doc["image"]]

    def messages(doc):
        image = {"type": "image", "url": doc["image"]}
        return [{"role": "user", "content": [image, {"type": "text", "text": "?"}]}]

    pixels = np.zeros((30, 40), dtype=bool)
    pixels[:5] = True
    request = Request(messages if chat else visuals, chat)
    changed = occluded_request(request, lambda doc, image: pixels)
    made = next(part for part in changed.arguments if callable(part))(doc)
    image = made[0]["content"][0]["url"] if chat else made[0]
    assert np.array(image)[0, 0].tolist() == [130, 10, 15]
    assert np.array(image)[10, 0].tolist() == [250, 0, 0]
    assert np.array(doc["image"])[0, 0].tolist() == [250, 0, 0]
    assert request.arguments is request.args


@pytest.mark.parametrize("family", FAMILIES)
def test_forced_log_probabilities_equal_a_cacheless_forward_pass(family):
    model = random_architecture(family).model
    inputs = batch_of(random_architecture(family), 2)
    with torch.inference_mode():
        plain = model.generate(**inputs, **GREEDY)
        length = inputs["input_ids"].shape[1]
        own = plain[0, length:].tolist()
        references = [own[:3], [7, 11, 9]]
        sequences, found = generate_and_score(model, inputs, GREEDY, references)
        assert torch.equal(sequences, plain)
        for index, reference in enumerate(references):
            alone = batch_of(random_architecture(family), 2)
            ids = torch.cat([alone["input_ids"], torch.tensor([reference, reference])], dim=1)
            fill = {"attention_mask": 1, "token_type_ids": 1, "mm_token_type_ids": 0}
            extra = {
                name: torch.cat([alone[name], torch.full((2, 3), value)], dim=1)
                for name, value in fill.items()
                if name in alone
            }
            logits = model(**{**alone, **extra, "input_ids": ids}).logits[index].float()
            steps = logits.log_softmax(dim=-1)[length - 1 : length + 2]
            expected = [float(step[token]) for step, token in zip(steps, reference, strict=True)]
            assert found[index] == pytest.approx(np.mean(expected), abs=1e-4)


def test_an_empty_reference_has_no_log_probability():
    inputs = batch_of(random_architecture("llava"), 2)
    with torch.inference_mode():
        _, found = generate_and_score(
            random_architecture("llava").model, inputs, GREEDY, [[], [7, 11]]
        )
    assert found[0] is None
    assert found[1] < 0


def test_a_region_out_of_view_is_not_blanked():
    with pytest.raises(UnmappedError, match="sees no pixel of the region"):
        region_pixels(region((0, 0, 5, 5)), Window(10, 0, 30, 30))


def test_transparency_outside_the_blanked_pixels_stays():
    values = np.zeros((4, 6, 4), np.uint8)  # black; the left half transparent, so shown as white
    values[:, 3:, 3] = 255
    pixels = np.zeros((4, 6), bool)
    pixels[0, 0] = pixels[0, 5] = True
    found = np.array(blanked(Image.fromarray(values), pixels))
    assert (found[pixels] == [128, 128, 128, 255]).all()
    assert (found[~pixels] == values[~pixels]).all()
