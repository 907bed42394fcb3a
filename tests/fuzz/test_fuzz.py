"""A few thousand spoilt files; `python -m tests.fuzz 100000` makes as many as one likes."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.fuzz.attack import attack, findings
from tests.fuzz.readers import READERS
from tests.fuzz.watched import Escaped, only_within


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.mark.parametrize("name", READERS)
def test_nothing_but_our_own_errors_comes_of_a_spoilt_file(name):
    assert not list(findings(3000, only=name))


def test_what_is_not_our_error_is_a_finding(monkeypatch):
    def broken(folder, rng):
        raise ZeroDivisionError("by hand")

    monkeypatch.setitem(READERS, "broken", (broken, 1))
    assert attack("broken", 0) == "ZeroDivisionError: by hand"


def test_writing_elsewhere_and_starting_a_program_are_findings(tmp_path):
    with only_within(tmp_path / "own"):
        with pytest.raises(Escaped, match="outside"):
            (tmp_path / "outside").write_text("x")
        with pytest.raises(Escaped):
            os.system("true")
        with pytest.raises(Escaped):
            subprocess.run(["true"], check=False)
        assert Path(__file__).read_text("utf-8")
