"""The test split: its digest, its file, and every answer derived a second time from its rows."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from vrp_tasks.cache_folder import cache_folder
from vrp_tasks.errors import SetupError
from vrp_tasks.tiny.world import dataset as split
from vrp_tasks.tiny.world.encoding import decode_mask
from vrp_tasks.tiny.world.scene import COLORS, combos_by_popularity, habitual_partner


@pytest.fixture(scope="module")
def rows():
    return list(split.test_rows())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    built = tmp_path_factory.mktemp("cache")
    split.build_test_split(built)
    return built


def answer_from_annotation(row):
    """Answer the question from boxes, masks and labels alone, without the generator's code."""
    text, things = row["question"], row["objects"]
    if found := re.fullmatch(r"Is there an? (\w+) (\w+) in the image\?", text):
        hits = [t for t in things if (t["color"], t["shape"]) == found.groups()]
        return "yes" if hits else "no"
    if found := re.fullmatch(r"How many (\w+) objects are there in the image\?", text):
        return str(sum(t["color"] == found[1] for t in things))
    if found := re.fullmatch(r"How many (\w+)s are there in the image\?", text):
        return str(sum(t["shape"] == found[1] for t in things))
    if found := re.fullmatch(r"What (\w+) is the (.+)\?", text):
        wanted = set(found[2].split()) - {"object"}
        (thing,) = [t for t in things if wanted <= {t["color"], t["shape"], t["size"]}]
        return thing[found[1]]
    found = re.fullmatch(
        r"Is the (\w+) (\w+) (left of|right of|above|below) the (\w+) (\w+)\?", text
    )
    (a,) = [i for i, t in enumerate(things) if (t["color"], t["shape"]) == found.group(1, 2)]
    (b,) = [i for i, t in enumerate(things) if (t["color"], t["shape"]) == found.group(4, 5)]
    (ay, ax), (by, bx) = (np.argwhere(decode_mask(row["masks"][i])).mean(axis=0) for i in (a, b))
    holds = {"left of": ax < bx, "right of": ax > bx, "above": ay < by, "below": ay > by}
    return "yes" if holds[found[3]] else "no"


@pytest.mark.parametrize("kind", ["existence", "counting", "relation", "attribute"])
def test_every_answer_follows_from_the_annotation(rows, kind):
    asked = [row for row in rows if row["kind"] == kind]
    assert len(asked) > 500
    wrong = [r["id"] for r in asked if r["answer"] != answer_from_annotation(r)]
    assert not wrong


def test_the_oracle_can_fail(rows):
    row = next(r for r in rows if r["kind"] == "counting" and r["detail"] == "color")
    color = re.search(r"How many (\w+) objects", row["question"])[1]
    more = [*row["objects"], {"color": color, "shape": "star", "size": "small", "box": []}]
    assert answer_from_annotation({**row, "objects": more}) == str(int(row["answer"]) + 1)


def test_size_and_balance(rows):
    assert len({row["image_id"] for row in rows}) == 320
    assert len(rows) >= 2000
    assert len({row["id"] for row in rows}) == len(rows)
    assert {len(row["objects"]) for row in rows} == {4, 5, 6, 7, 8}
    for kind in ("existence", "relation"):
        counted = Counter(row["answer"] for row in rows if row["kind"] == kind)
        assert counted["yes"] == counted["no"]


def test_no_image_asks_the_same_twice_and_rows_come_in_image_order(rows):
    assert len({(row["image_id"], row["question"]) for row in rows}) == len(rows)
    ids = [row["image_id"] for row in rows]
    assert list(dict.fromkeys(ids)) == sorted(set(ids))
    assert sum(a != b for a, b in pairwise(ids)) == 320 - 1


def test_negatives_are_absent_and_of_their_sort(rows):
    """POPE: any absent pair; one of the most drawn; one that the scene itself suggests."""
    negatives = [row for row in rows if row["kind"] == "existence" and row["answer"] == "no"]
    assert set(Counter(row["detail"] for row in negatives).values()) == {106, 107}  # 320 / 3
    for row in negatives:
        pair = tuple(re.search(r"an? (\w+) (\w+) in", row["question"]).groups())
        present = {(t["color"], t["shape"]) for t in row["objects"]}
        assert pair not in present
        assert row["evidence"] == []
        if row["detail"] == "popular":
            assert pair in [c for c in combos_by_popularity() if c not in present][:8]
        if row["detail"] == "adversarial":
            parts = pair[0] in {c for c, _ in present} and pair[1] in {s for _, s in present}
            assert parts or pair in {habitual_partner(combo) for combo in present}


