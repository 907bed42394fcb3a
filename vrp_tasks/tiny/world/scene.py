"""Scenes of coloured shapes on a noisy canvas, with the visible mask and box of every object.

All geometry is integer arithmetic on a fixed-point grid and all noise is drawn as integers, so a
seed gives the same bytes on every machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

IMAGE_SIZE = 112
SHAPES = ("circle", "square", "triangle", "star")
COLORS = {
    "red": (212, 48, 44),
    "green": (52, 160, 72),
    "blue": (48, 92, 214),
    "yellow": (228, 204, 52),
    "purple": (148, 62, 188),
    "orange": (236, 132, 40),
}
RADII = {"small": (6, 8), "large": (10, 14)}
COMBOS = tuple((color, shape) for color in COLORS for shape in SHAPES)

COLOR_JITTER = 22  # greatest shift of a channel, of 255
_NOISE = 12
_MIN_VISIBLE = 0.7
_FIXED = 16  # sub-pixel units per pixel
_TRIG = 4096
# Popular combinations are drawn more often (POPE's "popular" negatives) and each has a habitual
# companion (POPE's "adversarial" negatives). Both tables are part of the world, not of a seed.
_POPULARITY = np.array([1 / (rank + 3) for rank in range(len(COMBOS))])
_BY_POPULARITY = np.random.default_rng(7).permutation(len(COMBOS))
_PARTNER = np.roll(_BY_POPULARITY, 5)[np.argsort(_BY_POPULARITY)]
_PARTNER_RATE = 0.35


@dataclass(frozen=True)
class SceneObject:
    """One shape.

    ``center`` is (x, y) in pixels; ``mask`` is the visible part, bool (IMAGE_SIZE, IMAGE_SIZE);
    ``box`` is (x0, y0, x1, y1) of that mask, x1 and y1 exclusive.
    """

    color: str
    shape: str
    size: str
    center: tuple[int, int]
    mask: np.ndarray
    box: tuple[int, int, int, int]

    @property
    def combo(self) -> tuple[str, str]:
        """Colour and shape, the pair that a question names."""
        return self.color, self.shape


@dataclass(frozen=True)
class Scene:
    """An image, uint8 (IMAGE_SIZE, IMAGE_SIZE, 3), and its objects, back to front."""

    seed: int
    image: np.ndarray
    objects: tuple[SceneObject, ...]


def combos_by_popularity() -> list[tuple[str, str]]:
    """Every (colour, shape), the most often drawn first."""
    return [COMBOS[index] for index in _BY_POPULARITY]


def habitual_partner(combo: tuple[str, str]) -> tuple[str, str]:
    """The combination that is drawn next to ``combo`` more often than chance."""
    return COMBOS[_PARTNER[COMBOS.index(combo)]]


def empty_canvas(seed: int) -> np.ndarray:
    """The world with nothing in it, uint8 (IMAGE_SIZE, IMAGE_SIZE, 3): the blank-image control."""
    return _canvas(np.random.default_rng([seed, 1]))


def draw_scene(
    seed: int, *, n_objects: tuple[int, int] = (3, 6), color_jitter: int = COLOR_JITTER
) -> Scene:
    """Draw the scene of a seed.

    Parameters
    ----------
    seed : int
        Any non-negative integer.
    n_objects : (int, int)
        Least and greatest number of objects, both included.
    color_jitter : int
        Each channel of an object's colour is shifted by up to this much, of 255.

    Returns
    -------
    Scene
        Every object shows at least 70 % of its area.
    """
    rng = np.random.default_rng([seed, 0])
    while True:
        count = int(rng.integers(n_objects[0], n_objects[1] + 1))
        placed = _place(rng, count)
        if placed is not None:
            break
    image = _canvas(rng)
    owner = np.full((IMAGE_SIZE, IMAGE_SIZE), -1)
    for index, (combo, _, _, full) in enumerate(placed):
        jitter = rng.integers(-color_jitter, color_jitter + 1, size=3)
        paint = np.clip(np.array(COLORS[combo[0]]) + jitter, 0, 255)
        noise = rng.integers(-_NOISE, _NOISE + 1, size=(int(full.sum()), 3))
        image[full] = np.clip(paint + noise, 0, 255)
        owner[full] = index
    objects = tuple(
        _annotate(combo, size, center, owner == index)
        for index, (combo, size, center, _) in enumerate(placed)
    )
    return Scene(seed=seed, image=image, objects=objects)


def _canvas(rng: np.random.Generator) -> np.ndarray:
    level = int(rng.integers(200, 236))
    noise = rng.integers(-_NOISE, _NOISE + 1, size=(IMAGE_SIZE, IMAGE_SIZE, 3))
    return np.clip(level + noise, 0, 255).astype(np.uint8)


# colour and shape, size, centre (x, y), silhouette
_Placed = tuple[tuple[str, str], str, tuple[int, int], np.ndarray]


def _place(rng: np.random.Generator, count: int) -> list[_Placed] | None:
    """Choose and put ``count`` objects; None when they hide each other too much."""
    placed: list[_Placed] = []
    for _ in range(count):
        combo = _draw_combo(rng, [entry[0] for entry in placed])
        size = ("small", "large")[int(rng.integers(2))]
        radius = int(rng.integers(RADII[size][0], RADII[size][1] + 1))
        angle = int(rng.integers(-20, 21))
        for _ in range(20):
            x, y = (int(v) for v in rng.integers(radius + 2, IMAGE_SIZE - radius - 2, size=2))
            full = _silhouette(combo[1], x, y, radius, angle)
            if all((full & other[3]).sum() <= 0.15 * other[3].sum() for other in placed):
                placed.append((combo, size, (x, y), full))
                break
        else:
            return None
    covered = np.zeros((IMAGE_SIZE, IMAGE_SIZE), dtype=bool)
    for _, _, _, full in reversed(placed):
        if (full & ~covered).sum() < _MIN_VISIBLE * full.sum():
            return None
        covered |= full
    return placed


def _draw_combo(rng: np.random.Generator, present: list[tuple[str, str]]) -> tuple[str, str]:
    if present and rng.random() < _PARTNER_RATE:
        return habitual_partner(present[int(rng.integers(len(present)))])
    weights = _POPULARITY / _POPULARITY.sum()
    return COMBOS[_BY_POPULARITY[np.searchsorted(np.cumsum(weights), rng.random(), side="right")]]


def _annotate(
    combo: tuple[str, str], size: str, center: tuple[int, int], mask: np.ndarray
) -> SceneObject:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return SceneObject(combo[0], combo[1], size, center, mask, box)


def _silhouette(shape: str, x: int, y: int, radius: int, angle: int) -> np.ndarray:
    """Bool (IMAGE_SIZE, IMAGE_SIZE), true at pixel centres inside the shape."""
    mask = np.zeros((IMAGE_SIZE, IMAGE_SIZE), dtype=bool)
    reach = radius + radius // 3 + 1
    y0, y1 = max(0, y - reach), min(IMAGE_SIZE, y + reach + 1)
    x0, x1 = max(0, x - reach), min(IMAGE_SIZE, x + reach + 1)
    dy = (np.arange(y0, y1)[:, None] - y) * _FIXED
    dx = (np.arange(x0, x1)[None, :] - x) * _FIXED
    if shape == "circle":
        inside = dx * dx + dy * dy <= (radius * _FIXED) ** 2
    elif shape == "square":
        inside = _half_planes(dx, dy, _vertices(4, radius * 19, angle + 45), 1) == 4
    elif shape == "triangle":
        inside = _half_planes(dx, dy, _vertices(3, radius * 20, angle - 90), 1) == 3
    else:  # a pentagram is the set of points inside at least four of its five chords
        inside = _half_planes(dx, dy, _vertices(5, radius * 20, angle - 90), 2) >= 4
    mask[y0:y1, x0:x1] = inside
    return mask


def _vertices(n: int, radius: int, degrees: int) -> list[tuple[int, int]]:
    """Corners of a regular polygon in sub-pixel units; ``radius`` is in sixteenths of a pixel."""
    corners = []
    for index in range(n):
        turn = math.radians(degrees + 360 * index / n)
        cos, sin = round(_TRIG * math.cos(turn)), round(_TRIG * math.sin(turn))
        corners.append((radius * cos // _TRIG, radius * sin // _TRIG))
    return corners


def _half_planes(
    dx: np.ndarray, dy: np.ndarray, corners: list[tuple[int, int]], stride: int
) -> np.ndarray:
    """How many directed lines corner i → corner i + stride have the point on their inside."""
    n = len(corners)
    count = np.zeros(np.broadcast_shapes(dx.shape, dy.shape), dtype=np.int64)
    for index in range(n):
        (ax, ay), (bx, by) = corners[index], corners[(index + stride) % n]
        count += ((bx - ax) * (dy - ay) - (by - ay) * (dx - ax)) >= 0
    return count
