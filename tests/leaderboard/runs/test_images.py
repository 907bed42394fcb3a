import base64
import hashlib
import io

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from leaderboard.runs.images import (
    MAX_BYTES,
    MAX_SIDE,
    HeatMap,
    Picture,
    covered,
    heat_map,
    maps_of,
    overlay_png,
    pictures_of,
    shrunk,
)
from leaderboard.runs.read import read_run
from metrics.record.records import IMAGES_FILE
from tests.leaderboard.helpers.golden import make_records, write_run
from tests.leaderboard.helpers.pictures import (
    GRID,
    SHARD,
    jpeg,
    name_in_manifest,
    write_pictured_run,
)

SCRIPT = b"<script>alert(1)</script>"


def named(data: bytes) -> tuple[str, bytes]:
    return hashlib.sha256(data).hexdigest(), data


def decoded(picture: Picture) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(picture.jpeg)))


def as_format(name: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, format=name)
    return buffer.getvalue()


def test_a_picture_is_written_anew_within_the_limits():
    data = jpeg(size=(600, 300))
    picture = shrunk(*named(data))
    assert (picture.width, picture.height) == (MAX_SIDE, MAX_SIDE // 2)
    assert decoded(picture).size == (MAX_SIDE, MAX_SIDE // 2)
    assert picture.reason == ""


def test_what_hides_behind_a_valid_jpeg_does_not_come_along():
    image = Image.open(io.BytesIO(jpeg()))
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", comment=SCRIPT, exif=b"Exif\x00\x00" + SCRIPT)
    picture = shrunk(*named(buffer.getvalue() + SCRIPT))
    assert picture.jpeg
    assert SCRIPT not in base64.b64decode(picture.jpeg)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no JPEG"),
        (b"<svg onload='alert(1)'/>", "no JPEG"),
        (as_format("PNG"), "no JPEG"),
        (as_format("GIF"), "no JPEG"),
        (b"\xff\xd8\xff" + SCRIPT, "cannot be decoded"),
        (jpeg()[:400], "cannot be decoded"),
        (jpeg() + bytes(MAX_BYTES), f"more than {MAX_BYTES}"),
    ],
)
def test_bytes_that_are_no_picture_are_refused_with_a_reason(data, reason):
    picture = shrunk(*named(data))
    assert picture.jpeg == ""
    assert reason in picture.reason


@pytest.mark.parametrize("side", [3000, 20_000, 60_000])
def test_a_picture_that_claims_too_many_pixels_is_not_decoded(side):
    data = bytearray(jpeg())
    at = data.index(b"\xff\xc0") + 5  # start of frame: height, width
    data[at : at + 4] = side.to_bytes(2, "big") * 2
    picture = shrunk(*named(bytes(data)))
    assert picture.jpeg == ""
    assert "pixels" in picture.reason


def test_bytes_under_another_name_are_refused():
    assert "not those of its name" in shrunk("0" * 64, jpeg()).reason


def test_pictures_and_maps_reach_their_samples(tmp_path):
    run = read_run(write_pictured_run(tmp_path / "run"))
    pictures, maps = pictures_of(run, run.records), maps_of(run, run.records)
    first, same_image, other = run.records[0], run.records[1], run.records[4]
    assert pictures[first.identity] == pictures[same_image.identity]
    assert pictures[first.identity].jpeg != pictures[other.identity].jpeg
    for row, record in enumerate(run.records):
        heat = maps[record.identity]
        assert (heat.height, heat.width) == GRID
        assert int(np.argmax(heat.levels)) == row % 24
        assert heat.peak == pytest.approx(2 / 3)


def test_a_run_without_pictures_and_maps_says_so(tmp_path):
    run = read_run(write_run(tmp_path / "run", make_records(4)))
    (picture, *_), (heat, *_) = (f(run, run.records).values() for f in (pictures_of, maps_of))
    assert picture.reason == "the run kept no image of this sample"
    assert heat.reason == "the run kept no map of this sample"


def test_an_image_that_the_table_lacks_is_missed(tmp_path):
    name, data = named(jpeg())
    folder = write_pictured_run(tmp_path / "run", stored={name: data, "absent": b"x"})
    run = read_run(folder)
    picked = [r for r in run.records if r.image == "absent"]
    assert "no JPEG" in pictures_of(run, picked)[picked[0].identity].reason


def test_a_table_of_pictures_that_cannot_be_read_is_a_reason(tmp_path):
    folder = write_pictured_run(tmp_path / "run", make_records(1))
    run = read_run(folder)
    (folder / IMAGES_FILE).write_bytes(SCRIPT)
    (picture,) = pictures_of(run, run.records).values()
    assert f"{IMAGES_FILE} cannot be read" in picture.reason


