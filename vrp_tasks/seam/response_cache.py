"""``--use_cache``: lmms-eval's response cache, past which some requests go to the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def uncached(cache: Any, is_exempt: Callable[[Any], bool]) -> Iterator[None]:
    """Inside the block the cache neither answers exempt requests nor keeps their answers.

    Parameters
    ----------
    cache : lmms_eval.caching.response_cache.ResponseCache or None
        Of the evaluation.
    is_exempt : callable
        Request -> whether it goes to the model.
    """
    if cache is None:
        yield
        return
    stock = cache.execute

    def execute(lm: Any, reqtype: str, requests: list[Any]) -> list[Any]:
        exempt = [i for i, request in enumerate(requests) if is_exempt(request)]
        rest = [i for i, request in enumerate(requests) if not is_exempt(request)]
        results: list[Any] = [None] * len(requests)
        for chosen, answer in ((rest, stock), (exempt, _directly)):
            found = answer(lm, reqtype, [requests[i] for i in chosen]) if chosen else []
            for index, result in zip(chosen, found, strict=True):
                results[index] = result
        return results

    cache.execute = execute
    try:
        yield
    finally:
        del cache.execute


def _directly(lm: Any, reqtype: str, requests: list[Any]) -> list[Any]:
    found: list[Any] = getattr(lm, reqtype)(requests)
    return found
