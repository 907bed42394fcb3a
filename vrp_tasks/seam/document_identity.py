"""Which document lmms-eval is scoring: ``process_results`` is not told.

The evaluator scores a document in ``_process_document_results``, whose first argument is
(document number, document, requests); it is looked up in the module for each task.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from vrp_tasks.errors import SetupError
from vrp_tasks.place import Place, at_place

NAME = "_process_document_results"


@contextmanager
def told_documents(evaluator: ModuleType) -> Iterator[None]:
    """Inside the block, scorers can ask `vrp_tasks.place.current_place`."""
    stock: Callable[..., Any] | None = evaluator.__dict__.get(NAME)
    if stock is None:
        raise SetupError(
            f"lmms_eval.evaluator has no {NAME}: this version of lmms-eval is not one that "
            "vrp-tasks knows. Install lmms-eval 0.7.x."
        )

    @functools.wraps(stock)
    def process(item: Any, *, task: Any, **options: Any) -> Any:
        config = task.config
        split = config.test_split or config.validation_split
        with at_place(Place(str(config.task), str(split), str(item[0]))):
            return stock(item, task=task, **options)

    evaluator.__dict__[NAME] = process
    try:
        yield
    finally:
        evaluator.__dict__[NAME] = stock
