"""Reliability metrics: arrays in, numbers out; undefined is undefined.

Needs NumPy, SciPy and scikit-learn only. No files, no torch, no plots. What is public stands in
``__init__.pyi`` and is imported when it is first used, so that ``import metrics.record``, all
that a reader of records needs, loads neither scikit-learn nor SciPy.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
