"""Functions that the YAML files of ``vrp_counting`` and ``vrp_spatial`` name."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from vrp_tasks.attach.results import Item, reliability_results
from vrp_tasks.cache_folder import cache_folder
from vrp_tasks.errors import MADE_UP, SetupError, in_short

if TYPE_CHECKING:
    from datasets import Dataset

VARIABLE = "VRP_COCO"
COLUMNS = ("id", "image_id", "image", "question", "answer", "kind", "boxes", "size")
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def default_folder() -> Path:
    """Where the two sets are looked for unless VRP_COCO says otherwise."""
    return cache_folder() / "coco"


def find(name: str) -> Path:
    """The parquet file of ``counting`` or ``spatial``.

    Raises
    ------
    SetupError
        If it has not been built.
    """
    folder = Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else default_folder()
    path = folder.expanduser() / f"{name}.parquet"
    if not path.is_file():
        raise SetupError(
            f"vrp_{name} has no data at {path}. Make it once from COCO's annotations and images: "
            "python -m vrp_tasks.tasks.coco build --annotations instances_val2017.json "
            f"--images val2017 (with -o FOLDER, set {VARIABLE}=FOLDER)."
        )
    _check_columns(path)
    return path


def _check_columns(path: Path) -> None:
    """Raise SetupError unless a file has the columns of such a set."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        absent = [name for name in COLUMNS if name not in pq.read_schema(path).names]
    except (OSError, *MADE_UP, pa.ArrowException) as error:
        raise SetupError(
            f"{path} (of {VARIABLE}) is no data set of ours ({in_short(error)}). Build it anew: "
            "python -m vrp_tasks.tasks.coco build --help."
        ) from error
    if absent:
        raise SetupError(
            f"{path} (of {VARIABLE}) lacks the column {absent[0]}. Build it anew: "
            "python -m vrp_tasks.tasks.coco build --help."
        )


def check_built(task: str) -> None:
    """See, before a model is loaded, that a task's set has been built (see `find`)."""
    find(task.removeprefix("vrp_").split("_")[0])


def counting(_seed: Dataset) -> Dataset:
    """The counting questions."""
    return _load("counting")


def spatial(_seed: Dataset) -> Dataset:
    """The spatial questions."""
    return _load("spatial")


def _load(name: str) -> Dataset:
    import datasets
    import pyarrow.parquet as pq

    return datasets.Dataset(pq.read_table(find(name)))


def doc_to_visual(doc: dict[str, Any]) -> list[Image.Image]:
    """The photograph."""
    return [doc["image"].convert("RGB")]


def regions(doc: dict[str, Any]) -> dict[str, Any]:
    """Boxes of the things that the question is about."""
    return {"boxes": doc["boxes"], "mask": None, "size": doc["size"]}


def normalize_count(answer: str) -> str:
    """The number an answer names, as digits; the plain text where it names none, or several.

    Examples
    --------
    >>> normalize_count("There are two dogs."), normalize_count("3"), normalize_count("1 or 2")
    ('2', '3', '1 or 2')
    """
    text = answer.strip().lower()
    words = re.findall(r"\d+|[a-z]+", text)
    named = {str(_NUMBERS.index(w)) if w in _NUMBERS else w for w in words if _is_number(w)}
    return named.pop() if len(named) == 1 else re.sub(r"[\s.,;:!?]+$", "", text)


def _is_number(word: str) -> bool:
    return word.isdigit() or word in _NUMBERS


def normalize_yes_no(answer: str) -> str:
    """The first word if it is yes or no; else the plain text.

    Examples
    --------
    >>> normalize_yes_no("Yes, it is."), normalize_yes_no("Left.")
    ('yes', 'left')
    """
    text = answer.strip().lower()
    found = re.match(r"(yes|no)\b", text)
    return found.group(1) if found else re.sub(r"[\s.,;:!?]+$", "", text)


def counting_results(doc: dict[str, Any], results: list[str]) -> dict[str, Item]:
    """Whether the one number named is the right one."""
    return _results(doc, results, "vrp_counting", normalize_count)


def spatial_results(doc: dict[str, Any], results: list[str]) -> dict[str, Item]:
    """Whether the answer begins with the right one of yes and no."""
    return _results(doc, results, "vrp_spatial", normalize_yes_no)


def _results(doc: dict[str, Any], results: list[str], task: str, normalize: Any) -> dict[str, Item]:
    return reliability_results(
        results,
        task=task,
        score=lambda answer: float(normalize(answer) == doc["answer"]),
        normalize=normalize,
        doc_id=doc["id"],
        group=doc["image_id"],
        kind=doc["kind"],
        target=doc["answer"],
    )
