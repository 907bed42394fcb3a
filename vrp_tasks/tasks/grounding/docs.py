"""Regions, groups and scores of benchmarks with annotated evidence."""

from __future__ import annotations

import re
from typing import Any


def refcoco_region(doc: dict[str, Any]) -> dict[str, Any]:
    """The box that the expression refers to; lmms-eval has scaled it to the image's sides."""
    width, height = doc["image"].size
    x0, y0, x1, y1 = doc["bbox"]
    return {"boxes": [[x0 * width, y0 * height, x1 * width, y1 * height]], "size": [width, height]}


def refcoco_image(doc: dict[str, Any]) -> str:
    """COCO's number of the image: several expressions and objects share it.

    Examples
    --------
    >>> refcoco_image({"file_name": "COCO_train2014_000000380440_491042.jpg"})
    '000000380440'
    """
    found = re.search(r"\d{12}", doc["file_name"])
    return found.group() if found else str(doc["file_name"])


def refcoco_target(doc: dict[str, Any]) -> str:
    """The box as it is to be answered."""
    return "[" + ", ".join(f"{side:.3f}" for side in doc["bbox"]) + "]"


def refcoco_iou(_doc: dict[str, Any], _answer: str, results: dict[str, Any]) -> float:
    """IoU of the answered box with the true one, by lmms-eval's parser; 0 without a box.

    From 0.5 on the answer counts as correct, which is lmms-eval's ``refcoco_ACC@0.5``.

    Examples
    --------
    >>> refcoco_iou({}, "", {"refcoco_IoU": {"pred": [0.0, 0.0, 0.5, 1.0], "bbox": [0, 0, 1, 1]}})
    0.5
    """
    from lmms_eval.tasks.refcoco.utils_rec import compute_iou

    found = results["refcoco_IoU"]
    x0, y0, x1, y1 = found["pred"]
    if not (x1 > x0 and y1 > y0):  # compute_iou has no answer to a box without area
        return 0.0
    return float(compute_iou(found["bbox"], found["pred"]))


def multihop_region(doc: dict[str, Any]) -> dict[str, Any] | None:
    """The annotated box of the answer, stored as x, y, width and height in pixels."""
    if not doc.get("bbox"):
        return None
    x, y, width, height = doc["bbox"]
    return {"boxes": [[x, y, x + width, y + height]], "size": list(doc["image"].size)}


def multihop_kind(doc: dict[str, Any]) -> str:
    """How many hops of reasoning the question takes.

    Examples
    --------
    >>> multihop_kind({"hop": 2}), multihop_kind({"hop": "3-hop"})
    ('2-hop', '3-hop')
    """
    hop = str(doc["hop"])
    return hop if "hop" in hop else f"{hop}-hop"


def multihop_correct(_doc: dict[str, Any], _answer: str, results: dict[str, Any]) -> float:
    """Whether the right choice was made, by lmms-eval's parser; the answered box is not scored."""
    return float(results["mcq_acc"]["mcq_correct"])
