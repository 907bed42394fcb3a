"""Evaluates many run folders at once: one process per core, the same figures as one by one."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from leaderboard.aggregate import Board, RunResult, assemble, evaluate_run
from leaderboard.read import Problem, absent_paths, find_run_folders, read_or_explain

# A worker takes about as long to start as one run of 3,000 samples to evaluate.
FEWEST_RUNS = 4


def evaluate_paths(paths: Iterable[Path], *, n_resamples: int, n_workers: int = 0) -> Board:
    """Evaluate every run folder at or below the paths.

    Parameters
    ----------
    paths : iterable of Path
        Run folders, or folders that hold some.
    n_resamples : int
        Bootstrap resamples of each interval.
    n_workers : int, default 0
        Processes; 0 takes one per core from four runs on, else this process alone.

    Returns
    -------
    Board
        In the order of the folders, whichever worker ends first.
    """
    paths = list(paths)
    folders = find_run_folders(paths)
    evaluate = partial(evaluate_folder, n_resamples=n_resamples)
    if not n_workers:
        n_workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        n_workers = n_workers if len(folders) >= FEWEST_RUNS else 1
    if n_workers == 1:
        results = [evaluate(folder) for folder in folders]
    else:
        # spawn: a fork would copy the threads of numpy and pyarrow in an unknown state
        with ProcessPoolExecutor(n_workers, mp_context=get_context("spawn")) as pool:
            results = list(pool.map(evaluate, folders))
    return assemble([*absent_paths(paths), *results], n_resamples=n_resamples)


def evaluate_folder(folder: Path, *, n_resamples: int) -> RunResult | Problem:
    """Read and evaluate one run folder; its records stay in the process that read them."""
    run = read_or_explain(folder)
    return run if isinstance(run, Problem) else evaluate_run(run, n_resamples=n_resamples)
