"""How much data a verdict needs: stated once, read by everything that gives one."""

LEAST_PER_CLASS = 30  # right, and wrong, answers: below it a figure is shown, but no verdict read
LEAST_GROUPS = 20  # images: below it cluster-robust intervals are too short in simulations
