"""What a reader of records loads, and what it must not."""

import subprocess
import sys

import pytest

HEAVY = ("lmms_eval", "matplotlib", "pandas", "scipy", "sklearn", "statsmodels", "torch")
LEARNING = {"scipy", "sklearn", "pandas"}  # scikit-learn imports pandas where it is installed


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("metrics", set()),
        ("metrics.record.records", set()),
        ("metrics.record.store", set()),
        ("metrics.signals", LEARNING),
        ("metrics.card.of_records", LEARNING),
        ("leaderboard.runs.read", LEARNING),
    ],
)
def test_a_module_loads_what_it_needs_only(module, allowed):
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & {set(HEAVY)!r}))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(ran.stdout.split()) <= allowed
