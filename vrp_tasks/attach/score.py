"""Which part of what a base task's scorer returns is the score of one answer."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metrics.errors import UndefinedMetricError
from vrp_tasks.attach.outputs import ANY, ELSEWHERE, Shape
from vrp_tasks.attach.settings import NO_SCORE, AttachSettings
from vrp_tasks.errors import ScorerError, SetupError
from vrp_tasks.faults import reason_of

# fields that hold the score of one answer, wherever they occur
FIELDS = ("score", "is_correct", "accuracy", "acc", "correct", "exact_match", "overall", "hit")
# metrics that are the score of one answer, even beside others
PLAIN = ("exact_match", "accuracy", "acc")
# metrics under which stock tasks hand answers over instead of scoring them
_HANDED_OVER = ("submission", "passthrough")


@dataclass(frozen=True)
class ScoreRule:
    """How the score of one answer is taken out of the base's results.

    Attributes
    ----------
    keys : tuple of str
        Tried in turn; empty for a task without labels.
    field : str or None
        Where in the value the number stands.
    function : callable or None
        Of (document, answer, results), instead of a key.
    aggregations : mapping
        Key -> the base's own aggregation, if that scores the sample.
    """

    keys: tuple[str, ...] = ()
    field: str | None = None
    function: Callable[..., float | None] | None = None
    aggregations: Mapping[str, Callable[..., Any]] | None = None

    @property
    def labelled(self) -> bool:
        """Whether answers are scored at all."""
        return bool(self.keys or self.function)

    def read(self, doc: Any, answer: str, results: Mapping[str, Any]) -> float:
        """The score of one answer, in [0, 1].

        Raises
        ------
        UndefinedMetricError
            With the reason, if there is none.
        """
        if self.function is not None:
            try:
                value = self.function(doc, answer, dict(results))
            except UndefinedMetricError:
                raise
            except Exception as error:  # of the user's code; the answer keeps its signals
                raise ScorerError(f"the score function failed: {reason_of(error)}") from error
            return _number(value, "the score function's value")
        if not self.keys:
            raise UndefinedMetricError("the task has no reference answers")
        key = next((key for key in self.keys if key in results), None)
        if key is None:
            raise UndefinedMetricError(
                f"the scorer returned no {' or '.join(self.keys)}, only {', '.join(results)}"
            )
        value = results[key]
        if self.aggregations is not None:
            value = self.aggregations[key]([value])
        elif isinstance(value, Mapping):
            value = _at(value, self.field, key)
        return _number(value, f"the scorer's {key}")


def _at(value: Mapping[str, Any], field: str | None, key: str) -> Any:
    named = [field] if field else [name for name in FIELDS if name in value]
    if not named or named[0] not in value:
        raise UndefinedMetricError(
            f"the scorer's {key} has no {field or 'score'}, only {', '.join(map(str, value))}"
        )
    return value[named[0]]


def _number(value: Any, what: str) -> float:
    if value is None:
        raise UndefinedMetricError(f"{what} is empty")
    if not isinstance(value, numbers.Real) and not hasattr(value, "item"):
        raise UndefinedMetricError(f"{what} is no number but {str(value)[:80]!r}")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise UndefinedMetricError(f"{what} is no single number") from None
    if not math.isfinite(number) or not 0 <= number <= 1:
        raise UndefinedMetricError(f"{what} is {number:g}, outside [0, 1]")
    return number


def choose_score(
    task: str,
    settings: AttachSettings,
    metrics: Sequence[Mapping[str, Any]],
    outputs: Mapping[str, Shape],
) -> ScoreRule:
    """The rule that the settings ask for, or the only one there can be.

    Parameters
    ----------
    task : str
        Name, for messages.
    settings : AttachSettings
        Of the task.
    metrics : sequence of mapping
        The base's ``metric_list``, with aggregations as functions.
    outputs : mapping of str to Shape
        What the base's scorer returns, as far as that is known.

    Raises
    ------
    SetupError
        If the score is ambiguous or the key unknown; the message says what there is.
    """
    function = settings.score_function
    if function is not None:
        return ScoreRule(function=function)
    names = [str(metric["metric"]) for metric in metrics]
    if settings.score == (NO_SCORE,):
        return ScoreRule()
    keys = settings.score
    if not keys:
        keys, field = _only(task, settings, metrics, outputs)
        return ScoreRule(keys, settings.field or field)
    readable = outputs and ELSEWHERE not in outputs
    unknown = [key for key in keys if readable and key not in outputs]
    if unknown:
        raise SetupError(
            f"task {task}: {settings.base} returns no {unknown[0]!r}. {_menu(names, outputs)}"
        )
    if not settings.aggregate:
        return ScoreRule(keys, settings.field)
    known = {m["metric"]: m["aggregation"] for m in metrics if callable(m.get("aggregation"))}
    missing = [key for key in keys if key not in known]
    if missing:
        raise SetupError(f"task {task}: {settings.base} has no aggregation of {missing[0]!r}.")
    return ScoreRule(keys, aggregations=known)


def _only(
    task: str,
    settings: AttachSettings,
    metrics: Sequence[Mapping[str, Any]],
    outputs: Mapping[str, Shape],
) -> tuple[tuple[str, ...], str | None]:
    """Keys and field of the only score there can be; no keys for a task without labels."""
    names = [str(metric["metric"]) for metric in metrics]
    better = {str(metric["metric"]) for metric in metrics if metric.get("higher_is_better", True)}
    scored = [name for name in names if not any(word in name for word in _HANDED_OVER)]
    if names and not scored:
        return (), None
    shapes = {name: outputs.get(name, outputs.get(ELSEWHERE)) for name in scored if name in better}
    places = {name: _place(shape, settings.field) for name, shape in shapes.items() if shape}
    usable = {name: place for name, place in places.items() if place is not None}
    plain = [name for name in PLAIN if name in usable]
    if len(plain) == 1 or len(usable) == 1:
        key = plain[0] if len(plain) == 1 else next(iter(usable))
        return (key,), usable[key][0]
    values = set(usable.values())
    if len(values) == 1 and next(iter(values))[1]:  # one value under several names
        return tuple(usable), next(iter(values))[0]
    unknown = [n for n, shape in shapes.items() if not outputs or (shape and shape.kind == "any")]
    if not usable and len(scored) == 1 and unknown:
        return (scored[0],), settings.field  # the first sample will tell
    raise SetupError(ambiguous(task, settings, names, list(usable), outputs))


def _place(shape: Shape, wanted: str | None) -> tuple[str | None, str] | None:
    """(field, expression) of the number in a value, or None if there is no obvious one."""
    if shape.kind == "number":
        return None, shape.source
    named = [wanted] if wanted else [name for name in FIELDS if name in shape.fields]
    for name in named:
        found = shape.fields.get(name)
        if found is not None and found.kind in ("number", "any"):
            return name, found.source
    return None


def ambiguous(
    task: str,
    settings: AttachSettings,
    names: Sequence[str],
    usable: Sequence[str],
    outputs: Mapping[str, Shape],
) -> str:
    """One line: why there is no score, what there is, how to say which."""
    why, option = f"scores answers in {len(usable)} ways", ""
    if not usable:
        why, option = "scores no single answer, as far as its source tells", " --aggregate"
    return (
        f"task {task}: {settings.base} {why}. {_menu(usable or names, outputs)} Choose one: "
        f"python -m vrp_tasks.attach {settings.base} --score KEY{option} -o FOLDER, then "
        "--include_path FOLDER (docs/tasks.md)."
    )


def _menu(names: Sequence[str], outputs: Mapping[str, Shape]) -> str:
    """The keys there are, with their fields."""
    keys = [key for key in outputs if key != ELSEWHERE] or list(names)
    if ELSEWHERE in outputs:
        keys = list(dict.fromkeys([*keys, *names]))
    described = []
    for key in keys:
        shape = outputs.get(key, outputs.get(ELSEWHERE, ANY))
        fields = [name for name in shape.fields if name != ELSEWHERE]
        described.append(f"{key} ({', '.join(fields)})" if fields else key)
    return f"Keys: {'; '.join(described)}."
