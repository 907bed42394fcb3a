"""GQA keeps its images in a data set of their own."""

from __future__ import annotations

from typing import Any

from vrp_tasks.attach.reach import check_data


def structure(doc: dict[str, Any]) -> str:
    """The structural type of a question: query, verify, choose, logical or compare."""
    return str(doc["types"]["structural"])


def check_images(task: str) -> None:
    """See, before a model is loaded, that the images, loaded apart, can be had."""
    check_data(task, "lmms-lab-encoder/GQA", "testdev_balanced_images", token=True)
