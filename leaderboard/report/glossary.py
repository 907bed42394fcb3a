"""What a name in the report means, on hover: of signals as declared, of figures in a sentence."""

from __future__ import annotations

import re

from leaderboard.report.words import capital
from metrics.card.statistics import STATISTICS
from metrics.signals import BY_NAME, SIGNALS

FIGURES = {
    "AUROC": "Chance that a right answer has a higher value than a wrong one; 0.5 is a coin.",
    "AUROC in kind": "That chance between answers to questions of one kind only.",
    "p": "Chance of a figure so far from a coin's if the signal told nothing, adjusted for all.",
    "rank": "Place among the signals, as an interval; overlapping ranks are ties.",
    "could see": "Smallest true difference that would have been found with 80 % power.",
    "class": "What it costs, from 0, nothing, to 4, another model.",
    "less the free one": "Its AUROC less that of token confidence, on the same answers.",
    "extra": "What is done for it beside the scored answer.",
    "spread": "Standard deviation of the true differences among models and benchmarks.",
    "errors": "Wrong answers among those that have the signal.",
    "passes": "Answers decoded, all on the prefill of the first.",
    "fusion, one pass": "Out-of-fold logistic regression on all that one pass gives, by image.",
    "fusion with samples": "Out-of-fold logistic regression on one pass and the samples, by image.",
    "answer only": "Out of fold, how often an answer of these words is right. A control.",
    "question only": "Out of fold, from the question's words: knows no image. A control.",
    "kind only": "Out of fold, how often its kind of question is answered right. A control.",
}


def glossary() -> dict[str, str]:
    """Name as it is shown -> what it means, in plain words, and where it comes from."""
    found = {s.label: s.note for s in STATISTICS if s.note} | FIGURES
    for signal in SIGNALS:
        about = re.sub(r"`([^`]+)`", _shown, signal.about)
        words = (capital(about), f"Source: {signal.source}", f"Key: {signal.name}")
        found[signal.label] = " ".join(f"{text}." for text in words if text)
    return found


def _shown(quoted: re.Match[str]) -> str:
    """A signal that a definition names, as the report names it."""
    own = BY_NAME.get(quoted[1])
    return quoted[1] if own is None else own.label
