"""Requests of our tasks, answered and observed a slice at a time; all others stay stock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from tqdm import tqdm

from metrics.record.records import SampleRecord
from vrp_tasks.access.base import Access, Asked, Seen
from vrp_tasks.access.isolation import isolated
from vrp_tasks.access.perturbation import asked_again
from vrp_tasks.companion import Companion, companions_for
from vrp_tasks.run.failures import Failures
from vrp_tasks.run.looking import Looked, look
from vrp_tasks.run.session import Session
from vrp_tasks.run.slices import slices
from vrp_tasks.seam.readable_docs import UnaskedText

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
        results: list[Any] = [None] * len(requests)
        rest = sorted(set(range(len(requests))) - set(mine))
        if rest:
            others = self.access.stock([requests[i] for i in rest])
            for index, result in zip(rest, others, strict=True):
                results[index] = result
        self.access.wait_for_others(requests)
        # the stock adapters take a whole batch to be of its first request's task
        tasks = list(dict.fromkeys(requests[i].task_name for i in mine))
        for task in self.access.tasks_of_all(tasks):
            own = [i for i in mine if requests[i].task_name == task]
            answers = self._observed(task, [requests[i] for i in own]) if own else []
            for index, answer in zip(own, answers, strict=True):
                results[index] = answer
            self.access.wait_for_others(requests)
        return results

    def _is_ours(self, request: Any) -> bool:
        padding = request.metadata.get("__padding_only__")
        return self.session.owns(request.task_name) and not padding

    def _observed(self, task: str, requests: list[Any]) -> list[str]:
        """Answers of one task's requests, observed and written to the run folder as they come."""
        session, access = self.session, self.access
        texts = session.known.of_requests(task, requests)
        failures = Failures(
            task, n=len(requests), share=access.settings.max_failed, answered=len(texts)
        )
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
                    looked = [self._look(request, companions) for request in own]
                    with session.timed():
                        seen = self._seen(own, looked, partial(asked, observers=observers), bar)
                        if "perturb" in access.settings.capture.extra:
                            seen = asked_again(access, asked(own), seen)
                    beside = partial(_after_slice, companions, own, seen)
                    records = session.observe(own, looked, seen, beside=beside)
                    texts |= {i: one.answer for i, one in zip(chosen, seen, strict=True)}
                    failures.note(seen, records)
            for companion in companions:
                companion.after_task(requests, [session.known.record(own) for own in requests])
        return [texts[i] for i in range(len(requests))]

    def _look(self, request: Any, companions: Sequence[Companion]) -> Looked:
        """A request's document as it will be shown, and what is not whole about it."""
        task, split = self.session.tasks[request.task_name], request.args[5]

        def without_media() -> Any:
            return task.dataset_no_image[split][request.doc_id]

        question = task.doc_to_text(without_media())  # as lmms-eval asks for it
        if isinstance(question, UnaskedText):
            return Looked(without_media(), [], question.reason)
        looked = look(partial(self._doc, request), task.doc_to_visual, without_media)
        if looked.failure is not None:
            return looked
        found = dict(looked.marks)
        for companion in companions:
            found |= companion.complaints(looked.doc)
        return replace(looked, marks=found)

    def _seen(
        self,
        requests: list[Any],
        looked: Sequence[Looked],
        asked: Callable[[list[Any]], Asked],
        bar: Any,
    ) -> list[Seen]:
        """Those that can be shown, observed; one that fails costs itself alone."""
        access = self.access
        never = access.never()
        found = {
            i: Seen.failed(own.failure, never)
            for i, own in enumerate(looked)
            if own.failure is not None
        }
        bar.update(len(found))
        left = [i for i in range(len(requests)) if i not in found]

        def observe(part: list[Any]) -> list[Seen]:
            seen = access.observe(asked(part))
            bar.update(len(seen))
            return seen

        def lost(request: Any, reason: str) -> Seen:
            bar.update(1)
            return access.after_failure(asked([request]), reason)

        own = [requests[i] for i in left]
        at_once = access.at_once or len(own)
        seen = isolated(observe, own, at_once=at_once, lost=lost)
        found |= dict(zip(left, seen, strict=True))
        return [found[i] for i in range(len(requests))]

    def _asked(self, task: str) -> Callable[..., Asked]:
        def make(requests: list[Any], **options: Any) -> Asked:
            return Asked(
                task=task,
                split=requests[0].args[5],
                requests=requests,
                targets=self._targets,
                visuals=self._visuals,
                others=self._others,
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
            try:
                yield show(docs[(int(request.doc_id) + turn * step) % n])
            except Exception:  # noqa: BLE001 - a document that cannot be shown; the next one may
                continue

    def _targets(self, request: Any) -> list[str]:
        """The reference answers of a document, for oracle measurements only."""
        try:
            target = self.session.tasks[request.task_name].doc_to_target(self._doc(request))
        except Exception:  # noqa: BLE001 - of the user's code; the label will say so
            return []
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
