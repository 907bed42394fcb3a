"""How many questions a comparison needs, from a run that is there."""

from __future__ import annotations

import math

from metrics.comparison.differences import smallest_detectable_difference
from metrics.core.checks import at_least, between, refuse

MOST = 10**9


def images_for_difference(
    stderr: float,
    n_groups: int,
    *,
    difference: float,
    power: float = 0.8,
    alpha: float = 0.05,
) -> int:
    r"""Images needed to find a true difference, from its standard error on the images there are.

    .. math:: G = \min \Big\{G : (t_{1 - \alpha/2, G - 1} + t_{power, G - 1}) \, SE
        \sqrt{G_0 / G} \le \delta \Big\}

    A standard error over images falls with the root of their number; what an image costs in
    questions, and what its answers have in common, stays as it is. Lower means a finer comparison.
    Range: :math:`[2, 10^9]`.

    Parameters
    ----------
    stderr : float
        Standard error of the difference over images, positive.
    n_groups : int
        The images that it is of, :math:`G_0`, at least 2.
    difference : float
        What is to be found, :math:`\delta`, positive.
    power : float in (alpha, 1), default 0.8
        Chance of finding it.
    alpha : float in (0, 1), default 0.05
        Two-sided level of the test.

    Returns
    -------
    int
        A number of images; the largest of its range where that is not enough.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    Cohen (1988), Statistical Power Analysis; Donner and Klar (2000), Design and Analysis of Cluster
    Randomization Trials, for clusters of a given size.

    Examples
    --------
    >>> images_for_difference(0.02, 100, difference=0.03)
    351
    """
    function = "images_for_difference"
    if not 0 < stderr < math.inf:
        raise refuse(function, "stderr", "finite and > 0", stderr)
    at_least(function, "n_groups", n_groups, 2)
    if not 0 < difference < math.inf:
        raise refuse(function, "difference", "finite and > 0", difference)
    between(function, "alpha", alpha, 0, 1 - 1e-12)
    between(function, "power", power, alpha, 1 - 1e-12)

    def is_found(images: int) -> bool:
        now = stderr * math.sqrt(n_groups / images)
        return difference >= smallest_detectable_difference(
            now, power=power, alpha=alpha, degrees=images - 1
        )

    low, high = 1, 2  # too few, and perhaps enough
    while high < MOST and not is_found(high):
        low, high = high, min(2 * high, MOST)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_found(middle) else (middle, high)
    return high
