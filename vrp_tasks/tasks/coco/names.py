"""Names of COCO's categories: their plurals, which cannot be counted, which look alike."""

from __future__ import annotations

_IRREGULAR = {"person": "people", "knife": "knives", "sheep": "sheep", "mouse": "mice"}
_UNCOUNTABLE = {
    # come in bunches, heaps or slices
    "banana", "broccoli", "carrot", "orange", "book",
    # one thing or two
    "scissors", "skis",
    # cut off by almost every image, or made of several
    "dining table",
}  # fmt: skip
_LOOK_ALIKES = (
    {"car", "truck", "bus", "train"},
    {"bicycle", "motorcycle"},
    {"cup", "wine glass", "bowl", "vase", "bottle"},
    {"fork", "knife", "spoon"},
    {"chair", "couch", "bench", "bed"},
    {"backpack", "handbag", "suitcase"},
    {"tv", "laptop"},
    {"remote", "cell phone", "mouse"},
    {"sheep", "cow", "horse", "dog"},
    {"skateboard", "snowboard", "surfboard"},
    {"donut", "cake", "sandwich", "hot dog", "pizza"},
    {"oven", "microwave", "refrigerator"},
    {"kite", "bird", "airplane"},
    {"vase", "potted plant"},
)


def plural(name: str) -> str:
    """Plural of a category's name.

    Examples
    --------
    >>> plural("wine glass"), plural("person"), plural("tv")
    ('wine glasses', 'people', 'tvs')
    """
    if name in _IRREGULAR:
        return _IRREGULAR[name]
    return name + ("es" if name.endswith(("s", "x", "ch", "sh")) else "s")


def countable(name: str) -> bool:
    """Whether people would agree on how many there are."""
    return name not in _UNCOUNTABLE


def look_alikes(name: str) -> set[str]:
    """Categories that are easily taken for this one."""
    return {other for group in _LOOK_ALIKES if name in group for other in group} - {name}
