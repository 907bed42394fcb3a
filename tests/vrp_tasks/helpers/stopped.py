"""Runs that are stopped, continued and compared."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
from loguru import logger

from tests.vrp_tasks.helpers.evaluation import evaluate, read
from vrp_tasks.access.transformers import TransformersAccess
from vrp_tasks.run import answering

QUICK = "k=0,hidden_dtype=none"


def run(tasks, output, *, task="vrp_by_file", limit=None, arguments=QUICK, **more):
    """The latest complete run of a task after one evaluation of it."""
    evaluate("qwen2_vl", [task], tasks, output=output, limit=limit, arguments=arguments, **more)
    return latest(output)


def latest(output):
    return read(max(output.glob("*/*_vrp/manifest.json")).parent)


@contextmanager
def asked():
    """Documents that the model is asked while the block runs."""
    stock, found = TransformersAccess.observe, []

    def observe(self, own):
        found.extend(str(request.doc_id) for request in own.requests)
        return stock(self, own)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransformersAccess, "observe", observe)
        yield found


@contextmanager
def slices_of(size, *, stop_after=None):
    """Slices of so many documents; after some of them the run is stopped, as by Ctrl-C."""
    stock, seen = TransformersAccess.observe, []

    def observe(self, own):
        if stop_after is not None and len(seen) >= stop_after * size:
            raise KeyboardInterrupt
        seen.extend(own.requests)  # a batch at a time, whatever a slice is
        return stock(self, own)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answering, "_SLICE", size)
        patch.setattr(TransformersAccess, "observe", observe)
        yield


def stopped(*args, size=4, after=2, **more):
    """Run, and be stopped after some slices."""
    with slices_of(size, stop_after=after), pytest.raises(KeyboardInterrupt):
        run(*args, **more)


@contextmanager
def said():
    """Lines of the log while the block runs."""
    lines = []
    handler = logger.add(lambda line: lines.append(str(line)), format="{message}", level="INFO")
    try:
        yield lines
    finally:
        logger.remove(handler)


def plain(records):
    """Records without the place of their arrays, which is another in every folder."""
    return [replace(record, shard=None, row=None) for record in records]
