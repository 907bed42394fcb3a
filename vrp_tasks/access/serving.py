"""Requests through a stock adapter whose call of ``model.generate`` is served by a handler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from vrp_tasks.access.base import Asked, texts_of
from vrp_tasks.errors import CaptureError, SampleError
from vrp_tasks.faults import ends_run, is_out_of_memory, reason_of
from vrp_tasks.seam.documents import recording_docs
from vrp_tasks.seam.model_generate import patched_generate
from vrp_tasks.seam.requests import clone_request

# (prepared tensors, other options of `generate`, documents of the batch) -> sequences
GenerateHandler = Callable[[dict[str, torch.Tensor], dict[str, Any], list[str]], torch.Tensor]


def serve(
    lm: Any, stock: Callable[[list[Any]], list[Any]], asked: Asked, handler: GenerateHandler
) -> list[str]:
    """Send requests of one task through the stock adapter's own preparation and parsing.

    Parameters
    ----------
    lm : lmms-eval model
        Whose model and documents.
    stock : callable
        Its own ``generate_until``.
    asked : Asked
        Requests of one task and split.
    handler : callable
        Serves each call of ``model.generate``: takes the prepared tensors, the other options
        and the documents of the batch (row numbers as strings); returns sequences as
        ``generate`` does.

    Returns
    -------
    list of str
        The stock adapter's answers.

    Raises
    ------
    CaptureError
        If documents and calls cannot be paired. Errors of the handler come through.
    SampleError
        If the stock adapter fails on a document without an image.
    """
    seen: list[Any] = []
    failure: list[BaseException] = []
    served = 0

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

    clones = [clone_request(request) for request in asked.requests]
    recording = recording_docs(lm, asked.task, asked.split, seen)
    with recording, patched_generate(lm.model, generate):
        try:
            texts = stock(clones)
        except Exception as error:
            if ends_run(error) or is_out_of_memory(error):
                raise
            _check_images(asked, {str(doc) for doc in seen[served:]}, error)
            raise
    if failure:
        raise failure[0]
    wanted = sorted(str(r.doc_id) for r in asked.requests)
    if sorted(map(str, seen)) != wanted or len(seen) != served:
        raise CaptureError(
            f"{asked.task}: {len(asked.requests)} requests led to {served} captures of "
            f"{len(seen)} documents; answers and signals cannot be paired."
        )
    return texts_of(lm, texts, asked.requests)


def _check_images(asked: Asked, docs: set[str], error: Exception) -> None:
    """Raise SampleError if a document that the stock adapter failed on shows no image."""
    for request in asked.requests:
        if str(request.doc_id) in docs and not asked.visuals(request):
            raise SampleError(
                f"this model's adapter in lmms-eval failed ({reason_of(error)}) where document "
                f"{request.doc_id} shows no image. If that is why, leave such documents out with "
                "process_docs in the task's YAML."
            ) from error
