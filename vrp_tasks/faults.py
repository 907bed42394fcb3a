"""Errors of code that is not ours: in words, and whether they are one document's or the run's."""

from __future__ import annotations

import re
import traceback

from vrp_tasks.errors import CaptureError, SampleError, SetupError

_ADDRESS = re.compile(r" object at 0x[0-9a-f]+")  # another in each run
_LONGEST = 300  # characters of a reason
_OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")


def reason_of(error: BaseException) -> str:
    """An error in one line: its type and what it says."""
    error = _first(error)
    said, name = " ".join(_ADDRESS.sub("", str(error)).split()), type(error).__name__
    if len(said) > _LONGEST:
        said = f"{said[:_LONGEST]}…"
    if said and isinstance(error, (CaptureError, SampleError)):
        return said.rstrip(".")
    return f"{name}: {said}".rstrip(".") if said else name


def _first(error: BaseException) -> BaseException:
    """What was raised before somebody tried again and gave up (tenacity's RetryError)."""
    attempt = getattr(error, "last_attempt", None)
    found = attempt.exception() if attempt is not None else None
    return error if found is None else found


def ends_run(error: BaseException) -> bool:
    """Whether no other document can be answered either.

    The user's settings are wrong, or the device is lost: CUDA raises the same error from then on.
    """
    lost = type(error).__name__ == "AcceleratorError" or "CUDA error" in str(error)
    return isinstance(error, SetupError) or (lost and not is_out_of_memory(error))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that less at a time may do."""
    if type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(w in str(error) for w in _OUT_OF_MEMORY)


def let_go(error: BaseException) -> None:
    """Free what the frames of an error hold: tensors, on a device that has no room."""
    one: BaseException | None = error
    while one is not None:
        traceback.clear_frames(one.__traceback__)
        one.__traceback__ = None
        one = one.__cause__ or one.__context__
