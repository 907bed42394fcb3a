"""What tests of the metrics share."""

import gc

import pytest


@pytest.fixture(scope="module")
def few_objects():
    """Garbage collection made short: statsmodels asks for one in each adjustment."""
    gc.freeze()
    yield
    gc.unfreeze()
