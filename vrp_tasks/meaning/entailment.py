"""Which answers entail, contradict and support each other, by a checkpoint for entailment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import torch
from transformers import AutoModelForSequenceClassification

from vrp_tasks.errors import SetupError
from vrp_tasks.meaning.answers import Answers
from vrp_tasks.meaning.checkpoints import fitting, loaded

WHAT = "a model for entailment"
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
Row = tuple[str, str, str, float]  # kind, first, second, value


class Entailment:
    """Any sequence classifier with labels for entailment and contradiction.

    Parameters
    ----------
    name : str
        Folder or hub id of the checkpoint.
    batch_size : int
        Pairs at once.

    Raises
    ------
    SetupError
        If it is no such model.
    """

    def __init__(self, name: str, *, batch_size: int) -> None:
        self._model, self._tokenizer = loaded(AutoModelForSequenceClassification, name, what=WHAT)
        self._batch_size = batch_size
        labels = {
            int(own): str(label).lower() for own, label in self._model.config.id2label.items()
        }
        self._entails = _only(name, labels, "entail")
        self._contradicts = _only(name, labels, "contradict")
        self._options = fitting(self._model, self._tokenizer)

    def rows(self, answers: Answers) -> Iterator[Row]:
        """Entailment, contradiction and support of every two texts of a question."""
        pairs = list(answers.pairs())
        asked = [(answers.asked(first), answers.asked(second)) for first, second in pairs]
        sentences = [_SENTENCE.split(second.strip()) for _, second in pairs]
        parts = [
            (answers.asked(first), answers.asked(sentence))
            for (first, _), own in zip(pairs, sentences, strict=True)
            for sentence in (own if len(own) > 1 else ())
        ]
        found = self._probabilities([*asked, *parts])
        rest = iter(found[len(asked) :])
        for (first, second), whole, own in zip(pairs, found, sentences, strict=False):
            yield "entailment", first, second, whole[0]
            yield "contradiction", first, second, whole[1]
            supports = [next(rest) for _ in own] if len(own) > 1 else [whole]
            yield "support", first, second, sum(map(_share, supports)) / len(supports)
        yield from self._claims(answers)

    def _claims(self, answers: Answers) -> Iterator[Row]:
        """Entailment and contradiction of the answer with one token replaced."""
        claims = answers.claims()
        asked = [(answers.asked(other), answers.asked(claim)) for other, claim in claims]
        found = self._probabilities(asked)
        for (other, claim), (entails, contradicts) in zip(claims, found, strict=True):
            yield "claim_entailment", other, claim, entails
            yield "claim_contradiction", other, claim, contradicts

    @torch.inference_mode()
    def _probabilities(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[float, float]]:
        """Of entailment and contradiction, premise first."""
        found: list[tuple[float, float]] = []
        for start in range(0, len(pairs), self._batch_size):
            premises, hypotheses = zip(*pairs[start : start + self._batch_size], strict=True)
            inputs = self._tokenizer(list(premises), list(hypotheses), **self._options)
            logits = self._model(**inputs.to(self._model.device)).logits.float()
            chosen = logits.softmax(dim=-1)[:, [self._entails, self._contradicts]]
            found += [(min(e, 1.0), min(c, 1.0)) for e, c in chosen.tolist()]
        return found


def _share(probabilities: tuple[float, float]) -> float:
    """Entailment in entailment and contradiction."""
    entails, contradicts = probabilities
    return entails / (entails + contradicts) if entails + contradicts > 0 else 0.5


def _only(name: str, labels: dict[int, str], word: str) -> int:
    """The label that begins with a word."""
    own = [number for number, label in labels.items() if label.startswith(word)]
    if len(own) != 1:
        shown = ", ".join(str(label) for label in list(labels.values())[:6])
        raise SetupError(f"{name} is not {WHAT}: none of its labels is {word}… ({shown}).")
    return own[0]
