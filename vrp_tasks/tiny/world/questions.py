"""Questions about a scene whose answers follow from its objects.

The four benchmark kinds (`ask`) are those of a VQA evaluation: existence with POPE's three sorts of
negatives, counting, spatial relation, attribute. `ask_auxiliary` adds questions used for training
only: they ask where things are, which a model has to know before it can compare two of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from vrp_tasks.tiny.world.scene import (
    COLORS,
    COMBOS,
    IMAGE_SIZE,
    SHAPES,
    Scene,
    SceneObject,
    combos_by_popularity,
    habitual_partner,
)

_T = TypeVar("_T")

KINDS = ("existence", "counting", "relation", "attribute")
NEGATIVES = ("random", "popular", "adversarial")
_MIN_GAP = 10  # pixels between two centres before one is called left of, or above, the other
_RELATIONS = {"left of": (0, -1), "right of": (0, 1), "above": (1, -1), "below": (1, 1)}
_N_POPULAR = 8
_CELLS = 8  # rows and columns of the grid that location questions count in


@dataclass(frozen=True)
class Question:
    """A question, its answer, and where in the scene the evidence is.

    ``detail`` is the finer kind (POPE negative, relation, attribute); ``evidence`` indexes
    ``scene.objects`` and is empty when the truthful answer rests on nothing being there.
    """

    kind: str
    detail: str
    text: str
    answer: str
    evidence: tuple[int, ...]


def ask(scene: Scene, kind: str, rng: np.random.Generator, *, variant: int = 0) -> Question | None:
    """Ask one question of a kind, or None when the scene offers none.

    Parameters
    ----------
    scene : Scene
        The scene asked about.
    kind : str
        One of `KINDS`.
    rng : numpy.random.Generator
        Chooses among the possible questions.
    variant : int, default 0
        Even variants of existence and relation questions are answered "yes", odd ones "no", and
        odd existence variants cycle through POPE's negatives, so that answers can be balanced.
    """
    builders = {
        "existence": _existence,
        "counting": _counting,
        "relation": _relation,
        "attribute": _attribute,
    }
    if kind not in builders:
        raise ValueError(f"ask: `kind` must be one of {', '.join(KINDS)}, got {kind!r}.")
    return builders[kind](scene, rng, variant)


def ask_auxiliary(scene: Scene, rng: np.random.Generator) -> Question:
    """Ask a training-only question: a location, or a caption of the whole scene."""
    unique = _unique(scene)
    choice = int(rng.integers(5))
    if choice == 4 or not unique:
        order = sorted(scene.objects, key=lambda o: o.center[0])
        caption = ", ".join(f"{o.color} {o.shape}" for o in order)
        return Question("caption", "caption", "Describe the image.", caption, ())
    index = unique[int(rng.integers(len(unique)))]
    thing = scene.objects[index]
    x, y = (min(_CELLS, 1 + v * _CELLS // IMAGE_SIZE) for v in thing.center)
    name = f"{thing.color} {thing.shape}"
    if choice == 0:
        columns, rows = ("left", "center", "right"), ("top", "middle", "bottom")
        column, row = (v * 3 // IMAGE_SIZE for v in thing.center)
        cell = f"{rows[row]} {columns[column]}"
        return Question("where", "cell", f"Where is the {name}?", cell, (index,))
    if choice == 1:
        return Question("where", "row", f"Which row is the {name} in?", str(y), (index,))
    return Question("where", "column", f"Which column is the {name} in?", str(x), (index,))


def _pick(rng: np.random.Generator, options: Sequence[_T]) -> _T:
    return options[int(rng.integers(len(options)))]


def _unique(scene: Scene) -> list[int]:
    """Indices of the objects whose colour and shape no other object shares."""
    seen = Counter(thing.combo for thing in scene.objects)
    return [index for index, thing in enumerate(scene.objects) if seen[thing.combo] == 1]


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _existence(scene: Scene, rng: np.random.Generator, variant: int) -> Question | None:
    present = {thing.combo for thing in scene.objects}
    if variant % 2 == 0:
        detail = "positive"
        combo = _pick(rng, sorted(present))
    else:
        detail = NEGATIVES[variant // 2 % len(NEGATIVES)]
        combo = _pick(rng, _absent(scene, present, detail))
    evidence = tuple(i for i, thing in enumerate(scene.objects) if thing.combo == combo)
    color, shape = combo
    text = f"Is there {_article(color)} {color} {shape} in the image?"
    return Question("existence", detail, text, "yes" if evidence else "no", evidence)


def _absent(scene: Scene, present: set[tuple[str, str]], detail: str) -> list[tuple[str, str]]:
    """Absent combinations: any, the popular ones, or those that this scene suggests."""
    absent = [combo for combo in COMBOS if combo not in present]
    if detail == "popular":
        return [combo for combo in combos_by_popularity() if combo not in present][:_N_POPULAR]
    if detail == "adversarial":
        colors = {thing.color for thing in scene.objects}
        shapes = {thing.shape for thing in scene.objects}
        suggested = [combo for combo in absent if combo[0] in colors and combo[1] in shapes]
        partners = [habitual_partner(combo) for combo in sorted(present)]
        suggested += [combo for combo in partners if combo not in present]
        return suggested or absent
    return absent


def _counting(scene: Scene, rng: np.random.Generator, variant: int) -> Question:
    """Count a colour or a shape; the count is drawn first, so that answers spread."""
    by_color = variant % 2 == 0
    values = list(COLORS) if by_color else list(SHAPES)
    found = {
        value: tuple(
            i for i, o in enumerate(scene.objects) if value == (o.color if by_color else o.shape)
        )
        for value in values
    }
    count = _pick(rng, sorted({len(indices) for indices in found.values()}))
    value = _pick(rng, [value for value in values if len(found[value]) == count])
    what = f"{value} objects" if by_color else f"{value}s"
    detail = "color" if by_color else "shape"
    text = f"How many {what} are there in the image?"
    return Question("counting", detail, text, str(count), found[value])


def _relation(scene: Scene, rng: np.random.Generator, variant: int) -> Question | None:
    """Compare two uniquely named objects; a "no" swaps the relation for its opposite."""
    unique = _unique(scene)
    candidates = [
        (a, b, relation)
        for a in unique
        for b in unique
        for relation, (axis, sign) in _RELATIONS.items()
        if a != b
        and sign * (scene.objects[a].center[axis] - scene.objects[b].center[axis]) >= _MIN_GAP
    ]
    if not candidates:
        return None
    first, second, relation = _pick(rng, candidates)
    if variant % 2 == 1:
        first, second = second, first
    a, b = scene.objects[first], scene.objects[second]
    text = f"Is the {a.color} {a.shape} {relation} the {b.color} {b.shape}?"
    return Question(
        "relation", relation, text, "no" if variant % 2 else "yes", tuple(sorted((first, second)))
    )


def _attribute(scene: Scene, rng: np.random.Generator, variant: int) -> Question | None:
    """Ask for the colour, shape or size of an object that the question singles out."""
    candidates: list[tuple[str, SceneObject, int]] = []
    shapes = Counter(thing.shape for thing in scene.objects)
    colors = Counter(thing.color for thing in scene.objects)
    unique = set(_unique(scene))
    for index, thing in enumerate(scene.objects):
        if shapes[thing.shape] == 1:
            candidates.append(("color", thing, index))
        if colors[thing.color] == 1:
            candidates.append(("shape", thing, index))
        if index in unique:
            candidates.append(("size", thing, index))
    kinds = sorted({candidate[0] for candidate in candidates})
    if not kinds:
        return None
    detail = kinds[variant % len(kinds)]
    _, thing, index = _pick(rng, [c for c in candidates if c[0] == detail])
    text = {
        "color": f"What color is the {thing.shape}?",
        "shape": f"What shape is the {thing.color} object?",
        "size": f"What size is the {thing.color} {thing.shape}?",
    }[detail]
    return Question("attribute", detail, text, str(getattr(thing, detail)), (index,))
