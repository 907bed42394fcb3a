"""A task made to run on some of its documents, whose row numbers stay what they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


class ChosenDocs:
    """Documents of which only some are there: going through them is as fast as it can be.

    Positions stay what they were, so a document keeps its row number.
    """

    def __init__(self, docs: Any, rows: Sequence[int]) -> None:
        self._docs, self._rows = docs, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> Any:
        return self._docs[row]

    def __iter__(self) -> Iterator[Any]:
        """Every position up to the last chosen one; None where the document is not chosen."""
        at = 0
        for row in self._rows:
            while at < row:
                yield None
                at += 1
            yield self._docs[row]
            at += 1


def restrict(task: Any, rows: list[int]) -> None:
    """Make a task run on these rows only."""
    own = type(task)

    class Restricted(own):  # type: ignore[misc, valid-type]
        """The task's class, with requests for chosen rows only."""

        _instances: list[Any]

        @property
        def eval_docs(self) -> ChosenDocs:
            return ChosenDocs(super().eval_docs, rows)

        @property
        def eval_docs_no_media(self) -> ChosenDocs:
            return ChosenDocs(super().eval_docs_no_media, rows)

        def fewshot_context(self, doc: Any, *args: Any, **kwargs: Any) -> Any:
            return "" if doc is None else super().fewshot_context(doc, *args, **kwargs)

        def build_all_requests(self, **kwargs: Any) -> None:
            # lmms-eval's cache of requests knows nothing of parts
            super().build_all_requests(**{**kwargs, "cache_requests": False})
            built: list[Any] = self.instances
            self._instances = [i for i in built if i.metadata["doc_id"] in chosen]
            if not self.instances:  # fewer samples than ranks: one to pad with
                self._instances = [_padding(self, rows[0], built[0].metadata)]

    chosen = set(rows)
    Restricted.__name__ = own.__name__
    task.__class__ = Restricted


def _padding(task: Any, row: int, metadata: Mapping[str, Any]) -> Any:
    """A request that only keeps ranks in step, as lmms-eval itself makes them."""
    context = task.fewshot_context(task.eval_docs_no_media[row], 0)
    about = {**metadata, "doc_id": row, "__padding_only__": True}
    return task.construct_requests(doc_id=row, ctx=context, metadata=about)
