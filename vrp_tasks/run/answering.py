"""Requests of our tasks, answered and observed a slice at a time; all others stay stock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from tqdm import tqdm

from metrics.record.records import SampleRecord
from vrp_tasks.access.base import Access, Asked, Seen
from vrp_tasks.access.perturbation import asked_again
from vrp_tasks.companion import Companion, companions_for
from vrp_tasks.run.session import Session
from vrp_tasks.run.slices import slices

_FAR = 0.382  # of all documents
_SLICE = 64  # requests between two writes to the run folder


class Answering:
    """What stands in for a model's ``generate_until`` while our tasks run.

    Parameters
    ----------
    session : Session
        Of this evaluation.
    access : Access
        To the model.
    """

    def __init__(self, session: Session, access: Access) -> None:
        self.session, self.access = session, access

    def __call__(self, requests: list[Any]) -> list[Any]:
        """Observe the requests of our tasks; hand all others to the stock method."""
        mine = [i for i, request in enumerate(requests) if self._is_ours(request)]
        if not mine:
            return self.access.stock(requests)
        results: list[Any] = [None] * len(requests)
        rest = sorted(set(range(len(requests))) - set(mine))
        if rest:
            others = self.access.stock([requests[i] for i in rest])
            for index, result in zip(rest, others, strict=True):
                results[index] = result
        # the stock adapters take a whole batch to be of its first request's task
        for task in dict.fromkeys(requests[i].task_name for i in mine):
            own = [i for i in mine if requests[i].task_name == task]
            answers = self._observed(task, [requests[i] for i in own])
            for index, answer in zip(own, answers, strict=True):
                results[index] = answer
        return results

    def _is_ours(self, request: Any) -> bool:
        padding = request.metadata.get("__padding_only__")
        return self.session.owns(request.task_name) and not padding

    def _observed(self, task: str, requests: list[Any]) -> list[str]:
        """Answers of one task's requests, observed and written to the run folder as they come."""
        session, access = self.session, self.access
        texts = session.known.of_requests(task, requests)
        order = access.order(requests, [i for i in range(len(requests)) if i not in texts])
        asked = self._asked(task)
        companions = companions_for(access, session, task, asked)
        observers = [make for own in companions for make in own.observers()]
        progress = tqdm(
            total=len(requests),
            initial=len(texts),
            desc=f"{task} + signals",
            disable=not session.is_main,
        )
        with access.serving():
            with progress as bar:
                for chosen in slices(order, batch_size=access.batch_size, most=_SLICE):
                    own = [requests[i] for i in chosen]
                    with session.timed():
                        seen = access.observe(asked(own, observers=observers, progress=bar.update))
                        if "perturb" in access.settings.capture.extra:
                            seen = asked_again(access, asked(own), seen)
                    beside = partial(_after_slice, companions, own, seen)
                    docs = [self._doc(request) for request in own]
                    session.observe(own, docs, seen, beside=beside)
                    texts |= {i: one.answer for i, one in zip(chosen, seen, strict=True)}
            for companion in companions:
                companion.after_task(requests, [session.known.record(own) for own in requests])
        return [texts[i] for i in range(len(requests))]

    def _asked(self, task: str) -> Callable[..., Asked]:
        def make(requests: list[Any], **options: Any) -> Asked:
            return Asked(
                task=task,
                split=requests[0].args[5],
                requests=requests,
                targets=self._targets,
                visuals=self._visuals,
                others=self._others,
                captured_before=self.session.has_captured,
                **options,
            )

        return make

    def _doc(self, request: Any) -> Any:
        return self.access.lm.task_dict[request.args[4]][request.args[5]][request.doc_id]

    def _visuals(self, request: Any) -> Any:
        return self.session.tasks[request.task_name].doc_to_visual(self._doc(request))

    def _others(self, request: Any) -> Iterator[Any]:
        """What other documents show, the nearest far from this one: neighbours share images."""
        docs = self.access.lm.task_dict[request.args[4]][request.args[5]]
        show, n = self.session.tasks[request.task_name].doc_to_visual, len(docs)
        step = max(1, round(n * _FAR))
        for turn in range(1, n):
            yield show(docs[(int(request.doc_id) + turn * step) % n])

    def _targets(self, request: Any) -> list[str]:
        """The reference answers of a document, for oracle measurements only."""
        target = self.session.tasks[request.task_name].doc_to_target(self._doc(request))
        answers = target if isinstance(target, (list, tuple)) else [target]
        return [str(answer) for answer in answers if isinstance(answer, (str, int, float))]


def _after_slice(
    companions: Sequence[Companion],
    requests: Sequence[Any],
    seen: Sequence[Seen],
    records: Sequence[SampleRecord],
) -> None:
    """Show companions a slice, as far as it was captured."""
    told = [t for t in zip(requests, seen, records, strict=True) if t[1].is_captured]
    for companion in companions if told else ():
        companion.after_slice(*map(list, zip(*told, strict=True)))
