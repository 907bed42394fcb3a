"""Questions from COCO: every rule can fail, the choice is balanced and seeded."""

import json
import re
from collections import Counter, defaultdict

import pyarrow.parquet as pq
import pytest

from tests.vrp_tasks.helpers.coco_world import SIZE, annotation_file, draw_images, random_pictures
from vrp_tasks.errors import SetupError
from vrp_tasks.tasks.coco.__main__ import main
from vrp_tasks.tasks.coco.annotations import overlap, read_pictures
from vrp_tasks.tasks.coco.build import build
from vrp_tasks.tasks.coco.docs import counting_results, find, regions, spatial_results
from vrp_tasks.tasks.coco.questions import counting_questions, spatial_questions

LEFT, RIGHT, TOP, BOTTOM = [5, 30, 25, 50], [90, 30, 110, 50], [50, 2, 70, 22], [50, 55, 70, 75]


def picture(tmp_path, *things):
    (only,) = read_pictures(annotation_file([list(things)], tmp_path / "one.json"))
    return only


def thing(name, box, **more):
    return {"name": name, "box": box, **more}


def counted(tmp_path, *things):
    return {q.text: q.answer for q in counting_questions(picture(tmp_path, *things))}


def placed(tmp_path, *things):
    return {q.text: q.answer for q in spatial_questions(picture(tmp_path, *things))}


CATS = [thing("cat", LEFT), thing("cat", RIGHT)]
HOW_MANY = "How many cats are there in the image?"


def test_things_are_counted(tmp_path):
    assert counted(tmp_path, *CATS, thing("clock", TOP)) == {
        HOW_MANY: "2",
        "How many clocks are there in the image?": "1",
    }
    people = [thing("person", box) for box in (LEFT, RIGHT, TOP)]
    assert counted(tmp_path, *people) == {"How many people are there in the image?": "3"}


@pytest.mark.parametrize(
    ("rule", "more"),
    [
        ("crowd", [thing("cat", BOTTOM, crowd=True)]),
        ("size", [thing("cat", BOTTOM, area=SIZE[0] * SIZE[1] / 301)]),
        ("overlap", [thing("cat", [10, 30, 32, 50])]),
        ("range", [thing("cat", TOP), thing("cat", BOTTOM), thing("cat", [80, 2, 100, 22])]),
    ],
)
def test_an_ambiguous_count_is_not_asked_for(rule, more, tmp_path):
    assert counted(tmp_path, *CATS, *more) == {}, rule


def test_what_is_just_clear_enough_is_counted(tmp_path):
    assert counted(tmp_path, *CATS, thing("cat", BOTTOM, area=SIZE[0] * SIZE[1] / 299)) == {
        HOW_MANY: "3"
    }
    assert counted(tmp_path, *CATS, thing("cat", [15, 30, 35, 50])) == {HOW_MANY: "3"}  # half
    assert counted(tmp_path, *CATS, thing("clock", BOTTOM, crowd=True)) == {HOW_MANY: "2"}


def test_look_alikes_and_what_cannot_be_counted(tmp_path):
    assert counted(tmp_path, thing("car", LEFT)) == {"How many cars are there in the image?": "1"}
    assert counted(tmp_path, thing("car", LEFT), thing("truck", RIGHT)) == {}
    assert counted(tmp_path, thing("skis", LEFT)) == {}


def test_a_box_inside_another_overlaps_wholly(tmp_path):
    outer, inner = picture(
        tmp_path, thing("cat", [0, 0, 40, 40]), thing("cat", [10, 10, 20, 20])
    ).instances
    assert overlap(outer, inner) == overlap(inner, outer) == 1.0
    (a, b) = picture(
        tmp_path, thing("cat", [0, 0, 20, 10]), thing("cat", [15, 5, 25, 15])
    ).instances
    assert overlap(a, b) == pytest.approx(5 * 5 / 100)


def test_places_are_asked_for_in_both_orders_and_both_answers(tmp_path):
    assert placed(tmp_path, thing("cat", LEFT), thing("car", RIGHT)) == {
        "Is the cat left of the car in the image?": "yes",
        "Is the cat right of the car in the image?": "no",
        "Is the car right of the cat in the image?": "yes",
        "Is the car left of the cat in the image?": "no",
    }
    found = placed(tmp_path, thing("cat", TOP), thing("car", BOTTOM))
    assert found["Is the cat above the car in the image?"] == "yes"
    assert found["Is the car above the cat in the image?"] == "no"
    assert not any("left" in text for text in found)


