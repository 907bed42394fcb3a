"""Every question of a picture that the rules of `vrp_tasks.tasks.coco` allow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, permutations

from vrp_tasks.tasks.coco.annotations import Instance, Picture, overlap
from vrp_tasks.tasks.coco.names import countable, look_alikes, plural

MIN_SHARE = 1 / 300  # of the image's area
MAX_OVERLAP = 0.5  # of the smaller box
MIN_GAP = 0.15  # of the image's side, between centres
COUNTS = (1, 2, 3, 4)
# relation -> (axis, whether the first lies before the second along it, the opposite)
RELATIONS = {
    "left of": (0, True, "right of"),
    "right of": (0, False, "left of"),
    "above": (1, True, "below"),
    "below": (1, False, "above"),
}


@dataclass(frozen=True)
class Question:
    """A question with its answer and evidence.

    Attributes
    ----------
    kind : str
        Known from the question: the supercategory counted, or the relation.
    category : str
        What the question is about first; selection spreads it.
    boxes : tuple of tuple of float
        Of the things the question is about, in pixels.
    """

    picture: Picture
    text: str
    answer: str
    kind: str
    category: str
    boxes: tuple[tuple[float, float, float, float], ...]


def counting_questions(picture: Picture) -> Iterator[Question]:
    """Questions for the number of things of one category."""
    present = set(picture.categories())
    for category in picture.categories():
        things = picture.things(category)
        if (
            len(things) in COUNTS
            and countable(category)
            and not picture.crowded(category)
            and not present & look_alikes(category)
            and _big_enough(things)
            and all(overlap(a, b) <= MAX_OVERLAP for a, b in combinations(things, 2))
        ):
            yield Question(
                picture,
                f"How many {plural(category)} are there in the image?",
                str(len(things)),
                things[0].supercategory,
                category,
                tuple(thing.box for thing in things),
            )


def spatial_questions(picture: Picture) -> Iterator[Question]:
    """Yes/no questions for where one thing lies with respect to another.

    Of each pair and order, the relation that holds and its opposite are asked for.
    """
    single = [
        category
        for category in picture.categories()
        if len(picture.things(category)) == 1 and not picture.crowded(category)
    ]
    for first, second in permutations(single, 2):
        (a,), (b,) = picture.things(first), picture.things(second)
        holds = relation(picture, a, b)
        if holds is None or not _big_enough([a, b]):
            continue
        for asked, answer in ((holds, "yes"), (RELATIONS[holds][2], "no")):
            text = f"Is the {first} {asked} the {second} in the image?"
            yield Question(picture, text, answer, asked, first, (a.box, b.box))


def relation(picture: Picture, first: Instance, second: Instance) -> str | None:
    """How the first lies to the second, or None where that is not evident."""
    gaps = [abs(a - b) for a, b in zip(first.center, second.center, strict=True)]
    axis = 0 if gaps[0] > gaps[1] else 1
    if gaps[0] == gaps[1] or gaps[axis] < MIN_GAP * (picture.width, picture.height)[axis]:
        return None
    before = first.center[axis] < second.center[axis]
    near, far = (first, second) if before else (second, first)
    if near.box[axis + 2] > far.box[axis]:
        return None
    return next(name for name, (a, b, _) in RELATIONS.items() if (a, b) == (axis, before))


def _big_enough(things: list[Instance]) -> bool:
    return all(thing.share >= MIN_SHARE for thing in things)
