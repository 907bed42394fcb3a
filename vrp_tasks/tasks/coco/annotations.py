"""COCO's instance annotations: pictures with the things in them."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metrics.record.bounded_file import MEGA, text_within
from vrp_tasks.errors import MADE_UP, SetupError, in_short

MOST_PIXELS = 10**6  # along a side
_MOST = 512 * MEGA  # bytes of a file; COCO's largest has 449 MB


@dataclass(frozen=True)
class Instance:
    """One annotated thing, or a crowd of things.

    Attributes
    ----------
    box : tuple of float
        x0, y0, x1, y1 in pixels.
    share : float
        Of the image's area, covered by the thing's outline.
    """

    category: str
    supercategory: str
    box: tuple[float, float, float, float]
    share: float
    crowd: bool

    @property
    def center(self) -> tuple[float, float]:
        """Of the box, in pixels."""
        x0, y0, x1, y1 = self.box
        return (x0 + x1) / 2, (y0 + y1) / 2


@dataclass(frozen=True)
class Picture:
    """An image and what is annotated in it."""

    id: int
    file_name: str
    url: str
    width: int
    height: int
    instances: tuple[Instance, ...]

    def things(self, category: str) -> list[Instance]:
        """Single things of a category."""
        return [i for i in self.instances if i.category == category and not i.crowd]

    def crowded(self, category: str) -> bool:
        """Whether a crowd of that category is annotated."""
        return any(i.category == category and i.crowd for i in self.instances)

    def categories(self) -> list[str]:
        """Those of which there is something, sorted."""
        return sorted({i.category for i in self.instances})


def overlap(first: Instance, second: Instance) -> float:
    """Share of the smaller box that lies inside the other."""
    (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = first.box, second.box
    width, height = min(ax1, bx1) - max(ax0, bx0), min(ay1, by1) - max(ay0, by0)
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / min((ax1 - ax0) * (ay1 - ay0), (bx1 - bx0) * (by1 - by0))


def read_pictures(path: Path) -> list[Picture]:
    """Read an ``instances_*.json`` file.

    Returns
    -------
    list of Picture
        By image id, instances by annotation id, whatever their order in the file.

    Raises
    ------
    SetupError
        If the file is not there or is none of COCO's instance annotations.
    """
    try:
        with path.open("rb") as file:
            content = json.loads(text_within(file, _MOST))
        names = {c["id"]: (c["name"], c["supercategory"]) for c in content["categories"]}
        found: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for annotation in sorted(content["annotations"], key=lambda a: a["id"]):
            found[annotation["image_id"]].append(annotation)
        return [
            _picture(image, found[image["id"]], names)
            for image in sorted(content["images"], key=lambda image: image["id"])
        ]
    except OSError as error:
        raise SetupError(f"--annotations {path} cannot be read ({error.strerror}).") from error
    except MADE_UP as error:
        raise SetupError(
            f"--annotations {path} is not a COCO instance file ({type(error).__name__}: "
            f"{in_short(error)}). Give instances_val2017.json or another instances_*.json."
        ) from error


def _picture(
    image: dict[str, Any], found: list[dict[str, Any]], names: dict[int, tuple[str, str]]
) -> Picture:
    width, height = int(image["width"]), int(image["height"])
    if not (1 <= width <= MOST_PIXELS and 1 <= height <= MOST_PIXELS):
        raise ValueError(f"an image of {width} x {height} pixels")
    name = str(image["file_name"])
    if Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name:
        raise ValueError(f"the file {name!r} is outside the folder of images")
    instances = []
    for annotation in found:
        x, y, w, h = (float(number) for number in annotation["bbox"])
        if not all(map(math.isfinite, (x, y, w, h, float(annotation["area"])))):
            raise ValueError("a box or an area that is not finite")
        category, supercategory = map(str, names[annotation["category_id"]])
        instances.append(
            Instance(
                category=category,
                supercategory=supercategory,
                box=(x, y, x + w, y + h),
                share=float(annotation["area"]) / (width * height),
                crowd=bool(annotation.get("iscrowd", 0)),
            )
        )
    return Picture(
        id=int(image["id"]),
        file_name=name,
        url=str(image.get("coco_url", "")),
        width=width,
        height=height,
        instances=tuple(instances),
    )
