"""Write the two sets into a folder: one parquet file each, images included, and a README."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, UnidentifiedImageError

import vrp_tasks.tasks.coco as rules
from vrp_tasks.errors import SetupError
from vrp_tasks.tasks.coco.annotations import Picture, read_pictures
from vrp_tasks.tasks.coco.questions import (
    COUNTS,
    RELATIONS,
    Question,
    counting_questions,
    spatial_questions,
)
from vrp_tasks.tasks.coco.selection import select

MISSING = "missing_images.txt"


@dataclass(frozen=True)
class Benchmark:
    """One of the two sets: which questions there are, and what must come equally often."""

    name: str
    questions: Callable[[Picture], Iterator[Question]]
    cells: Sequence[Hashable]
    cell_of: Callable[[Question], Hashable]


BENCHMARKS = (
    Benchmark("counting", counting_questions, [str(count) for count in COUNTS], lambda q: q.answer),
    Benchmark(
        "spatial",
        spatial_questions,
        [(relation, answer) for relation in RELATIONS for answer in ("yes", "no")],
        lambda q: (q.kind, q.answer),
    ),
)


def build(
    annotations: Path, images: Path, output: Path, *, n: int = 1000, seed: int = 0
) -> dict[str, list[Question]]:
    """Make both sets.

    Parameters
    ----------
    annotations : Path
        COCO's ``instances_*.json``.
    images : Path
        Folder of the images named there; only those chosen are needed.
    output : Path
        Gets ``counting.parquet``, ``spatial.parquet`` and ``README.md``.
    n : int
        Questions per set.
    seed : int
        See `select`.

    Returns
    -------
    dict of str to list of Question
        What was chosen; fewer than n where the annotations do not offer n balanced questions.

    Raises
    ------
    SetupError
        If the annotations cannot be read, chosen images are missing (their addresses are then
        written to ``missing_images.txt``), or an image is not the one annotated.
    """
    least = max(len(benchmark.cells) for benchmark in BENCHMARKS)
    if n < least:
        raise SetupError(f"--n must be at least {least}, one question per answer, got {n}.")
    pictures = read_pictures(annotations)
    chosen = {
        benchmark.name: select(
            (question for picture in pictures for question in benchmark.questions(picture)),
            benchmark.cells,
            cell_of=benchmark.cell_of,
            n=n,
            seed=seed,
        )
        for benchmark in BENCHMARKS
    }
    for name, questions in chosen.items():
        if not questions:
            raise SetupError(
                f"{annotations} offers no balanced {name} questions: at least one answer has none "
                "that the rules allow. Give a larger annotation file, such as "
                "instances_val2017.json."
            )
    output.mkdir(parents=True, exist_ok=True)
    _check_images([q.picture for group in chosen.values() for q in group], images, output)
    origin = {
        "annotations": annotations.name,
        "sha256": hashlib.sha256(annotations.read_bytes()).hexdigest(),
        "seed": str(seed),
    }
    for name, questions in chosen.items():
        rows = [_row(name, question, images) for question in questions]
        table = pa.Table.from_pylist(rows, schema=_schema())
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), **origin})
        pq.write_table(table, output / f"{name}.parquet", row_group_size=100)
    (output / "README.md").write_text(_readme(chosen, n, origin))
    return chosen


def _check_images(pictures: list[Picture], images: Path, output: Path) -> None:
    missing = {p.id: p for p in pictures if not (images / p.file_name).is_file()}
    listing = output / MISSING
    if not missing:
        listing.unlink(missing_ok=True)
        return
    listing.write_text("".join(f"{p.url or p.file_name}\n" for p in missing.values()))
    raise SetupError(
        f"{len(missing)} of the chosen images are not in {images}; their addresses are in "
        f"{listing}. Fetch them (wget -nc -i {listing} -P {images}) and give the command again."
    )


def _row(name: str, question: Question, images: Path) -> dict[str, Any]:
    picture = question.picture
    path = images / picture.file_name
    try:
        with Image.open(path) as image:
            size = image.size
    except (UnidentifiedImageError, OSError) as error:
        raise SetupError(f"{path} is not a readable image. Fetch it again.") from error
    if size != (picture.width, picture.height):
        raise SetupError(
            f"{path} is {size[0]} x {size[1]} pixels, the annotations are of a "
            f"{picture.width} x {picture.height} image. Give the images of the same COCO release."
        )
    return {
        "id": f"{name}-{picture.id}",
        "image_id": str(picture.id),
        "image": {"bytes": path.read_bytes(), "path": picture.file_name},
        "question": question.text,
        "answer": question.answer,
        "kind": question.kind,
        "category": question.category,
        "boxes": [list(box) for box in question.boxes],
        "size": [picture.width, picture.height],
    }


def _schema() -> pa.Schema:
    """Columns of the parquet files; metadata tells `datasets` that ``image`` is an image."""
    import datasets

    text = datasets.Value("string")
    names = ("id", "image_id", "image", "question", "answer", "kind", "category", "boxes", "size")
    features = dict.fromkeys(names, text) | {
        "image": datasets.Image(),
        "boxes": [[datasets.Value("float32")]],
        "size": [datasets.Value("int32")],
    }
    return datasets.Features(features).arrow_schema


def _readme(chosen: dict[str, list[Question]], n: int, origin: dict[str, str]) -> str:
    lines = [
        "# Counting and spatial questions on COCO images",
        "",
        f"Made from `{origin['annotations']}` (SHA-256 `{origin['sha256']}`) with seed "
        f"{origin['seed']}; {n} questions of each set were asked for.",
        "Run them with `lmms-eval --tasks vrp_counting,vrp_spatial` and the environment variable "
        "`VRP_COCO` set to this folder.",
        "The images keep the licences stated in COCO's annotations.",
        "",
    ]
    for benchmark in BENCHMARKS:
        questions = chosen[benchmark.name]
        counts = Counter(benchmark.cell_of(question) for question in questions)
        lines += [f"## {benchmark.name}: {len(questions)} questions", "", "| answer | questions |"]
        lines += ["|---|---|"]
        lines += [f"| {_said(cell)} | {counts[cell]} |" for cell in benchmark.cells]
        spread = Counter(question.category for question in questions)
        most, number = spread.most_common(1)[0]
        lines += ["", f"{len(spread)} categories; the most frequent is {most} ({number}).", ""]
    return "\n".join([*lines, "## Rules", "", str(rules.__doc__), ""])


def _said(cell: Hashable) -> str:
    return ", ".join(cell) if isinstance(cell, tuple) else str(cell)
