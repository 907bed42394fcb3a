"""The gate before scoring: a broken signal must not look like an uninformative one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

# a uniform map in float32 gives ln S give or take 1e-7
RELATIVE_SPREAD = 1e-6
ROUNDING = 1e-4  # sums of many probabilities in single precision


def check_signal(
    values: ArrayLike, *, bounds: tuple[float, float] = (-np.inf, np.inf)
) -> str | None:
    r"""Say why a signal may not be scored, or nothing if it may.

    Rejected: infinite values, no value at all, values outside the declared range by more than
    rounding (:math:`10^{-4}`), and a signal that is constant over the run, where constant means
    :math:`\max v - \min v \le 10^{-6} \max |v|`: a hook that catches a uniform map gives ln S to
    rounding error, and would read as AUROC 0.5.

    Parameters
    ----------
    values : float array, shape (n_samples,)
        One value per sample, NaN where missing.
    bounds : (float, float), default any
        Least and largest value there can be, as of `metrics.signals.Signal`.

    Returns
    -------
    str or None
        The reason, fit to be printed after "INVALID:".

    References
    ----------
    Method §0 (ours).

    Examples
    --------
    >>> import numpy as np
    >>> check_signal([0.1, 0.2, np.nan]) is None
    True
    >>> check_signal([6.356108, 6.356108, 6.356108])
    'constant over the run: 6.35611 for all 3 samples'
    >>> check_signal([0.2, 1.3], bounds=(0, 1))
    'outside its range [0, 1]: 0.2 … 1.3'
    """
    v = np.asarray(values, dtype=np.float64).ravel()
    n_infinite = int(np.isinf(v).sum())
    if n_infinite:
        return f"infinite for {n_infinite} of {v.size} samples"
    present = v[~np.isnan(v)]
    if not present.size:
        return f"missing for all {v.size} samples"
    low, high = bounds
    least, largest = present.min(), present.max()
    if least < low - ROUNDING or largest > high + ROUNDING:
        return f"outside its range [{low:g}, {high:g}]: {least:g} … {largest:g}"
    if np.ptp(present) <= RELATIVE_SPREAD * np.abs(present).max():
        return f"constant over the run: {present[0]:g} for all {present.size} samples"
    return None
