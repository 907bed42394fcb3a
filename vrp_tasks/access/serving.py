"""Requests through a stock adapter whose call of ``model.generate`` is served by a handler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lmms_eval.api.model import lmms

from vrp_tasks.access.stock import RecordingDocs, clone_request, patched_generate
from vrp_tasks.errors import CaptureError, SetupError

# (prepared tensors, other options of `generate`, documents of the batch) -> sequences
GenerateHandler = Callable[[dict[str, torch.Tensor], dict[str, Any], list[str]], torch.Tensor]


def serve(
    adapter: lmms,
    generate_until: Callable[[list[Any]], list[Any]],
    requests: list[Any],
    handler: GenerateHandler,
    doc_to_visual: Callable[[Any], Any],
) -> list[str]:
    """Send requests of one task through the stock adapter's own preparation and parsing.

    Parameters
    ----------
    adapter : lmms
        Whose model and documents.
    generate_until : callable
        The stock adapter's method.
    requests : list
        Of one task and split.
    handler : callable
        Serves each call of ``model.generate``: takes the prepared tensors, the other options
        and the documents of the batch (row numbers as strings); returns sequences as
        ``generate`` does.
    doc_to_visual : callable
        The task's: what a document shows, to say why the stock adapter failed on it.

    Returns
    -------
    list of str
        The stock adapter's answers.

    Raises
    ------
    CaptureError
        If documents and calls cannot be paired. Errors of the handler come through.
    SetupError
        If the stock adapter fails on a document without an image.
    """
    seen: list[Any] = []
    failure: list[BaseException] = []
    served = 0
    task, split = requests[0].args[4], requests[0].args[5]

    def generate(**options: Any) -> torch.Tensor:
        nonlocal served
        try:
            inputs = {k: v for k, v in options.items() if isinstance(v, torch.Tensor)}
            rest = {k: v for k, v in options.items() if k not in inputs}
            rows = len(inputs["input_ids"])
            docs = [str(doc) for doc in seen[served : served + rows]]
            sequences = handler(inputs, rest, docs)
        except Exception as error:
            failure.append(error)  # llava_hf turns any error into an empty answer
            raise
        served += rows
        return sequences

    clones = [clone_request(request) for request in requests]
    recording = _recording_docs(adapter, task, split, seen)
    with recording, patched_generate(adapter.model, generate):
        try:
            texts = generate_until(clones)
        except Exception as error:
            for doc in seen[served:]:
                _check_image(task, doc, doc_to_visual(adapter.task_dict[task][split][doc]), error)
            raise
    if failure:
        raise failure[0]
    if sorted(map(str, seen)) != sorted(str(r.doc_id) for r in requests) or len(seen) != served:
        raise CaptureError(
            f"{task}: {len(requests)} requests led to {served} captures of "
            f"{len(seen)} documents; answers and signals cannot be paired."
        )
    return [text if isinstance(text, str) else text.text for text in texts]


def _check_image(task: str, doc: Any, visuals: Any, error: Exception) -> None:
    """Raise SetupError if a document that the stock adapter failed on shows no image."""
    if not visuals:
        raise SetupError(
            f"task {task}: document {doc} shows no image, and this model's adapter in "
            f"lmms-eval cannot answer without one ({type(error).__name__}: {error}). Leave such "
            "documents out with process_docs in the task's YAML."
        ) from error


@contextmanager
def _recording_docs(adapter: lmms, task: str, split: str, seen: list[Any]) -> Iterator[None]:
    """Note which document the stock adapter looks at, in its own order."""
    before = adapter.task_dict[task]
    adapter.task_dict[task] = {split: RecordingDocs(before[split], seen)}
    try:
        yield
    finally:
        adapter.task_dict[task] = before
