"""Documents of a task of ours that can all be gone through, and asked, whatever is bad about one.

lmms-eval reads a task's first document when it makes the task, and all of them when it scores with
media; a picture that cannot be decoded would end the run there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from vrp_tasks.faults import reason_of

_MARK = "_vrp_readable"


class UnaskedText(str):
    """Stands for a question that ``doc_to_text`` did not give; says why."""

    reason: str


_SPLITS = ("test_docs", "validation_docs")


class ReadableDocs:
    """A data set's documents."""

    def __init__(self, docs: Any, without_media: Any) -> None:
        self._docs, self._without_media = docs, without_media

    def __len__(self) -> int:
        return len(self._docs)

    def __getitem__(self, row: Any) -> Any:
        try:
            return self._docs[row]
        except Exception:  # noqa: BLE001 - whatever a decoder raises
            return self._without_media[row]

    def __iter__(self) -> Iterator[Any]:
        return (self[row] for row in range(len(self)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._docs, name)


def patch_documents(module: ModuleType) -> None:
    """Let ``ConfigurableTask`` of a module give such documents of tasks of ours; once."""
    task_class = getattr(module, "ConfigurableTask", None)
    if task_class is None or hasattr(task_class, _MARK):
        return
    setattr(task_class, _MARK, True)
    task_class.doc_to_text = _tolerant(task_class.doc_to_text)
    for name in _SPLITS:
        setattr(task_class, name, _readable(getattr(task_class, name), f"{name}_no_media"))


def _readable(stock: Callable[[Any], Any], no_media: str) -> Callable[[Any], Any]:
    @functools.wraps(stock)
    def docs(self: Any) -> Any:
        found = stock(self)
        if found is None or not _is_ours(self):
            return found
        return ReadableDocs(found, getattr(self, no_media)())

    return docs


def _tolerant(stock: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(stock)
    def doc_to_text(self: Any, doc: Any, *args: Any, **options: Any) -> Any:
        if not _is_ours(self):
            return stock(self, doc, *args, **options)
        try:
            found = stock(self, doc, *args, **options)
            if isinstance(found, str | int | list):
                return found
            reason = f"doc_to_text gives {type(found).__name__} instead of a text"
        except Exception as error:  # noqa: BLE001 - of the user's code
            reason = f"doc_to_text failed ({reason_of(error)})"
        unasked = UnaskedText("")
        unasked.reason = reason
        return unasked

    return doc_to_text


def _is_ours(task: Any) -> bool:
    metadata = getattr(task.config, "metadata", None)
    return isinstance(metadata, dict) and bool(metadata.get("vrp"))
