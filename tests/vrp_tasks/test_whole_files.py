"""What stands at a path is what was written last as a whole."""

import numpy as np
import pytest
from safetensors.numpy import load_file

from vrp_tasks.whole_files import whole_file, write_arrays, write_text


def fail_half_way(path, *, shared):
    with whole_file(path, shared=shared) as partial:
        partial.write_text("seco")
        assert path.read_text() == "first"
        raise OSError("full")


@pytest.mark.parametrize("shared", [False, True])
def test_a_writer_that_fails_leaves_what_was_there(tmp_path, shared):
    path = tmp_path / "own.json"
    write_text(path, "first", shared=shared)
    with pytest.raises(OSError, match="full"):
        fail_half_way(path, shared=shared)
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_writers_of_a_shared_place_have_a_file_each(tmp_path):
    path = tmp_path / "own.json"
    with whole_file(path, shared=True) as one, whole_file(path, shared=True) as other:
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"  # it ended last


def test_arrays_can_be_read_by_others_as_what_lies_beside_them(tmp_path):
    path = tmp_path / "own.safetensors"
    write_arrays(path, {"a": np.arange(3)})
    assert load_file(path)["a"].tolist() == [0, 1, 2]
    assert path.stat().st_mode & 0o777 == 0o644
