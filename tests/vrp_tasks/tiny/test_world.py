"""Scenes, questions and encodings: what they promise, checked on pixels and by hand."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from vrp_tasks.tiny.world import IMAGE_SIZE, KINDS, ask, draw_scene
from vrp_tasks.tiny.world.encoding import decode_mask, encode_mask, encode_png
from vrp_tasks.tiny.world.questions import ask_auxiliary
from vrp_tasks.tiny.world.scene import COLORS, SHAPES, empty_canvas

# Noise of ±12 around a colour that is itself shifted by at most ±22; the canvas has only the noise.
_PAINT_REACH = 22 + 12
_CANVAS_SPREAD = 2 * 12


def spread(image):
    """Largest minus smallest channel: small on the grey canvas, large on paint."""
    return image.max(axis=-1).astype(int) - image.min(axis=-1)


@pytest.mark.parametrize("seed", range(40))
def test_masks_are_exactly_the_painted_pixels_in_the_color_of_the_object(seed):
    scene = draw_scene(seed)
    owners = np.sum([thing.mask for thing in scene.objects], axis=0)
    assert owners.max() == 1, "visible masks overlap"
    assert (spread(scene.image)[owners == 0] <= _CANVAS_SPREAD).all()
    assert (spread(scene.image)[owners == 1] > _CANVAS_SPREAD).all()
    for thing in scene.objects:
        distance = np.abs(scene.image[thing.mask].astype(int) - COLORS[thing.color])
        assert distance.max() <= _PAINT_REACH


@pytest.mark.parametrize("seed", range(40))
def test_boxes_are_tight(seed):
    for thing in draw_scene(seed).objects:
        x0, y0, x1, y1 = thing.box
        inside = thing.mask[y0:y1, x0:x1]
        assert inside.sum() == thing.mask.sum()
        for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
            assert edge.any()


def test_shapes_differ_in_how_much_of_their_box_they_fill():
    """Of the box between its outermost pixel centers: a circle pi / 4, a star least."""
    filled = {shape: [] for shape in SHAPES}
    for seed in range(150):
        scene = draw_scene(seed, n_objects=(1, 1))
        (thing,) = scene.objects
        x0, y0, x1, y1 = thing.box
        filled[thing.shape].append(thing.mask.sum() / ((x1 - x0 - 1) * (y1 - y0 - 1)))
    mean = {shape: np.mean(values) for shape, values in filled.items()}
    assert mean["circle"] == pytest.approx(np.pi / 4, abs=0.04)
    assert mean["star"] < mean["triangle"] < mean["circle"]
    assert mean["star"] < mean["square"]


def test_a_seed_is_a_scene():
    first, again, other = draw_scene(5), draw_scene(5), draw_scene(6)
    assert np.array_equal(first.image, again.image)
    assert [o.box for o in first.objects] == [o.box for o in again.objects]
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize(("least", "most"), [(1, 1), (3, 6), (5, 5)])
def test_number_of_objects(least, most):
    counts = {len(draw_scene(seed, n_objects=(least, most)).objects) for seed in range(60)}
    assert counts == set(range(least, most + 1))


def test_empty_canvas_shows_nothing():
    assert (spread(empty_canvas(3)) <= _CANVAS_SPREAD).all()
    assert empty_canvas(3).shape == (IMAGE_SIZE, IMAGE_SIZE, 3)
    assert not np.array_equal(empty_canvas(3), empty_canvas(4))


@pytest.mark.parametrize("kind", KINDS)
def test_questions_depend_on_scene_and_generator_only(kind):
    scene = draw_scene(11)
    once, twice = (ask(scene, kind, np.random.default_rng(1), variant=1) for _ in range(2))
    assert once == twice


def test_unknown_kind():
    with pytest.raises(ValueError, match=r"`kind` must be one of existence, .*, got 'colour'"):
        ask(draw_scene(0), "colour", np.random.default_rng(0))


def test_location_questions_and_captions_follow_the_centers():
    seen = set()
    for seed in range(200):
        scene, rng = draw_scene(seed), np.random.default_rng(seed)
        question = ask_auxiliary(scene, rng)
        seen.add(question.detail)
        if question.kind == "caption":
            named = [tuple(words.split()) for words in question.answer.split(", ")]
            xs = [thing.center[0] for thing in sorted(scene.objects, key=lambda o: o.center[0])]
            assert xs == sorted(xs)
            assert sorted(named) == sorted(thing.combo for thing in scene.objects)
            continue
        (index,) = question.evidence
        x, y = scene.objects[index].center
        expected = {
            "column": str(x // 14 + 1),  # 112 pixels in eight columns of 14
            "row": str(y // 14 + 1),
            "cell": " ".join(
                (
                    ("top", "middle", "bottom")[3 * y // 112],
                    ("left", "center", "right")[3 * x // 112],
                )
            ),
        }
        assert question.answer == expected[question.detail]
    assert seen == {"caption", "cell", "row", "column"}


def test_png_decodes_to_the_same_pixels_and_is_not_compressed():
    image = draw_scene(2).image
    data = encode_png(image)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), image)
    # signature 8, header 25, data 12 + zlib 2 + block header 5 + rows + checksum 4, end 12
    assert len(data) == 8 + 25 + 12 + 2 + 5 + 112 * (1 + 3 * 112) + 4 + 12


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4), dtype=np.uint8), r"got uint8 \(4, 4\)"),
        (np.zeros((4, 4, 3)), r"got float64 \(4, 4, 3\)"),
        (np.zeros((200, 200, 3), dtype=np.uint8), r"fit 65535 bytes, got 120200"),
    ],
)
def test_png_refuses(image, message):
    with pytest.raises(ValueError, match=message):
        encode_png(image)


def test_mask_by_hand():
    """Columns of the mask, top to bottom: 1 1 | 0 1 | 0 0."""
    mask = np.array([[True, False, False], [True, True, False]])
    assert encode_mask(mask) == {"size": [2, 3], "counts": [0, 2, 1, 1, 2]}


@pytest.mark.parametrize("seed", range(5))
def test_masks_survive_their_encoding(seed):
    mask = np.random.default_rng(seed).random((9, 13)) < seed / 4
    assert np.array_equal(decode_mask(encode_mask(mask)), mask)


def test_mask_with_wrong_counts():
    with pytest.raises(ValueError, match=r"add up to 2 \* 3, got 5"):
        decode_mask({"size": [2, 3], "counts": [0, 2, 1, 2]})
