"""The keys of ``metadata.vrp``: what they may be, and what they stand for."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
from collections.abc import Callable, Mapping
from typing import Any

from metrics.answers.normal_form import normalize_answer
from vrp_tasks.attach.beside import as_written
from vrp_tasks.errors import SetupError
from vrp_tasks.settings.numbers import is_share

READERS = ("group", "kind", "target")  # keys that name a column, or a function of the document
NO_SCORE = "none"  # `score: none`: signals only
LABELS = ("stock", "parser", "repope")
PARSERS = ("yes_no",)
_TEXTS = (
    *("base", "field", "group", "kind", "target", "parser", "label", "labels"),
    *("normalize", "check", "filter"),
)
_OTHERS = ("regions", "robustness", "grounding")  # read where they are used


@dataclasses.dataclass(frozen=True)
class AttachSettings:
    """How reliability is attached to a base task.

    Attributes
    ----------
    base : str
        Name of any lmms-eval ``generate_until`` image task.
    score : str or sequence of str, optional
        Key of the base's results that becomes the score; of several, the one that is there. Or a
        function ``module:name`` of (document, answer, results). ``none``: signals only. Left out:
        the only one there is.
    field : str, optional
        Where in the value the number stands, if the value is a mapping.
    aggregate : bool
        Score an answer by the base's own aggregation over this one sample.
    threshold : float
        A score of at least this counts as correct.
    group, kind, target : str, optional
        A column, or a function ``module:name`` of the document: which samples share an image
        (default: the pixels), the question's kind, the reference answer (default: the base's).
    parser : {"yes_no"}, optional
        Reads answers beside the stock scorer.
    label : {"stock", "parser", "repope"}
        Which label counts.
    labels : str, optional
        File of corrected labels (RePOPE).
    normalize : str, optional
        Function ``module:name`` that brings equal answers to equal strings.
    check : str, optional
        Function ``module:name`` of the task's name, called before the model is loaded.
    filter : str, optional
        Which of the base's answer filters, if it has several; default the first.
    subset : int or mapping, optional
        See `vrp_tasks.attach.subset`.
    """

    base: str
    score: tuple[str, ...] = ()
    field: str | None = None
    aggregate: bool = False
    threshold: float = 0.5
    group: str | None = None
    kind: str | None = None
    target: str | None = None
    parser: str | None = None
    label: str = "stock"
    labels: str | None = None
    normalize: str | None = None
    check: str | None = None
    filter: str | None = None
    subset: Any = None
    others: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def normalizer(self) -> Callable[[str], str]:
        """The answer normalisation."""
        return function_at(self.normalize) if self.normalize else normalize_answer

    @property
    def score_function(self) -> Callable[..., float | None] | None:
        """The function that scores, if `score` names one."""
        named = self.score and ":" in self.score[0]
        return function_at(self.score[0]) if named else None


def given_keys(vrp: Any) -> Mapping[str, Any]:
    """The keys of what stands under ``metadata.vrp``; none where that is only ``true``."""
    return vrp if isinstance(vrp, Mapping) else {}


def attach_settings(task: str, given: Mapping[str, Any]) -> AttachSettings:
    """Read and check what stands under a task's ``metadata.vrp``.

    Raises
    ------
    SetupError
        Naming task, key and what it may be.
    """
    known = [entry.name for entry in dataclasses.fields(AttachSettings) if entry.name != "others"]
    for key in given:
        if key not in (*known, *_OTHERS):
            near = difflib.get_close_matches(key, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else f" Known: {', '.join(known)}."
            raise SetupError(f"task {task}: metadata.vrp has an unknown key {key!r}.{hint}")
    values = {key: value for key, value in given.items() if key in known and value is not None}
    _check_types(task, values)
    score = values.pop("score", ())
    settings = AttachSettings(
        **values,
        score=(score,) if isinstance(score, str) else tuple(map(str, score)),
        others={key: given[key] for key in _OTHERS if key in given},
    )
    _check(task, settings)
    return settings


def _check_types(task: str, values: Mapping[str, Any]) -> None:
    legal: dict[str, tuple[Any, str]] = dict.fromkeys(_TEXTS, (str, "text"))
    legal |= {
        "aggregate": (bool, "true or false"),
        "score": (str | list | tuple, "text, or several"),
    }
    for key, (kind, words) in legal.items():
        if key in values and not isinstance(values[key], kind):
            raise SetupError(
                f"task {task}: metadata.vrp.{key} must be {words}, got {values[key]!r}."
            )


def _check(task: str, settings: AttachSettings) -> None:
    """Values and combinations."""

    def refuse(key: str, legal: str, value: Any) -> SetupError:
        return SetupError(f"task {task}: metadata.vrp.{key} must be {legal}, got {value!r}.")

    if not is_share(settings.threshold):
        raise refuse("threshold", "a number in (0, 1]", settings.threshold)
    if settings.parser not in (None, *PARSERS):
        raise refuse("parser", f"one of {', '.join(PARSERS)}", settings.parser)
    if settings.label not in LABELS:
        raise refuse("label", f"one of {', '.join(LABELS)}", settings.label)
    if settings.label == "parser" and not settings.parser:
        raise SetupError(f"task {task}: label: parser needs parser: yes_no in metadata.vrp.")
    for path in (settings.normalize, settings.check, *_paths(settings)):
        if path:
            _find(task, path)


def _paths(settings: AttachSettings) -> list[str]:
    named = (*settings.score, *(getattr(settings, key) for key in READERS))
    return [path for path in named if path and ":" in path]


def _find(task: str, path: str) -> Callable[..., Any]:
    try:
        return function_at(path)
    except (ImportError, AttributeError, ValueError) as error:
        raise SetupError(
            f"task {task}: no function {as_written(path)} (module:name): {error}."
        ) from error


def function_at(path: str) -> Callable[..., Any]:
    """The function that ``module:name`` stands for."""
    module, name = path.split(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def column_reader(path: str) -> Callable[[Mapping[str, Any]], Any]:
    """Reads a document's value: a column, or a function ``module:name`` of the document."""
    return function_at(path) if ":" in path else lambda doc: doc[path]
