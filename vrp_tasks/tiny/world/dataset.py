"""The fixed test split of ``vrp_shapes``: generated at first use, cached, the same everywhere.

320 scenes with up to eight questions each. They are harder than the training scenes on purpose, so
that small models err: four to eight objects instead of three to six, in colours that vary twice as
much. They come in image order, so
that a limit on rows takes whole images (but for the last). The split is a function of this package
alone: a digest over every row is part of the code, and a split that does not match it, generated
or read from the cache, is not used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from loguru import logger

from vrp_tasks.cache_folder import cache_folder
from vrp_tasks.errors import SetupError
from vrp_tasks.tiny.world.encoding import encode_mask, encode_png
from vrp_tasks.tiny.world.questions import NEGATIVES, Question, ask
from vrp_tasks.tiny.world.scene import Scene, draw_scene
from vrp_tasks.whole_files import whole_file

if TYPE_CHECKING:
    import datasets

TEST_SEED = 10_000_000  # training seeds lie below 9 000 000, validation seeds from there on
N_TEST_IMAGES = 320
TEST_OBJECTS = (4, 8)
TEST_COLOR_JITTER = 45
TEST_DIGEST = "d5ae1e718df98f17c6dbeca27e9ad8deadf4553293f0559b5b0fe5b55963d016"
_ATTEMPTS = 8  # draws of a question before a scene is said to offer no further one


def evaluation_scene(seed: int) -> Scene:
    """A scene as hard as those of the test split."""
    return draw_scene(seed, n_objects=TEST_OBJECTS, color_jitter=TEST_COLOR_JITTER)


def questions_about(scene: Scene, number: int) -> list[Question]:
    """Ask the questions of an evaluation: two per kind, fewer where the scene offers fewer.

    Parameters
    ----------
    scene : Scene
        The scene asked about.
    number : int
        Position of the scene in its split. It turns the wheel of POPE's negatives and of the
        attributes asked for.

    Returns
    -------
    list of Question
        No text twice. Existence and relation come as one "yes" and one "no" each.
    """
    rng = np.random.default_rng([scene.seed, 2])
    plan = (
        ("existence", 0),
        ("existence", 2 * (number % len(NEGATIVES)) + 1),
        ("counting", 0),
        ("counting", 1),
        ("relation", 0),
        ("relation", 1),
        ("attribute", 2 * number),
        ("attribute", 2 * number + 1),
    )
    asked: list[Question] = []
    for kind, variant in plan:
        for _ in range(_ATTEMPTS):
            question = ask(scene, kind, rng, variant=variant)
            if question is not None and question.text not in [other.text for other in asked]:
                asked.append(question)
                break
    return asked


def test_rows() -> Iterator[dict[str, Any]]:
    """Generate the rows of the test split, in image order.

    Yields
    ------
    dict
        ``id``, ``image_id``; ``image`` (PNG, bytes); ``kind``, ``detail``, ``question``,
        ``answer``; ``objects``, back to front (``color``, ``shape``, ``size`` and ``box``
        [x0, y0, x1, y1], x1 and y1 exclusive); ``masks``, one per object, of what is visible of it
        (see `vrp_tasks.tiny.world.encoding.decode_mask`); ``evidence``, indices of the objects that
        the question is about.
    """
    for number in range(N_TEST_IMAGES):
        scene = evaluation_scene(TEST_SEED + number)
        image_id = f"shapes-{scene.seed}"
        of_image = {
            "image_id": image_id,
            "image": encode_png(scene.image),
            "objects": [
                {"color": o.color, "shape": o.shape, "size": o.size, "box": list(o.box)}
                for o in scene.objects
            ],
            "masks": [encode_mask(o.mask) for o in scene.objects],
        }
        for position, question in enumerate(questions_about(scene, number)):
            yield {
                **of_image,
                "id": f"{image_id}-{position}",
                "kind": question.kind,
                "detail": question.detail,
                "question": question.text,
                "answer": question.answer,
                "evidence": list(question.evidence),
            }


def content_digest(rows: Iterator[dict[str, Any]]) -> str:
    """SHA-256 over the content of rows, images included, whatever file they are stored in."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(_canonical(row))
    return digest.hexdigest()


