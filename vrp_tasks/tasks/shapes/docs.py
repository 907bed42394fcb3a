"""Functions that the YAML files of the shapes tasks name."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from datasets import Dataset
from PIL import Image

from vrp_tasks.attach.results import Item, reliability_results
from vrp_tasks.tiny.world.dataset import load_test_split
from vrp_tasks.tiny.world.encoding import decode_mask


def all_kinds(_seed: Dataset) -> Dataset:
    """The whole split, generated and cached at first use."""
    return load_test_split()


def existence(_seed: Dataset) -> Dataset:
    """Existence questions."""
    return _of_kind("existence")


def counting(_seed: Dataset) -> Dataset:
    """Counting questions."""
    return _of_kind("counting")


def relation(_seed: Dataset) -> Dataset:
    """Spatial-relation questions."""
    return _of_kind("relation")


def attribute(_seed: Dataset) -> Dataset:
    """Attribute questions."""
    return _of_kind("attribute")


def _of_kind(kind: str) -> Dataset:
    split = load_test_split()
    return split.select([i for i, k in enumerate(split["kind"]) if k == kind])


def doc_to_visual(doc: dict[str, Any]) -> list[Image.Image]:
    """The scene."""
    return [doc["image"].convert("RGB")]


def region(doc: dict[str, Any]) -> dict[str, Any] | None:
    """What is visible of the objects that the question is about; None where it is about none."""
    if not doc["evidence"]:
        return None
    masks = [decode_mask(doc["masks"][index]) for index in doc["evidence"]]
    height, width = masks[0].shape
    return {"mask": np.any(masks, axis=0), "boxes": None, "size": [width, height]}


def normalize(answer: str) -> str:
    """Lower case, without surrounding space or final punctuation."""
    return re.sub(r"[\s.,;:!?]+$", "", answer.strip().lower())


def process_results(doc: dict[str, Any], results: list[str]) -> dict[str, Item]:
    """Exact match after `normalize`, beside the signals."""
    return reliability_results(
        results,
        task="vrp_shapes",
        score=lambda answer: float(normalize(answer) == doc["answer"]),
        normalize=normalize,
        doc_id=doc["id"],
        group=doc["image_id"],
        kind=doc["kind"],
        target=doc["answer"],
    )
