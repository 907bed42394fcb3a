"""An adapter that returns fewer answers than it was asked for is found out, by name."""

from types import SimpleNamespace

import pytest

from vrp_tasks.access.base import texts_of
from vrp_tasks.errors import CaptureError


class Careless:
    pass


def test_answers_that_are_not_as_many_as_the_requests_are_no_answers():
    said = "Careless gave 1 answers to 2 requests; they cannot be paired."
    with pytest.raises(CaptureError, match=said):
        texts_of(Careless(), ["yes"], [None, None])


def test_answers_may_be_texts_or_hold_them():
    assert texts_of(Careless(), ["yes", SimpleNamespace(text="no")], [None, None]) == ["yes", "no"]
