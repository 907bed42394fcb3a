"""Files of strangers, read within a limit: a file of gigabytes ends in a line, not in memory."""

from __future__ import annotations

import errno
import os
from io import UnsupportedOperation
from typing import IO

MEGA = 2**20


def text_within(file: IO[bytes], most: int) -> str:
    """The text of an open file, UTF-8.

    Parameters
    ----------
    file : binary file
        At its beginning. What says its size is refused before anything is read; of what does not
        (a pipe, a device) no more is read than may be.
    most : int
        Bytes that it may have.

    Raises
    ------
    OSError
        If it has more, with ``strerror`` that says so.
    UnicodeDecodeError
        If it is not UTF-8.
    """
    return bytes_within(file, most).decode("utf-8")


def bytes_within(file: IO[bytes], most: int) -> bytes:
    """The content of an open file; OSError if it has more than ``most`` bytes."""
    size = _size_of(file)
    if size <= most:
        data = file.read() if size else file.read(most + 1)  # which takes that room beforehand
        if len(data) <= most:
            return data
    raise OSError(errno.EFBIG, f"it has more than {most / MEGA:g} MB")


def _size_of(file: IO[bytes]) -> int:
    try:
        return os.fstat(file.fileno()).st_size
    except UnsupportedOperation:  # in memory
        return 0
