"""What the printed intervals and verdicts really do, on data whose truth is known.

A topic is a module of this package with ``DESIGNS``: each draws one data set and says whether the
interval covered the truth, or whether a verdict was a false alarm. ``python -m
benchmarks.simulations`` draws all of them and writes the tables of docs/statistics.md.
"""
