"""How a run ends early: one line, an exit code that says so, and what was answered is kept."""

from __future__ import annotations

import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from vrp_tasks.errors import FailuresError, SetupError
from vrp_tasks.run.session import Session

_FULL = "No space left on device"  # by Python's files, Arrow and safetensors alike


@contextmanager
def errors_in_one_line(cli: Namespace | None) -> Iterator[None]:
    """Exit with 1 and one line where lmms-eval would print a traceback and exit with 0.

    Parameters
    ----------
    cli : Namespace or None
        What the command line said. None is a call from Python, which gets the error itself; so
        does ``--verbosity DEBUG``, by which a user asks where an error came from, unless he can
        mend it himself (SetupError).

    Raises
    ------
    SystemExit
        With the line, exit code 1; with 130 after Ctrl-C or SIGTERM.
    """
    raw = cli is None or getattr(cli, "verbosity", None) == "DEBUG"
    try:
        yield
    except SetupError as error:
        if cli is None:
            raise
        raise SystemExit(f"vrp-tasks: {error}") from error
    except KeyboardInterrupt as stop:
        if raw:
            raise
        sys.stderr.write(f"vrp-tasks: stopped. {_notes(stop)}".rstrip() + "\n")
        raise SystemExit(128 + signal.SIGINT) from stop
    except Exception as error:
        if raw:
            raise
        raise SystemExit(f"vrp-tasks: {_as_line(error)} {_notes(error)}".rstrip()) from error


def _as_line(error: Exception) -> str:
    if isinstance(error, FailuresError):
        return str(error)
    said = str(error).strip().splitlines()
    if _FULL in str(error):
        return (
            f"the run failed, {_FULL.lower()} ({said[0]}). Make room, or give an --output_path "
            "with more."
        )
    what = f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
    return f"the run failed, {what.rstrip('.')}. --verbosity DEBUG shows where."


def _notes(error: BaseException) -> str:
    return " ".join(getattr(error, "__notes__", ()))


@contextmanager
def kept_is_said(session: Session) -> Iterator[None]:
    """Tell whoever ends the run early what is left of it.

    Raises
    ------
    SetupError
        If the run ended because its folder is gone.
    """
    path = session.folder.path
    try:
        yield
    except BaseException as error:
        if not session.keeps:
            raise
        if isinstance(error, Exception) and not path.is_dir():
            raise SetupError(
                f"the run folder {path} was removed while the run wrote to it, and what was "
                "answered with it. The same command starts anew."
            ) from error
        kept = f"What was answered so far is in {path}; the same command goes on from there."
        said = kept if any(True for _ in session.known.records()) else "Nothing was answered yet."
        error.add_note(said)
        raise


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Turn a scheduler's SIGTERM into KeyboardInterrupt while the block runs.

    Only in the main thread, where Python allows it, and only where nobody else handles the signal.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        yield
        return
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
