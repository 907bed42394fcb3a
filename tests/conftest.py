"""Settings of the whole test run."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the fastest for models of a million parameters
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
