"""How much of the attention goes to the image, in the layers where the image is read."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from metrics.core.checks import refuse
from metrics.errors import UndefinedMetricError

WINDOW = (5 / 32, 18 / 32)  # the paper's layers 5 to 18 of 32, both included


def svar(mass_by_layer: ArrayLike) -> float:
    r"""Visual attention ratio of the middle layers at the answer's positions.

    .. math:: \mathrm{SVAR} = \frac{1}{|W|} \sum_{l \in W} \sum_{j \in I} \bar a^{(l)}_j

    with :math:`\bar a^{(l)}_j` the attention to image token j, mean over heads and over the
    positions that predict the answer, and W the layers at the depth of the paper's 5 to 18 of 32.
    The paper sums over its window; the mean ranks alike and stays comparable between models.
    Layers without attention (NaN) are left out. Higher means more likely correct. Range:
    :math:`[0, 1]`.

    Parameters
    ----------
    mass_by_layer : float array, shape (n_layers,)
        Share of attention on the image in each layer; NaN in a layer that does not attend.

    Returns
    -------
    float
        A mean share.

    Raises
    ------
    UndefinedMetricError
        If no layer of the window attends.
    ValueError
        If a share is outside [0, 1], or there is no layer.

    References
    ----------
    Jiang et al. (2025), arXiv 2411.16724.

    Examples
    --------
    >>> round(svar([0.9, 0.2, 0.4, 0.0, 0.0, 0.0]), 4)
    0.2
    """
    mass = np.asarray(mass_by_layer, dtype=np.float64)
    if mass.ndim != 1 or not mass.size:
        raise refuse("svar", "mass_by_layer", "(n_layers,)", f"shape {mass.shape}")
    wrong = mass[~np.isnan(mass) & ~((mass >= 0) & (mass <= 1 + 1e-3))]
    if wrong.size:
        raise refuse("svar", "mass_by_layer", "shares in [0, 1]", f"{wrong[0]:g}")
    first, last = (round(depth * mass.size) for depth in WINDOW)
    inside = mass[first : last + 1]
    attending = inside[~np.isnan(inside)]
    if not attending.size:
        raise UndefinedMetricError("no layer in the middle of this model attends with a softmax")
    return float(min(attending.mean(), 1.0))
