"""Where in the layers an answer is decided: summaries of a margin per layer.

The margins come from the capture side: final norm, then unembedding, of every layer's state.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from metrics.core.checks import (
    FloatArray,
    finite_array,
    finite_differences,
    refuse,
    same_length,
    share_of_one,
    unit_scaled,
)
from metrics.errors import UndefinedMetricError


@dataclass(frozen=True)
class MarginSummary:
    """A margin through the layers, embeddings = layer 0.

    ``silent_until`` is the last layer of the silent phase, or None if the margin moves at once.
    """

    peak_layer: int
    peak_margin: float
    final_margin: float
    silent_until: int | None
    suppression_layers: tuple[int, ...]


def answer_margin(logits_by_layer: ArrayLike, token: int) -> FloatArray:
    r"""Logit of one token less the largest other logit, per layer.

    .. math:: \Delta M_l = z_l(t) - \max_{v \ne t} z_l(v)

    For the true answer's token the margin is *oracle*; for the given answer's it is deployable.
    Higher means the layer favours the token more. Range: unbounded; positive where it is first.

    Parameters
    ----------
    logits_by_layer : float array, shape (n_layers + 1, n_vocabulary)
        Logit lens of each layer.
    token : int
        Index of the token.

    Returns
    -------
    float array, shape (n_layers + 1,)
        Margins.

    Raises
    ------
    ValueError
        If the token is outside the vocabulary or a logit is not finite.

    References
    ----------
    arXiv 2605.08200 (truth margin); the deployable margin is ours.

    Examples
    --------
    >>> answer_margin([[1.0, 0.0, 2.0], [5.0, 1.0, 2.0]], 0).tolist()
    [-1.0, 3.0]
    """
    logits = finite_array("answer_margin", "logits_by_layer", logits_by_layer, ndim=2)
    size = logits.shape[1]
    if not 0 <= token < size or size < 2:
        raise refuse("answer_margin", "token", f"in 0 … {size - 1} of at least 2", token)
    others = np.delete(logits, token, axis=1).max(axis=1)
    return finite_differences("answer_margin", "logits_by_layer", logits[:, token], others)


def margin_summary(margins: ArrayLike, *, share: float = 0.1) -> MarginSummary:
    r"""Peak, silent phase and suppression of a margin through the layers.

    .. math:: l^* = \arg\max_l M_l, \qquad
        \text{silent: } |M_j - M_0| \le \rho R \ \forall j \le l, \qquad
        \text{suppressed: } M_l - M_{l-1} \le -\rho R

    with :math:`R = \max M - \min M` and :math:`\rho` the share. No direction: a description. Range:
    layers 0 … L.

    Parameters
    ----------
    margins : float array, shape (n_layers + 1,)
        From `answer_margin`, of one sample or averaged.
    share : float, default 0.1
        Share of the range below which a change counts as silence.

    Returns
    -------
    MarginSummary
        Layers and values; ties of the peak go to the earlier layer.

    Raises
    ------
    UndefinedMetricError
        If there are fewer than two layers or the margin is constant.
    ValueError
        If a margin is not finite, or ``share`` is outside [0, 1].

    References
    ----------
    arXiv 2605.08200 names these phases; the thresholds are ours.

    Examples
    --------
    >>> margin_summary([0.0, 0.1, 0.2, 6.0, 9.0, 7.0])
    ... # doctest: +NORMALIZE_WHITESPACE
    MarginSummary(peak_layer=4, peak_margin=9.0, final_margin=7.0, silent_until=2,
                  suppression_layers=(5,))
    """
    share_of_one("margin_summary", "share", share)
    m = finite_array("margin_summary", "margins", margins)
    if m.size < 2 or m.min() == m.max():
        raise UndefinedMetricError("the margin is constant or has fewer than two layers")
    unit = unit_scaled(m)
    threshold = share * float(np.ptp(unit))
    awake = int(np.argmax(np.abs(unit - unit[0]) > threshold))
    falls = np.flatnonzero(np.diff(unit) <= -threshold) + 1
    peak = int(m.argmax())
    return MarginSummary(
        peak_layer=peak,
        peak_margin=float(m[peak]),
        final_margin=float(m[-1]),
        silent_until=awake - 1 if awake > 1 else None,
        suppression_layers=tuple(falls.tolist()),
    )


def mlp_share(from_mlp: ArrayLike, from_attention: ArrayLike) -> float:
    r"""Share of the MLP blocks in the growth of a margin.

    .. math:: \frac{\sum_l m_l}{\sum_l m_l + \sum_l a_l}

    with :math:`m_l, a_l` what MLP and attention of layer :math:`l` add to the final margin by
    direct logit attribution, the final norm's scale frozen. The rest is the share of attention.
    No direction: a description. Range: unbounded, since one side may work against the other; in
    :math:`[0, 1]` when neither does.

    Parameters
    ----------
    from_mlp, from_attention : float array, shape (n_layers,)
        Additions per layer, of one sample or averaged.

    Returns
    -------
    float
        The share.

    Raises
    ------
    UndefinedMetricError
        If the margin does not grow through the layers.
    ValueError
        If lengths differ or a value is not finite.

    References
    ----------
    arXiv 2605.08200 (shares of MLP and attention); direct logit attribution after Elhage et al.
    (2021), "A mathematical framework for transformer circuits".

    Examples
    --------
    >>> mlp_share([1.0, 2.0], [0.0, 1.0])
    0.75
    """
    mlp = finite_array("mlp_share", "from_mlp", from_mlp)
    attention = finite_array("mlp_share", "from_attention", from_attention)
    same_length("mlp_share", "from_attention", attention, mlp.size)
    both = unit_scaled(np.stack([mlp, attention]))
    from_each = both.sum(axis=1)
    growth = float(from_each.sum())
    if growth <= 0:
        raise UndefinedMetricError("the margin does not grow through the layers")
    return float(from_each[0]) / growth