def test_evidence_names_the_objects_asked_about(rows):
    for row in rows:
        words = set(re.findall(r"\w+", row["question"]))
        for index in row["evidence"]:
            thing = row["objects"][index]
            plural = f"{thing['shape']}s"
            assert words & {thing["color"], thing["shape"], plural}
        if row["kind"] == "counting":
            assert len(row["evidence"]) == int(row["answer"])
        if row["kind"] == "relation":
            assert len(row["evidence"]) == 2


def test_masks_and_boxes_belong_to_the_stored_image(rows):
    """Noise and shift move a channel by at most 12 + 45; the grey canvas has a spread of 24."""
    for row in rows[::8]:
        image = np.asarray(Image.open(io.BytesIO(row["image"]))).astype(int)
        masks = [decode_mask(mask) for mask in row["masks"]]
        spread = image.max(axis=-1) - image.min(axis=-1)
        assert spread[~np.any(masks, axis=0)].max() <= 24
        assert spread[np.any(masks, axis=0)].mean() > 60
        for thing, mask in zip(row["objects"], masks, strict=True):
            far = np.abs(image[mask] - COLORS[thing["color"]]).max()
            assert far <= split.TEST_COLOR_JITTER + 12  # and noise
            ys, xs = np.nonzero(mask)
            assert thing["box"] == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]


def test_digest_is_the_published_one_and_sees_every_column(rows):
    assert split.content_digest(iter(rows)) == split.TEST_DIGEST
    for column in rows[0]:
        changed = rows[1][column] if rows[1][column] != rows[0][column] else None
        tampered = {**rows[0], column: changed if column != "image" else b"other"}
        assert split.content_digest([tampered]) != split.content_digest(rows[:1]), column


def test_the_file_holds_the_rows_and_each_image_once(rows, folder):
    (path,) = folder.iterdir()
    assert path.stat().st_size < 320 * 40_000  # 320 images of 38 KB, not 2 488
    stored = split.load_test_split(folder)
    assert isinstance(stored.features["image"], datasets.Image)
    assert stored[3]["image"].size == (112, 112)
    undecoded = stored.cast_column("image", datasets.Image(decode=False))
    read = ({**row, "image": row["image"]["bytes"]} for row in undecoded)
    assert split.content_digest(read) == split.TEST_DIGEST


def test_the_file_is_built_once(folder):
    (path,) = folder.iterdir()
    before = path.stat().st_mtime_ns
    assert split.build_test_split(folder) == path
    assert path.stat().st_mtime_ns == before


def banana(path):
    """Every answer of a split, in the right file and the right columns, is banana."""
    table = pq.read_table(path)
    at = table.schema.get_field_index("answer")
    answers = pa.array(["banana"] * len(table))
    pq.write_table(table.set_column(at, table.schema.field(at), answers), path)


@pytest.mark.parametrize(
    "spoil",
    [banana, lambda path: path.write_bytes(path.read_bytes()[:-1000]), Path.touch],
    ids=["other answers", "cut off", "untouched"],
)
def test_a_cached_split_of_other_content_is_made_anew(folder, spoil, tmp_path):
    (path,) = folder.iterdir()
    copy = tmp_path / path.name
    copy.write_bytes(path.read_bytes())
    spoil(copy)
    spoilt = copy.stat().st_mtime_ns
    assert split.load_test_split(tmp_path)["answer"] == split.load_test_split(folder)["answer"]
    assert (copy.stat().st_mtime_ns == spoilt) == (spoil is Path.touch)
    assert list(tmp_path.iterdir()) == [copy]


def test_processes_that_start_together_leave_one_file(tmp_path):
    code = (
        "import sys, pathlib; from vrp_tasks.tiny.world.dataset import build_test_split as build;"
        "print(build(pathlib.Path(sys.argv[1])).stat().st_size)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "new" / "cache")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    sizes = {process.communicate(timeout=120)[0] for process in started}
    assert len(sizes) == 1
    assert [process.returncode for process in started] == [0, 0]
    assert len(list((tmp_path / "new" / "cache").iterdir())) == 1


def test_a_different_split_is_refused_and_leaves_nothing(tmp_path, monkeypatch):
    published = split.TEST_DIGEST[:12]
    monkeypatch.setattr(split, "TEST_DIGEST", "0" * 64)
    with pytest.raises(SetupError, match=f"has digest {published}, the published one 0000"):
        split.build_test_split(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match=r"cannot be written to .*file.*Set .* VRP_TASKS_CACHE"):
        split.build_test_split(tmp_path / "file" / "below")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"VRP_TASKS_CACHE": "/c", "XDG_CACHE_HOME": "/x"}, "/c"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/vrp-tasks"),
        ({}, "/home/me/.cache/vrp-tasks"),
    ],
)
def test_cache_folder(monkeypatch, environment, expected):
    for name in ("VRP_TASKS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/me", **environment}.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(expected)
