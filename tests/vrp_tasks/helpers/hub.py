"""The hub's data sets in small: real names, configurations, splits, columns and types.

Columns and types are those of the data sets' cards. `fill` writes the rows as parquet and prepares
them the way ``datasets`` keeps what it has downloaded, so that ``load_dataset`` finds them offline
and everything above it runs unchanged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import pytest
from datasets.naming import camelcase_to_snakecase
from datasets.packaged_modules.parquet.parquet import Parquet
from lmms_eval.api import task
from PIL import Image

from vrp_tasks.tiny.world import draw_scene
from vrp_tasks.tiny.world.dataset import questions_about
from vrp_tasks.tiny.world.questions import Question
from vrp_tasks.tiny.world.scene import Scene

TEXT, WHOLE = datasets.Value("string"), datasets.Value("int64")
PICTURE = datasets.Image()


class Table(NamedTuple):
    """One configuration of a data set, with one split."""

    path: str
    config: str
    split: str
    features: dict[str, Any]
    rows: list[dict[str, Any]]


def fill(cache: Path) -> None:
    """Put every table into a cache of ``datasets``."""
    for table in tables():
        prepare(table, cache)


def redirect(cache: Path, patch: pytest.MonkeyPatch) -> None:
    """Have this process look there for data sets, as HF_DATASETS_CACHE does to a fresh one."""
    patch.setenv("HF_DATASETS_CACHE", str(cache))
    patch.setattr(datasets.config, "HF_DATASETS_CACHE", Path(cache))
    # lmms-eval looks once per process
    patch.setattr(task, "_resolve_hf_datasets_cache_dir", lambda: str(cache))


def tables() -> Iterator[Table]:
    """All of them, four questions about two images each."""
    yield from _pope()
    yield _vqav2()
    yield _textvqa()
    yield from _gqa()
    yield _cv_bench()
    yield _mme()
    yield _vizwiz()
    yield _hallusion_bench()
    yield _llava_bench()


def _asked(*kinds: str) -> list[tuple[Scene, Question]]:
    """Two questions about each of two scenes: of one kind, or one of each of two."""
    found = []
    for number, seed in enumerate((1, 2)):
        scene = draw_scene(seed)
        asked = {
            kind: [q for q in questions_about(scene, number) if q.kind == kind] for kind in kinds
        }
        each = 2 // len(kinds)
        found += [(scene, question) for kind in kinds for question in asked[kind][:each]]
    return found


def _image(scene: Scene) -> Image.Image:
    return Image.fromarray(scene.image)


def _pope() -> Iterator[Table]:
    columns = ("id", "question_id", "question", "answer", "image_source", "image", "category")
    features = dict.fromkeys(columns, TEXT) | {"image": PICTURE}
    kinds = ("adversarial", "popular", "random")
    rows = [
        {
            "id": str(number),
            "question_id": str(number),
            "question": question.text,
            "answer": question.answer,
            "image_source": f"COCO_val2014_{scene.seed:012d}",
            "image": _image(scene),
            "category": kinds[number % 3],
        }
        for number, (scene, question) in enumerate(_asked("existence"))
    ]
    adversarial = [{**row, "category": "adversarial"} for row in rows]
    yield Table("lmms-lab-encoder/POPE", "Full", "adversarial", features, adversarial)
    # the newest: it is what load_dataset finds offline without a configuration
    yield Table("lmms-lab-encoder/POPE", "default", "test", features, rows)


def _vqav2() -> Table:
    answers = [{"answer": TEXT, "answer_confidence": TEXT, "answer_id": WHOLE}]
    features = {
        "question_type": TEXT,
        "multiple_choice_answer": TEXT,
        "answers": answers,
        "image_id": WHOLE,
        "answer_type": TEXT,
        "question_id": WHOLE,
        "question": TEXT,
        "image": PICTURE,
    }
    rows = [
        {
            "question_type": "what color is the",
            "multiple_choice_answer": question.answer,
            "answers": [
                {"answer": a, "answer_confidence": "yes", "answer_id": i}
                for i, a in enumerate(_annotators(question.answer, agreeing=number + 2), start=1)
            ],
            "image_id": scene.seed,
            "answer_type": "other",
            "question_id": 1000 * scene.seed + number,
            "question": question.text,
            "image": _image(scene),
        }
        for number, (scene, question) in enumerate(_asked("attribute"))
    ]
    return Table("lmms-lab-encoder/VQAv2", "default", "validation", features, rows)


def _annotators(answer: str, *, agreeing: int) -> list[str]:
    """Ten answers of which some agree, so that soft scores lie between 0 and 1."""
    return [answer] * agreeing + [f"other {i}" for i in range(10 - agreeing)]


def _textvqa() -> Table:
    texts = [TEXT]
    features = {
        "image_id": TEXT,
        "question_id": datasets.Value("int32"),
        "question": TEXT,
        "question_tokens": texts,
        "image": PICTURE,
        "image_width": datasets.Value("int32"),
        "image_height": datasets.Value("int32"),
        "flickr_original_url": TEXT,
        "flickr_300k_url": TEXT,
        "answers": texts,
        "image_classes": texts,
        "set_name": TEXT,
        "ocr_tokens": texts,
    }
    rows = [
        {
            "image_id": f"{scene.seed:016x}",
            "question_id": 34602 + number,
            "question": question.text.lower(),
            "question_tokens": question.text.lower().split(),
            "image": _image(scene),
            "image_width": 64,
            "image_height": 64,
            "flickr_original_url": "",
            "flickr_300k_url": "",
            "answers": _annotators(question.answer, agreeing=number + 2),
            "image_classes": ["Sign"],
            "set_name": "val",
            "ocr_tokens": [],
        }
        for number, (scene, question) in enumerate(_asked("counting"))
    ]
    return Table("lmms-lab-encoder/textvqa", "default", "validation", features, rows)


def _gqa() -> Iterator[Table]:
    pairs = [{"objectId": TEXT, "value": TEXT}]
    features = {
        "id": TEXT,
        "imageId": TEXT,
        "question": TEXT,
        "answer": TEXT,
        "fullAnswer": TEXT,
        "isBalanced": datasets.Value("bool"),
        "groups": {"global": TEXT, "local": TEXT},
        "entailed": TEXT,
        "equivalent": TEXT,
        "types": {"structural": TEXT, "semantic": TEXT, "detailed": TEXT},
        "annotations": {"question": pairs, "answer": pairs, "fullAnswer": pairs},
        "semantic": [{"operation": TEXT, "argument": TEXT, "dependencies": [WHOLE]}],
        "semanticStr": TEXT,
    }
    asked = _asked("relation")
    rows = [
        {
            "id": f"2{number:07d}",
            "imageId": f"n{scene.seed}",
            "question": question.text,
            "answer": question.answer,
            "fullAnswer": f"{question.answer.title()}, it is.",
            "isBalanced": True,
            "groups": {"global": None, "local": "10q-relation"},
            "entailed": "",
            "equivalent": "",
            "types": {"structural": "verify", "semantic": "rel", "detailed": "verifyRel"},
            "annotations": {"question": [], "answer": [], "fullAnswer": []},
            "semantic": [{"operation": "select", "argument": "circle", "dependencies": []}],
            "semanticStr": "select: circle",
        }
        for number, (scene, question) in enumerate(asked)
    ]
    path = "lmms-lab-encoder/GQA"
    yield Table(path, "testdev_balanced_instructions", "testdev", features, rows)
    scenes = {f"n{scene.seed}": scene for scene, _ in asked}
    images = [{"id": name, "image": _image(scene)} for name, scene in scenes.items()]
    yield Table(path, "testdev_balanced_images", "testdev", {"id": TEXT, "image": PICTURE}, images)


def _cv_bench() -> Table:
    features = {
        "idx": WHOLE,
        "type": TEXT,
        "task": TEXT,
        "image": PICTURE,
        "question": TEXT,
        "choices": [TEXT],
        "answer": TEXT,
        "prompt": TEXT,
        "filename": TEXT,
        "source": TEXT,
        "source_dataset": TEXT,
        "source_filename": TEXT,
        "target_class": TEXT,
        "target_size": WHOLE,
        "bbox": [[datasets.Value("float64")]],
    }
    rows = []
    for number, (scene, question) in enumerate(_asked("counting", "relation")):
        choices = ["0", "1", "2", "3"] if question.kind == "counting" else ["yes", "no"]
        right = choices.index(question.answer) if question.answer in choices else 0
        listed = " ".join(f"({chr(65 + i)}) {choice}" for i, choice in enumerate(choices))
        rows.append(
            {
                "idx": number,
                "type": "2D",
                "task": "Count" if question.kind == "counting" else "Relation",
                "image": _image(scene),
                "question": question.text,
                "choices": choices,
                "answer": f"({chr(65 + right)})",
                "prompt": f"{question.text} Select from the following choices.\n{listed}",
                "filename": f"img/2D/count/coco_{number}.png",
                "source": "COCO",
                "source_dataset": "COCO Val 2017",
                "source_filename": f"{scene.seed:012d}.jpg",
                "target_class": "circle",
                "target_size": 100,
                "bbox": None,
            }
        )
    return Table("nyu-visionx/CV-Bench", "2D", "test", features, rows)


def _mme() -> Table:
    columns = ("question_id", "image", "question", "answer", "category")
    rows = [
        {
            "question_id": f"{category}/{scene.seed:04d}.png",
            "image": _image(scene),
            "question": f"{question.text} Please answer yes or no.",
            "answer": question.answer.title(),
            "category": category,
        }
        for category, asked in (
            ("existence", _asked("existence")),
            ("code_reasoning", _asked("relation")),
        )
        for scene, question in asked
    ]
    features = dict.fromkeys(columns, TEXT) | {"image": PICTURE}
    return Table("lmms-lab-encoder/MME", "default", "test", features, rows)


def _vizwiz() -> Table:
    features = {
        "question_id": TEXT,
        "image": PICTURE,
        "question": TEXT,
        "answers": [TEXT],
        "category": TEXT,
    }
    rows = [
        {
            "question_id": f"VizWiz_val_{number:08d}",
            "image": _image(scene),
            "question": question.text,
            "answers": _annotators(question.answer, agreeing=2 * number + 2),
            "category": "other",
        }
        for number, (scene, question) in enumerate(_asked("attribute"))
    ]
    return Table("lmms-lab-encoder/VizWiz-VQA", "default", "val", features, rows)


def _hallusion_bench() -> Table:
    columns = (
        *("category", "subcategory", "visual_input", "set_id", "figure_id", "sample_note"),
        *("question_id", "question", "gt_answer_details", "gt_answer", "filename", "image"),
    )
    rows = [
        {
            "category": "VD",
            "subcategory": "illusion",
            "visual_input": "1",
            "set_id": str(scene.seed),
            "figure_id": "0",
            "sample_note": "",
            "question_id": str(number % 2),
            "question": question.text,
            "gt_answer_details": f"{question.answer.title()}.",
            "gt_answer": "1" if question.answer == "yes" else "0",
            "filename": f"./VD/illusion/{scene.seed}_0.png",
            "image": _image(scene),
        }
        for number, (scene, question) in enumerate(_asked("existence", "relation"))
    ]
    features = dict.fromkeys(columns, TEXT) | {"image": PICTURE}
    return Table("lmms-lab-encoder/HallusionBench", "default", "image", features, rows)


def _llava_bench() -> Table:
    columns = ("question_id", "question", "image", "category", "image_id", "answer", "caption")
    rows = [
        {
            "question_id": str(number),
            "question": question.text,
            "image": _image(scene),
            "category": ("conv", "detail", "complex")[number % 3],
            "image_id": f"{scene.seed:012d}",
            "answer": f"The answer is {question.answer}.",
            "caption": "Coloured shapes on a plain ground.",
        }
        for number, (scene, question) in enumerate(_asked("attribute"))
    ]
    features = dict.fromkeys(columns, TEXT) | {"image": PICTURE}
    return Table("lmms-lab-encoder/llava-bench-coco", "default", "train", features, rows)


def prepare(table: Table, cache: Path) -> None:
    """Put one table into a cache of ``datasets``."""
    owner, name = table.path.split("/")
    features = datasets.Features(table.features)
    parquet = cache / "parquet" / owner / name / table.config / f"{table.split}.parquet"
    parquet.parent.mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_list(table.rows, features=features).to_parquet(parquet)
    builder = Parquet(
        cache_dir=str(cache),
        dataset_name=name,
        config_name=table.config,
        hash=hashlib.sha256(table.config.encode()).hexdigest(),  # the same would be ambiguous
        data_files={table.split: [str(parquet)]},
    )
    builder.download_and_prepare()
    built = Path(builder.cache_dir)
    home = cache / f"{owner}___{camelcase_to_snakecase(name)}" / table.config / "0.0.0" / built.name
    home.parent.mkdir(parents=True, exist_ok=True)
    built.rename(home)
    info = home / "dataset_info.json"
    info.write_text(json.dumps({**json.loads(info.read_text()), "config_name": table.config}))