def build_test_split(folder: Path | None = None) -> Path:
    """Return the parquet file of the test split, generating it if it is not there.

    Parameters
    ----------
    folder : Path, optional
        Where the file is kept; by default `cache_folder`.

    Returns
    -------
    Path
        The file is complete: it is written elsewhere and moved there. Processes that start
        together may each generate it; the last one wins and nobody sees half a file.

    Raises
    ------
    SetupError
        If the folder cannot be written, or if what was generated is not the published split.
    """
    folder = cache_folder() if folder is None else folder
    path = folder / f"vrp_shapes-{TEST_DIGEST[:12]}.parquet"
    if path.exists():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(path, shared=True) as partial:
            _check_digest(_write(partial))
    except OSError as error:
        reason = error.strerror or error
        raise SetupError(
            f"vrp_shapes: the test split cannot be written to {folder} ({reason}). "
            "Set the environment variable VRP_TASKS_CACHE to a folder that can be written."
        ) from error
    return path


def load_test_split(folder: Path | None = None) -> datasets.Dataset:
    """Load the test split, generating it if need be; ``image`` decodes to a PIL image.

    What is read is the published split: a cached file of other content is made anew. Parameters and
    errors are those of `build_test_split`. The rows are held in memory, about 100 MB for all tasks
    of a process, so that nothing but the one file is ever written.
    """
    import datasets

    path = build_test_split(folder)
    table = _published(path, _stamp_of(path))
    if table is None:
        logger.warning(f"vrp_shapes: {path} is not the published split; it is made anew.")
        path.unlink()
        table = pq.read_table(build_test_split(folder))
    return datasets.Dataset(table, fingerprint=TEST_DIGEST[:16])


def _stamp_of(path: Path) -> tuple[int, ...]:
    """Tells a file from one that is put in its place."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


@lru_cache(maxsize=1)
def _published(path: Path, _stamp: tuple[int, ...]) -> pa.Table | None:
    """The table of a file that holds the published split; None for any other file."""
    try:
        table = pq.read_table(path)
        rows = table.to_pylist()
        plain = ({**row, "image": row["image"]["bytes"]} for row in rows)
        same = content_digest(plain) == TEST_DIGEST
    except (OSError, KeyError, TypeError, pa.ArrowException):
        return None
    return table if same else None


def _write(path: Path) -> str:
    """Write the split, one row group per image, and return its digest.

    Within a row group the image is a dictionary entry that the questions share, so the file holds
    it once.
    """
    schema = _schema()
    digest = hashlib.sha256()
    group: list[dict[str, Any]] = []
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for row in test_rows():
            digest.update(_canonical(row))
            if group and group[-1]["image_id"] != row["image_id"]:
                writer.write_table(pa.Table.from_pylist(group, schema=schema))
                group = []
            group.append({**row, "image": {"bytes": row["image"], "path": None}})
        writer.write_table(pa.Table.from_pylist(group, schema=schema))
    return digest.hexdigest()


def _canonical(row: dict[str, Any]) -> bytes:
    content = {**row, "image": hashlib.sha256(row["image"]).hexdigest()}
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _check_digest(found: str) -> None:
    if found != TEST_DIGEST:
        raise SetupError(
            f"vrp_shapes: the test split generated here has digest {found[:12]}, the published one "
            f"{TEST_DIGEST[:12]}, so results would not compare. numpy {np.__version__} probably "
            "draws other random numbers: install the version named in constraints.txt."
        )


def _schema() -> pa.Schema:
    """Columns of the parquet file; its metadata tells `datasets` that ``image`` is an image."""
    import datasets

    text, integers = datasets.Value("string"), [datasets.Value("int32")]
    features = datasets.Features(
        {
            "id": text,
            "image_id": text,
            "image": datasets.Image(),
            "kind": text,
            "detail": text,
            "question": text,
            "answer": text,
            "objects": [{"color": text, "shape": text, "size": text, "box": integers}],
            "masks": [{"size": integers, "counts": integers}],
            "evidence": integers,
        }
    )
    return features.arrow_schema
