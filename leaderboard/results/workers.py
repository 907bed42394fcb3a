"""Evaluates many run folders at once: one process per core, the same figures as one by one."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any, TypeVar

from leaderboard.results.aggregate import Board, RunResult, Within, assemble, evaluate_run
from leaderboard.results.cache import Cache
from leaderboard.results.summary import Summaries
from leaderboard.runs.read import (
    Problem,
    absent_paths,
    find_run_folders,
    or_explain,
    read_manifest,
    read_records,
)
from metrics.record.records import MANIFEST_FILE

Progress = Callable[[int, int], None]  # runs done, of so many
_T = TypeVar("_T")
# A worker takes about as long to start as one run of 3,000 samples to evaluate.
FEWEST_RUNS = 4
_SECONDS_BETWEEN_STEPS = 1.0


def evaluate_paths(
    paths: Iterable[Path],
    *,
    n_workers: int = 0,
    cache: Cache | None = None,
    summaries: Summaries = (),
    progress: Progress = lambda done, of: None,
    within: Within = lambda what, done, of: None,
) -> Board:
    """Evaluate every run folder at or below the paths.

    Parameters
    ----------
    paths : iterable of Path
        Run folders, or folders that hold some.
    n_workers : int, default 0
        Processes; 0 takes one per core from four runs to evaluate on, else this process alone.
    cache : Cache, optional
        Where results of the same content are looked for, and kept; made with the same summaries.
    summaries : iterable of Summary, default ()
        What is computed of each run beside its cards.
    progress : callable, optional
        Told how many runs of how many are done, before the first and after each.
    within : callable, optional
        Told how far a run is: of what, steps done, of how many. Of other processes' runs it is told
        from another thread, at times.

    Returns
    -------
    Board
        In the order of the folders, whichever worker ends first.
    """
    paths = list(paths)
    folders = find_run_folders(paths)
    evaluate = partial(evaluate_folder, cache=cache, summaries=tuple(summaries))
    if not n_workers:
        n_workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        keys = _keys(folders, cache)
        n_new = len(folders) - sum(cache is not None and cache.has(key) for key in keys)
        n_workers = n_workers if n_new >= FEWEST_RUNS else 1
    if n_workers == 1:
        alone = partial(evaluate, within=within)
        results = _told(map(alone, folders), len(folders), progress)
    else:
        # spawn: a fork would copy the threads of numpy and pyarrow in an unknown state
        context = get_context("spawn")
        with (
            _relaying(context, within) as steps,
            ProcessPoolExecutor(
                n_workers, mp_context=context, initializer=_tell, initargs=(steps,)
            ) as pool,
        ):
            results = _told(pool.map(evaluate, folders), len(folders), progress)
    if cache is not None:
        cache.keep_used(_keys(folders, cache))
    return assemble([*absent_paths(paths), *results])


@contextmanager
def _relaying(context: BaseContext, within: Within) -> Iterator[Any]:
    """A queue of what other processes have done, told to ``within`` as it comes."""
    steps = context.Queue()

    def relay() -> None:
        for step in iter(steps.get, None):
            within(*step)

    relayed = threading.Thread(target=relay, daemon=True)
    relayed.start()
    try:
        yield steps
    finally:
        steps.cancel_join_thread()
        steps.put(None)
        relayed.join(timeout=_SECONDS_BETWEEN_STEPS)  # a process that was killed may hold the queue


_steps: Any = None  # of a worker: where it tells what it has done


def _tell(steps: Any) -> None:  # noqa: ANN401
    global _steps
    _steps = steps


class _ToOthers:
    """Tells the process that started this one what is done, once a second at most."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, what: str, done: int, of: int) -> None:
        if _steps is None or (done and time.monotonic() - self._last < _SECONDS_BETWEEN_STEPS):
            return
        self._last = time.monotonic()
        _steps.put((what, done, of))


def _told(found: Iterable[_T], of: int, progress: Progress) -> list[_T]:
    """Collect, and tell after each."""
    progress(0, of)
    results = []
    for result in found:
        results.append(result)
        progress(len(results), of)
    return results


def evaluate_folder(
    folder: Path,
    *,
    cache: Cache | None = None,
    summaries: Summaries = (),
    within: Within | None = None,
) -> RunResult | Problem:
    """Read and evaluate one run folder; its records stay in the process that read them."""
    told = _ToOthers() if within is None else within
    read = partial(_evaluate, cache=cache, summaries=summaries, within=told)
    found = or_explain(folder, read)
    if isinstance(found, Problem):
        return found
    result, new_key = found
    if cache is not None and new_key is not None:
        cache.put(new_key, result.tasks)
    return result


def _evaluate(
    folder: Path, *, cache: Cache | None, summaries: Summaries, within: Within
) -> tuple[RunResult, str | None]:
    """Result of a run, and the name under which to keep it if it was not kept yet.

    The files are checked in either case: a changed one is damage, whatever is in the cache.
    """
    manifest = read_manifest(folder)
    key = next(iter(_keys([folder], cache)), None)
    kept = None if cache is None or key is None else cache.get(key)
    if kept is not None:
        return RunResult(str(manifest.model["name"]), folder, manifest, kept), None

    def of_run(what: str, done: int, of: int) -> None:
        within(f"{folder.name}, {what}", done, of)

    run = read_records(folder, manifest, progress=partial(of_run, "records read"))
    return evaluate_run(run, summaries=summaries, within=of_run), key


def _keys(folders: Iterable[Path], cache: Cache | None) -> list[str]:
    if cache is None:
        return []
    manifests = [folder / MANIFEST_FILE for folder in folders]
    return [cache.key(manifest.read_bytes()) for manifest in manifests if manifest.is_file()]