@pytest.mark.parametrize(
    ("rule", "things"),
    [
        ("one of each", [*CATS, thing("car", TOP)]),
        ("crowd", [thing("cat", LEFT), thing("car", RIGHT), thing("car", TOP, crowd=True)]),
        ("size", [thing("cat", LEFT, area=20), thing("car", RIGHT)]),
        ("overlap", [thing("cat", [5, 30, 50, 50]), thing("car", [45, 30, 110, 50])]),
        ("gap", [thing("cat", [40, 30, 49, 50]), thing("car", [50, 30, 65, 50])]),
        ("axis", [thing("cat", [10, 5, 30, 25]), thing("car", [50, 45, 70, 65])]),
    ],
)
def test_an_ambiguous_place_is_not_asked_for(rule, things, tmp_path):
    assert placed(tmp_path, *things) == {}, rule


def test_a_gap_just_wide_enough_is(tmp_path):
    assert (
        len(placed(tmp_path, thing("cat", [40, 30, 50, 50]), thing("car", [58, 30, 68, 50]))) == 4
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("coco")
    pictures = random_pictures(900, seed=3)
    annotation_file(pictures, folder / "instances.json")
    annotation_file(pictures, folder / "reversed.json", reverse=True)
    draw_images(pictures, folder / "images")
    build(folder / "instances.json", folder / "images", folder / "out", n=80)
    return folder


def rows(folder, name):
    return pq.read_table(folder / f"{name}.parquet").to_pylist()


@pytest.fixture(scope="module")
def annotated(world):
    """Name and box of every single thing, by image."""
    content = json.loads((world / "instances.json").read_text())
    names = {c["id"]: c["name"] for c in content["categories"]}
    things = defaultdict(list)
    for a in content["annotations"]:
        if not a["iscrowd"]:
            things[str(a["image_id"])].append((names[a["category_id"]], a["bbox"]))
    return things


def test_answers_derived_again_from_the_annotations(world, annotated):
    for row in rows(world / "out", "counting"):
        name = row["category"]
        boxes = [box for found, box in annotated[row["image_id"]] if found == name]
        assert row["answer"] == str(len(boxes))
        assert [[b[2] - b[0], b[3] - b[1]] for b in row["boxes"]] == [b[2:] for b in boxes]
    for row in rows(world / "out", "spatial"):
        pattern = r"Is the (.+) (left of|right of|above|below) the (.+) in the image\?"
        first, asked, second = re.fullmatch(pattern, row["question"]).groups()
        at = {name: (x + w / 2, y + h / 2) for name, (x, y, w, h) in annotated[row["image_id"]]}
        (ax, ay), (bx, by) = at[first], at[second]
        holds = {"left of": ax < bx, "right of": ax > bx, "above": ay < by, "below": ay > by}
        assert row["answer"] == ("yes" if holds[asked] else "no")


def test_answers_are_balanced_and_images_used_once(world):
    counting, spatial = rows(world / "out", "counting"), rows(world / "out", "spatial")
    assert Counter(r["answer"] for r in counting) == dict.fromkeys("1234", 20)
    cells = Counter((r["kind"], r["answer"]) for r in spatial)
    assert len(cells) == 8
    assert set(cells.values()) == {10}
    for group in (counting, spatial):
        assert len({r["image_id"] for r in group}) == len({r["id"] for r in group}) == 80


def test_categories_are_spread(world):
    offered = Counter(
        (q.answer, q.category)
        for p in read_pictures(world / "instances.json")
        for q in counting_questions(p)
    )
    found = Counter(r["category"] for r in rows(world / "out", "counting") if r["answer"] == "1")
    share = {c: offered["1", c] for c in found}
    assert min(share.values()) >= 20 / len(share)
    assert max(found.values()) - min(found.values()) <= 1


def test_a_seed_decides_and_the_order_of_the_file_does_not(world, tmp_path):
    build(world / "reversed.json", world / "images", tmp_path / "same", n=80)
    build(world / "instances.json", world / "images", tmp_path / "other", n=80, seed=1)
    for name in ("counting", "spatial"):
        mine = {r["id"]: r["question"] for r in rows(world / "out", name)}
        assert {r["id"]: r["question"] for r in rows(tmp_path / "same", name)} == mine
        assert {r["id"]: r["question"] for r in rows(tmp_path / "other", name)} != mine
    first = (world / "out" / "counting.parquet").read_bytes()
    build(world / "instances.json", world / "images", tmp_path / "again", n=80)
    assert (tmp_path / "again" / "counting.parquet").read_bytes() == first


def test_too_few_of_one_answer_makes_all_fewer_and_says_so(tmp_path, capsys):
    corners = [LEFT, RIGHT, TOP, BOTTOM]
    pictures = [[thing("cat", box) for box in corners[: 1 + i % 3]] for i in range(30)]
    pictures += [[thing("elephant", box) for box in corners] for _ in range(2)]
    for _ in range(4):
        pictures += [
            [thing("cat", LEFT), thing("car", RIGHT)],
            [thing("cat", TOP), thing("car", BOTTOM)],
        ]
    annotation_file(pictures, tmp_path / "i.json")
    draw_images(pictures, tmp_path / "images")
    main(["build", "--annotations", str(tmp_path / "i.json"), "--images", str(tmp_path / "images"),
          "-o", str(tmp_path / "out"), "--n", "40"])  # fmt: skip
    assert Counter(r["answer"] for r in rows(tmp_path / "out", "counting")) == dict.fromkeys(
        "1234", 2
    )
    assert len(rows(tmp_path / "out", "spatial")) == 8
    said = capsys.readouterr().out
    assert "vrp_counting: 8 of 40" in said
    assert f"VRP_COCO={tmp_path / 'out'}" in said
    readme = (tmp_path / "out" / "README.md").read_text()
    assert "## counting: 8 questions" in readme
    assert "*overlap*" in readme


def failing(*arguments):
    with pytest.raises(SystemExit) as stopped:
        main(["build", *map(str, arguments)])
    assert "\n" not in str(stopped.value)
    return str(stopped.value)


def test_bad_input_is_one_clear_line(world, tmp_path):
    (tmp_path / "bad.json").write_text("[1, 2]")
    images, out = world / "images", tmp_path / "out"
    assert "cannot be read (No such file" in failing(
        "--annotations", tmp_path / "no.json", "--images", images, "-o", out
    )
    assert "not a COCO instance file" in failing(
        "--annotations", tmp_path / "bad.json", "--images", images, "-o", out
    )
    given = ("--annotations", world / "instances.json", "-o", out)
    assert "--n must be at least 8" in failing(*given, "--images", images, "--n", 3)
    said = failing(*given, "--images", tmp_path, "--n", 8)
    assert re.search(r"1[0-6] of the chosen images are not in", said)
    assert (out / "missing_images.txt").read_text().startswith("http://images.cocodataset.org/")


def test_images_of_another_size_are_refused(world, tmp_path):
    pictures = random_pictures(900, seed=3)
    draw_images(pictures, tmp_path / "images", size=(60, 40))
    said = failing(
        "--annotations",
        world / "instances.json",
        "--images",
        tmp_path / "images",
        "-o",
        tmp_path / "out",
        "--n",
        8,
    )
    assert "is 60 x 40 pixels, the annotations are of a 120 x 80 image" in said


def test_without_data_the_line_says_how_to_build_it(tmp_path, monkeypatch):
    monkeypatch.setenv("VRP_COCO", str(tmp_path))
    with pytest.raises(
        SetupError, match=r"vrp_counting has no data .*\.tasks\.coco build"
    ) as error:
        find("counting")
    assert "\n" not in str(error.value)
    monkeypatch.delenv("VRP_COCO")
    monkeypatch.setenv("VRP_TASKS_CACHE", str(tmp_path / "cache"))
    with pytest.raises(SetupError, match=r"cache/coco/spatial\.parquet"):
        find("spatial")


@pytest.mark.parametrize(
    ("answer", "correct"),
    [("3", 1), ("Three.", 1), ("There are 3 cats.", 1), ("4", 0), ("2 or 3", 0), ("many", 0)],
)
def test_counts_are_scored_by_the_number_named(answer, correct):
    doc = {"id": "a", "image_id": "1", "kind": "animal", "answer": "3"}
    assert counting_results(doc, [answer])["accuracy"]["correct"] == correct


@pytest.mark.parametrize(
    ("answer", "correct"), [("Yes, it is.", 1), ("no", 0), ("yesterday", 0), ("It is: yes", 0)]
)
def test_places_are_scored_by_yes_or_no(answer, correct):
    doc = {"id": "a", "image_id": "1", "kind": "above", "answer": "yes"}
    assert spatial_results(doc, [answer])["accuracy"]["correct"] == correct


def test_regions_are_the_boxes_of_what_is_asked_about(world):
    row = rows(world / "out", "spatial")[0]
    found = regions(row)
    assert found["size"] == list(SIZE)
    assert found["boxes"] == row["boxes"]
    assert len(found["boxes"]) == 2
