"""What a file may have is checked before it is read."""

import io
import os
import tracemalloc
from pathlib import Path

import pytest

from metrics.record.bounded_file import MEGA, bytes_within, text_within


def sparse(path, size):
    with path.open("wb") as file:
        file.truncate(size)
    return path


@pytest.mark.parametrize("size", [0, 1, 9])
def test_a_file_within_the_limit_is_read_whole(tmp_path, size):
    (tmp_path / "own").write_bytes(b"a" * size)
    with (tmp_path / "own").open("rb") as file:
        assert text_within(file, 9) == "a" * size
    assert bytes_within(io.BytesIO(b"a" * size), 9) == b"a" * size


def test_a_file_that_is_larger_is_not_read(tmp_path):
    tracemalloc.start()
    with (
        sparse(tmp_path / "own", 2**34).open("rb") as file,
        pytest.raises(OSError, match="it has more than 64 MB"),
    ):
        text_within(file, 64 * MEGA)
    assert tracemalloc.get_traced_memory()[1] < MEGA
    tracemalloc.stop()


def test_no_more_is_read_of_what_says_no_size():
    with Path("/dev/zero").open("rb") as file, pytest.raises(OSError, match=r"more than 0\.5 MB"):
        bytes_within(file, MEGA // 2)
    with pytest.raises(OSError, match="more than"):
        bytes_within(io.BytesIO(b"a" * 10), 9)


def test_a_pipe_is_read():
    reading, writing = os.pipe()
    os.write(writing, b"own")
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        assert text_within(file, 9) == "own"


def test_what_is_no_text_is_said(tmp_path):
    with pytest.raises(UnicodeDecodeError):
        text_within(io.BytesIO(b"\xff\xff"), 9)
