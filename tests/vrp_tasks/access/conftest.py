"""What runs of these tests share."""

from __future__ import annotations

from functools import cache

import pytest
from lmms_eval.api.model import lmms

from vrp_tasks.tasks.shapes import docs

_SPLIT = cache(docs.load_test_split)


@pytest.fixture
def quick(monkeypatch):
    """A run's fixed costs left out: collecting garbage of no model, reading the same images."""
    monkeypatch.setattr(lmms, "clean", lambda self: None)
    monkeypatch.setattr(docs, "load_test_split", _SPLIT)
