"""A small COCO: annotation files in the real format, and drawn images that show them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIZE = (120, 80)
CATEGORIES = {
    "person": (1, "person"),
    "car": (3, "vehicle"),
    "truck": (8, "vehicle"),
    "cat": (17, "animal"),
    "elephant": (22, "animal"),
    "skis": (35, "sports"),
    "clock": (85, "indoor"),
    "teddy bear": (88, "indoor"),
}
COLORS = {
    name: tuple(np.random.default_rng(i).integers(40, 255, 3)) for i, name in enumerate(CATEGORIES)
}


def annotation_file(pictures: list[list[dict]], path: Path, *, size=SIZE, reverse=False) -> Path:
    """Write pictures (lists of {name, box, share?, crowd?}) as an instances file."""
    images, annotations = [], []
    for number, things in enumerate(pictures, start=1):
        name = f"{number:012d}.jpg"
        images.append(
            {
                "id": number,
                "file_name": name,
                "width": size[0],
                "height": size[1],
                "coco_url": f"http://images.cocodataset.org/val2017/{name}",
                "license": 1,
                "date_captured": "2013-11-14 17:02:52",
                "flickr_url": "",
            }
        )
        for thing in things:
            x0, y0, x1, y1 = thing["box"]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": CATEGORIES[thing["name"]][0],
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": thing.get("area", 0.8 * (x1 - x0) * (y1 - y0)),
                    "iscrowd": int(thing.get("crowd", False)),
                    "segmentation": [[x0, y0, x1, y0, x1, y1, x0, y1]],
                }
            )
    step = -1 if reverse else 1
    content = {
        "info": {"description": "a small COCO"},
        "images": images[::step],
        "annotations": annotations[::step],
        "categories": [
            {"id": identity, "name": name, "supercategory": group}
            for name, (identity, group) in CATEGORIES.items()
        ],
    }
    path.write_text(json.dumps(content))
    return path


def draw_images(pictures: list[list[dict]], folder: Path, *, size=SIZE) -> Path:
    """One JPEG per picture."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, things in enumerate(pictures, start=1):
        image = Image.new("RGB", size, (20, 20, 20))
        for thing in things:
            ImageDraw.Draw(image).rectangle(thing["box"], fill=COLORS[thing["name"]])
        image.save(folder / f"{number:012d}.jpg")
    return folder


def random_pictures(n: int, seed: int) -> list[list[dict]]:
    """Pictures with 1 to 7 things at random places, some tiny, some crowds."""
    rng = np.random.default_rng(seed)
    names = list(CATEGORIES)
    pictures = []
    for _ in range(n):
        chosen = rng.choice(names, size=2, replace=False)
        things = []
        for name in chosen:
            for _ in range(rng.choice([1, 1, 1, 2, 3, 4, 5])):
                width, height = rng.integers(4, 30, 2)
                x, y = rng.integers(0, SIZE[0] - width), rng.integers(0, SIZE[1] - height)
                box = [int(v) for v in (x, y, x + width, y + height)]
                things.append({"name": str(name), "box": box, "crowd": rng.random() < 0.03})
        pictures.append(things)
    return pictures
