"""What a name in the report means, on hover: of signals as declared, of figures in a sentence."""

from __future__ import annotations

from metrics.card.statistics import STATISTICS
from metrics.signals import SIGNALS

FIGURES = {
    "AUROC": "Chance that a right answer has a higher value than a wrong one; 0.5 is a coin.",
    "AUROC in kind": "The same between answers to questions of one kind only.",
    "p": "Chance of a figure so far from a coin's if the signal told nothing, adjusted for all.",
    "rank": "Place among the signals, as an interval; overlapping ranks are ties.",
    "could see": "Smallest true difference that would have been found with 80 % power.",
    "class": "What it costs, from 0, nothing, to 4, another model.",
    "less the free one": "Its AUROC less that of token confidence, on the same answers.",
    "extra": "What is done for it beside the scored answer.",
    "spread": "Standard deviation of the true differences among models and benchmarks.",
    "errors": "Wrong answers among those that have the signal.",
    "passes": "Answers decoded, all on the prefill of the first.",
}


def glossary() -> dict[str, str]:
    """Name as it is shown -> what it means, in plain words, and where it comes from."""
    found = {s.label: s.note for s in STATISTICS if s.note} | FIGURES
    for signal in SIGNALS:
        about = f"{signal.about}. " if signal.about else ""
        found[signal.label] = f"{signal.name}: {about}Source: {signal.source}."
    return found
