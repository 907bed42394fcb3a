"""Labels beside the stock one: answers read by a parser, and files of corrected labels (RePOPE).

lmms-eval's POPE scorer compares exactly, so "Yes." is wrong to it; and 9.3 % of POPE's "yes" labels
are wrong themselves (method §1). Every label that can be had is recorded and counted; the setting
``label`` says which one makes `correct`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metrics.answers.normal_form import normalize_answer, parse_yes_no
from metrics.errors import UndefinedMetricError
from metrics.record.bounded_file import MEGA, text_within
from vrp_tasks.errors import MADE_UP, SetupError, in_short

_MOST = 64 * MEGA  # bytes of a file of labels; RePOPE has 1.5 MB
_NAMES = {"stock": "stock", "parser": "yes/no parser", "repope": "RePOPE"}


@dataclass(frozen=True)
class Labels:
    """What each way of labelling makes of one answer.

    Attributes
    ----------
    score : dict of str to float or None
        Label -> score; only labels that were looked for.
    parsed : {"yes", "no", None}
        What the parser read.
    binary : bool
        Whether the reference is a yes or a no, so that parsing applies.
    """

    score: dict[str, float | None]
    parsed: str | None
    binary: bool


class LabelFile:
    """Corrected yes/no labels in POPE's format: JSON lines of image, text and label.

    Parameters
    ----------
    path : str
        A file, or a folder of such files. Questions that it leaves out (RePOPE: the ambiguous ones)
        have no label.
    """

    def __init__(self, path: str) -> None:
        place = Path(path)
        files = [place] if place.is_file() else sorted(place.glob("*.json*"))
        if not files:
            raise SetupError(f"labels={path}: no such file, or a folder without .json files.")
        self.path = path
        self._labels: dict[tuple[str, str], str] = {}
        for file in files:
            for row in _rows(file):
                try:
                    key = (_image(row["image"]), normalize_answer(row["text"]))
                    label = row["label"].strip().lower()
                except MADE_UP:
                    raise SetupError(
                        f"labels={file}: every line needs image, text and label, got "
                        f"{str(row)[:80]!r}."
                    ) from None
                if label not in ("yes", "no"):
                    raise SetupError(
                        f"labels={file}: a label must be yes or no, got {label[:40]!r}."
                    )
                if self._labels.setdefault(key, label) != label:
                    raise SetupError(
                        f"labels={file}: both yes and no for image {key[0]}, {row['text'][:80]!r}."
                    )

    def reference(self, image: str, question: str) -> str | None:
        """The label of a question about an image; None if the file leaves it out."""
        return self._labels.get((_image(image), normalize_answer(question)))


def _rows(file: Path) -> Iterable[Any]:
    try:
        with file.open("rb") as opened:
            text = text_within(opened, _MOST)
        if text.lstrip().startswith("["):
            return list(json.loads(text))
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except OSError as error:
        raise SetupError(f"labels={file} cannot be read ({error.strerror}).") from error
    except MADE_UP as error:
        raise SetupError(
            f"labels={file}: neither JSON nor JSON lines ({in_short(error)})."
        ) from error


def _image(name: Any) -> str:
    """An image's name without folder and suffix; COCO's numbers without their prefix."""
    stem = Path(str(name)).stem
    digits = re.sub(r"^COCO_\w+?_(?=\d+$)", "", stem)
    return (digits.lstrip("0") or "0") if digits.isascii() and digits.isdigit() else stem


def label_answer(
    answer: str,
    stock: float | None,
    target: str | None,
    *,
    corrected: str | None = None,
    looked_up: bool = False,
) -> Labels:
    """Label one answer in every way there is.

    Parameters
    ----------
    answer : str
        As generated.
    stock : float or None
        The base's own score.
    target : str or None
        The reference answer.
    corrected : str or None
        The corrected label, None if there is none.
    looked_up : bool
        Whether there is a file of corrected labels.

    Notes
    -----
    An answer that is neither yes nor no does not give the reference answer, so it is wrong by the
    parser; it is counted apart.
    """
    parsed = parse_yes_no(answer)
    reference = parse_yes_no(target) if target else None
    score: dict[str, float | None] = {"stock": stock}
    if reference is not None:
        score["parser"] = float(parsed == reference)
    if looked_up:
        score["repope"] = None if corrected is None else float(parsed == corrected)
    return Labels(score, parsed, reference is not None)


def score_by(labels: Labels, used: str) -> float | None:
    """The score that counts; the stock one where the parser does not apply.

    Raises
    ------
    UndefinedMetricError
        If the file of corrected labels leaves the question out.
    """
    if used == "repope" and labels.score["repope"] is None:
        raise UndefinedMetricError("the corrected labels leave this question out")
    return labels.score.get(used, labels.score["stock"])


def summarise_labels(found: Iterable[Labels], *, used: str, threshold: float) -> dict[str, Any]:
    """Counts over a task, for the manifest.

    Returns
    -------
    dict
        ``used``; ``disagreements`` of stock and parser, and ``unparseable`` answers, among
        ``n_binary`` yes/no questions; ``accuracy`` and ``n`` per label.
    """
    every = list(found)
    binary = [labels for labels in every if labels.binary]
    both = [
        (labels.score["stock"] >= threshold, bool(labels.score["parser"]))
        for labels in binary
        if labels.score["stock"] is not None
    ]
    accuracy, n = {}, {}
    for name in dict.fromkeys(name for labels in every for name in labels.score):
        scores = [labels.score.get(name) for labels in every]
        right = [score >= threshold for score in scores if score is not None]
        n[name] = len(right)
        accuracy[name] = sum(right) / len(right) if right else None
    return {
        "used": used,
        "n_binary": len(binary),
        "disagreements": sum(stock != parser for stock, parser in both),
        "unparseable": sum(labels.parsed is None for labels in binary),
        "accuracy": accuracy,
        "n": n,
    }


def sentence(summary: Mapping[str, Any]) -> str:
    """The counts in one line."""
    parts = [
        f"{_NAMES[name]} {value:.4f} (n = {summary['n'][name]})"
        for name, value in summary["accuracy"].items()
        if value is not None
    ]
    return (
        f"label: {_NAMES[summary['used']]}; the yes/no parser disagrees with the stock scorer on "
        f"{summary['disagreements']} of {summary['n_binary']} answers, {summary['unparseable']} "
        f"unparseable; accuracy by label: {', '.join(parts)}"
    )
