"""Another model compares a run's answers, in a process of its own: no torch in this one."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from leaderboard.errors import OutsideError
from metrics.record.tables import SIMILARITIES_FILE

COMMAND = "vrp_tasks.meaning"


@contextmanager
def similarities_of(
    folder: Path, *, given: Path | None, checkpoints: Mapping[str, str | None]
) -> Iterator[Path | None]:
    """A file of similarities: the one that is given, or one that checkpoints make.

    Parameters
    ----------
    folder : Path
        The run.
    given : Path or None
        A file.
    checkpoints : mapping of str to str or None
        Options of ``python -m vrp_tasks.meaning``, and their checkpoints.

    Yields
    ------
    Path or None
        None where nothing is asked for.

    Raises
    ------
    OutsideError
        If both are asked for, or the checkpoints cannot be used; in the command's own words.
    """
    asked = [part for n, own in checkpoints.items() if own for part in (f"--{n}", own)]
    if given is not None and asked:
        raise OutsideError(f"--similarities and {asked[0]}: give one of the two.")
    if not asked:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="vrp-meaning-") as scratch:
        file = Path(scratch) / SIMILARITIES_FILE
        command = [sys.executable, "-m", COMMAND, str(folder), *asked, "-o", str(file)]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode or not file.is_file():
            said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise OutsideError(said[-1].removeprefix("vrp-tasks: "))
        yield file
