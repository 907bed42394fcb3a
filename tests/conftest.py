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
