"""What no single column says: kinds, groups and references of published benchmarks."""

from __future__ import annotations

from collections import Counter
from typing import Any

_QUESTION_WORDS = ("what", "which", "where", "who", "whose", "when", "why", "how")
_AUXILIARIES = (
    *("is", "are", "was", "were", "do", "does", "did", "can", "could", "has", "have", "had"),
    *("will", "would", "should", "may", "might", "must"),
)


def question_form(doc: dict[str, Any]) -> str:
    """What kind of answer the question's own words ask for; never taken from the answers.

    Examples
    --------
    >>> question_form({"question": "How many dogs?"}), question_form({"question": "Is it on?"})
    ('number', 'yes/no')
    >>> question_form({"question": "What colour is this?"}), question_form({"question": "Hi."})
    ('what', 'other')
    """
    words = "".join(c if c.isalnum() else " " for c in doc["question"].lower()).split()
    if words[:2] in (["how", "many"], ["how", "much"]):
        return "number"
    first = words[0] if words else ""
    if first in _AUXILIARIES:
        return "yes/no"
    return first if first in _QUESTION_WORDS else "other"


def most_common_answer(doc: dict[str, Any]) -> str | None:
    """The answer most annotators gave (TextVQA, VizWiz); None on a split without answers."""
    answers = doc.get("answers") or []
    return Counter(answers).most_common(1)[0][0] if answers else None


def hallusion_set(doc: dict[str, Any]) -> str:
    """HallusionBench's set: one image and its edited versions, which are not independent."""
    return "/".join((doc["category"], doc["subcategory"], doc["set_id"]))


def hallusion_kind(doc: dict[str, Any]) -> str:
    """HallusionBench's category (visually dependent or supplement) and subcategory."""
    return f"{doc['category']} {doc['subcategory']}"


def hallusion_target(doc: dict[str, Any]) -> str:
    """HallusionBench's answer as a word."""
    return "yes" if doc["gt_answer"] == "1" else "no"