def columns(values, *, shapes):
    """A channel of maps as a folder may claim to hold it."""
    return {"image_maps.by_layer": values, "image_maps.by_layer.shapes": np.array(shapes)}


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"hidden": np.zeros(3)}, "kept no map"),
        ({"image_maps.by_layer": np.ones(48)}, "kept no map"),
        (columns(np.ones(0), shapes=np.zeros((0, 3), int)), "has no row 0"),
        (columns(np.ones(10), shapes=[[2, 1, 5]]), "does not fit 4 x 6"),
        (columns(np.ones(10), shapes=[[2, 4, 6]]), "shapes say 48"),
        (columns(np.ones(0), shapes=[[0, 4, 6]]), "cannot be read"),
        (columns(np.ones(0), shapes=[[-1, -1, -1]]), "kept no map"),
        (columns(np.ones(48), shapes=[[2, -4, 6]]), "sizes that cannot be"),
        (columns(np.ones(48), shapes=[[2.0, 4.0, 6.0]]), "whole numbers"),
        (columns(np.ones(48), shapes=[48]), "whole numbers"),
        (columns(np.ones(48), shapes=[[2**32, 2**32, 1]]), "sizes that cannot be"),
        (columns(np.full(48, np.nan), shapes=[[2, 4, 6]]), "attention cannot have"),
        (columns(-np.ones(48), shapes=[[2, 4, 6]]), "cannot have"),
    ],
)
def test_a_shard_that_holds_no_map_is_a_reason_and_no_error(tmp_path, arrays, reason):
    folder = write_pictured_run(tmp_path / "run", make_records(1))
    save_file(arrays, folder / SHARD)
    name_in_manifest(folder, SHARD)
    run = read_run(folder)
    (heat,) = maps_of(run, run.records).values()
    assert heat.levels == ()
    assert reason in heat.reason


def test_a_shard_that_is_no_shard_is_a_reason(tmp_path):
    folder = write_pictured_run(tmp_path / "run", make_records(1))
    (folder / SHARD).write_bytes(SCRIPT)
    name_in_manifest(folder, SHARD)
    run = read_run(folder)
    (heat,) = maps_of(run, run.records).values()
    assert "cannot be read" in heat.reason


def test_only_files_of_the_run_are_opened(tmp_path):
    folder = write_pictured_run(tmp_path / "run", make_records(1))
    manifest = folder / "manifest.json"
    text = manifest.read_text("utf-8")
    manifest.write_text(text.replace(SHARD, "else.safetensors"), "utf-8")
    (folder / SHARD).rename(folder / "else.safetensors")
    run = read_run(folder)
    (heat,) = maps_of(run, run.records).values()
    assert "the manifest does not name the shard" in heat.reason


@pytest.mark.parametrize(
    ("said", "crop"),
    [
        ({}, None),
        ({"center_crop": None}, None),
        ({"center_crop": 0}, 0.0),
        ({"center_crop": 0.875}, 0.875),
        ({"center_crop": "<b>"}, None),
        ({"center_crop": 7}, None),
    ],
)
def test_the_run_says_what_its_grid_covers(tmp_path, said, crop):
    model = {"name": "m", "family": "f"} | said
    run = read_run(write_pictured_run(tmp_path / "run", make_records(1), model=model))
    (heat,) = maps_of(run, run.records).values()
    assert heat.crop == crop


def test_levels_are_shares_of_the_highest_cell_in_the_mean_over_layers():
    layers = np.array([[0.0, 1.0, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0]])
    heat = heat_map(layers, [2, 2], crop=None)
    # means 0.25, 0.75, 0, 0: a third of the highest is 31 / 3 = 10.33 steps
    assert heat.levels == (10, 31, 0, 0)
    assert heat.peak == 0.75


def test_the_overlay_has_one_pixel_per_cell_and_hides_least_where_attention_is_least():
    heat = heat_map(np.array([[0.1, 0.2, 0.3, 0.4, 0.0, 0.0]]), [2, 3], crop=None)
    image = Image.open(io.BytesIO(base64.b64decode(overlay_png(heat)))).convert("RGBA")
    assert image.size == (3, 2)
    alpha = np.asarray(image)[..., 3].ravel()
    assert list(np.argsort(alpha, kind="stable")) == [4, 5, 0, 1, 2, 3]


@pytest.mark.parametrize(
    ("grid", "crop", "expected"),
    [
        ((2, 4), None, (0, 0, 200, 100)),  # same shape as the picture
        ((2, 4), 1.0, (50, 0, 100, 100)),
        ((4, 4), 0.5, (75, 25, 50, 50)),
        ((4, 4), 0.0, (0, 0, 200, 100)),  # stretched, and the run says so
        ((4, 4), None, None),  # cropped or stretched: unknown
    ],
)
def test_a_map_lies_where_its_grid_lies_or_nowhere(grid, crop, expected):
    height, width = grid
    heat = HeatMap(height, width, (0,) * (height * width), 1.0, crop)
    assert covered(heat, Picture("x", 200, 100)) == expected
