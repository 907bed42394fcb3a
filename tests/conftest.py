"""Settings of the whole test run."""

import os

from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the fastest for models of a million parameters
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# No deadlines, since cores are shared; the same examples in every run, so that a failure belongs to
# the change that made it.
settings.register_profile("house", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("house")

# a file goes to one worker: those that take longest go first, so that none is left for the end
_FIRST = (
    "tests/vrp_tasks/run/test_end_to_end.py",
    "tests/vrp_tasks/attach/test_end_to_end.py",
    "tests/vrp_tasks/run",
    "tests/vrp_tasks/interventions",
    "tests/vrp_tasks/attach",
)


def pytest_collection_modifyitems(items):
    """Order files by what they take."""

    def rank(item):
        starts = (n for n, start in enumerate(_FIRST) if item.nodeid.startswith(start))
        return next(starts, len(_FIRST))

    items.sort(key=rank)
