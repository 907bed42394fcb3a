"""From the answers of a sweep to rows of the run folder's table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from metrics.answers.normal_form import normalize_answer
from metrics.record.records import INTERVENTIONS_FILE, SampleRecord
from vrp_tasks.interventions.branches import Answer
from vrp_tasks.interventions.kinds import Group
from vrp_tasks.interventions.variants import Variant
from vrp_tasks.place import place_of


class SweepRows:
    """Rows of one task's sweep, written a slice of samples at a time.

    Parameters
    ----------
    access, session
        Decode, score and store.
    samples : dict of str to SampleRecord
        Document -> its clean pass.
    done : dict of str to set of Variant
        Document -> what an earlier, stopped run has written.

    Attributes
    ----------
    n_mismatched : int
        Clean answers that the stock adapter decoded to another text than was decoded here.
    """

    def __init__(
        self,
        access: Any,
        session: Any,
        samples: dict[str, SampleRecord],
        done: dict[str, set[Variant]],
    ) -> None:
        self._access, self._session = access, session
        self._samples, self._done = samples, done
        self._clean: dict[str, Answer] = {}
        self._found: dict[str, list[tuple[Variant, Answer]]] = {}
        self._rows: list[dict[str, Any]] = []
        self.n_mismatched = 0

    def missing(self, groups: list[Group], *docs: str) -> list[Group]:
        """The variants that some of the documents lack."""
        there = set.intersection(*(self._done.get(doc, set()) for doc in docs))
        left = [
            replace(group, variants=tuple(v for v in group.variants if v not in there))
            for group in groups
        ]
        return [group for group in left if group.variants]

    def note_clean(self, docs: list[str], answers: list[Answer]) -> None:
        """Clean answers of a batch."""
        self._clean |= dict(zip(docs, answers, strict=True))

    def note(self, doc: str, variant: Variant, answer: Answer) -> None:
        """One variant's answer."""
        if variant not in self._done.get(doc, set()):
            self._found.setdefault(doc, []).append((variant, answer))

    def finish(self, requests: list[Any], texts: list[str]) -> None:
        """Score what was noted; it stays until `write`."""
        for request, text in zip(requests, texts, strict=True):
            self._rows += self._rows_of(request, text)
        self.forget()

    def write(self) -> None:
        """Write the rows that are finished."""
        self._session.folder.add_rows(INTERVENTIONS_FILE, self._rows)
        self._rows = []

    def forget(self) -> None:
        """Let go what was noted and not written."""
        self._clean.clear()
        self._found.clear()

    def _rows_of(self, request: Any, stock_text: str) -> list[dict[str, Any]]:
        place = place_of(request)
        sample, clean = self._samples[place.doc_id], self._clean[place.doc_id]
        found = self._found.get(place.doc_id, [])
        rule = self._access.answer_rule(request)
        texts = rule.texts([clean.tokens, *(answer.tokens for _, answer in found)])
        length = rule.length(clean.tokens)  # log-probabilities are of the answer, not of its rest
        self.n_mismatched += texts[0] != stock_text.strip()
        doc = self._access.task_dict[place.task][place.split][int(place.doc_id)]
        correct = {t: self._session.judge(place, doc, t).correct for t in set(texts)}
        before = normalize_answer(texts[0])
        return [
            {
                **place._asdict(),
                "group": sample.group,
                **{name: getattr(variant, name) for name in Variant.__dataclass_fields__},
                "answer": text,
                "correct": correct[text],
                "clean_correct": correct[texts[0]],
                "agrees": int(normalize_answer(text) == before),
                "logprob": _mean(answer.clean_logprobs[:length]),
                "clean_logprob": _mean(clean.clean_logprobs[:length]),
            }
            for (variant, answer), text in zip(found, texts[1:], strict=True)
        ]


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None
