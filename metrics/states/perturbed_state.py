"""How a token's distribution changes as the state behind it is pushed away from the token."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, rel_entr

from metrics.core.checks import FloatArray, refuse

RADIUS, STEPS = 20.0, 5  # the published code's
_ORIGINAL = (
    *("log_probability", "probability", "logit", "largest_probability", "largest_logit"),
    *("entropy", "logit_margin", "probability_margin", "logit_norm", "logit_deviation"),
    *("state_norm", "is_largest"),
)
_OVERALL = ("slope_norm", "radius_to_flip", "perturbation_energy")
_PERTURBED = (
    *("log_probability", "probability", "logit", "log_probability_lost", "largest_probability"),
    *("largest_logit", "has_flipped", "entropy", "logit_margin", "logit_norm", "kl", "js"),
    *("logit_cosine", "state_cosine", "state_distance"),
)
_SUMMARIES = ("min", "max", "mean", "std")
FEATURES: tuple[str, ...] = (
    *(f"original_{name}" for name in _ORIGINAL),
    *_OVERALL,
    *(f"perturbed_{name}_{how}" for name in _PERTURBED for how in _SUMMARIES),
)


def perturbed_state_features(
    states: NDArray[np.floating],
    logits: NDArray[np.floating],
    slope: NDArray[np.floating],
    token: int,
) -> FloatArray:
    r"""The 75 features of CCPS of one answer token.

    .. math:: h_s = h_0 + s \frac{R}{S} \frac{g}{\|g\|}, \qquad
        g = \nabla_h \big(-\log p(y \mid h)\big), \quad s = 0 \ldots S

    of the token itself as it is, of the way that it is pushed, and over the S steps the least, the
    largest, the mean and the standard deviation of what each leads to; R = 20, S = 5 as in the
    published code. Two things differ from it. A token that no step overturns has a radius to flip
    of R + R/S there, which is infinite in the code, and no classifier can read that. The
    Jensen–Shannon divergence is the mean of KL(p ‖ m), m the mixture; the code has the arguments
    the other way round. No direction: features. Range: unbounded.

    Parameters
    ----------
    states : float array, shape (S + 1, d_model)
        What the unembedding reads, as it is and pushed.
    logits : float array, shape (S + 1, n_vocabulary)
        What it makes of them.
    slope : float array, shape (d_model,)
        g; of length 0 where the token is certain, and then all states are the same.
    token : int
        y, the answer's.

    Returns
    -------
    float array, shape (75,)
        In the order of `FEATURES`.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    References
    ----------
    Khanmohammadi et al. (2025), arXiv 2505.21772.

    Examples
    --------
    >>> states = np.array([[1.0, 0.0]] + [[1.0 - s, s] for s in (4.0, 8.0)])
    >>> found = perturbed_state_features(states, states, np.array([-0.3, 0.3]), 0)
    >>> len(found), float(found[FEATURES.index("radius_to_flip")])
    (75, 4.0)
    """
    h, z = np.asarray(states, np.float64), np.asarray(logits, np.float64)
    if h.ndim != 2 or z.ndim != 2 or len(h) != len(z) or len(h) < 2 or slope.shape != h.shape[1:]:
        got = f"{h.shape}, {z.shape} and {np.shape(slope)}"
        legal = "(S + 1, d), (S + 1, n) and (d,)"
        raise refuse("perturbed_state_features", "states, logits and slope", legal, got)
    logp = log_softmax(z, axis=1)
    p = np.exp(logp)
    two = -np.partition(-z, 1, axis=1)[:, :2]  # the largest logits of each state
    two_p = -np.partition(-p, 1, axis=1)[:, :2]
    largest = z.argmax(axis=1)
    entropy = -np.where(p > 0, p * logp, 0.0).sum(axis=1)
    norm = np.linalg.norm(z, axis=1)
    original = [
        logp[0, token], p[0, token], z[0, token], two_p[0, 0], two[0, 0], entropy[0],
        two[0, 0] - two[0, 1], two_p[0, 0] - two_p[0, 1], norm[0], z[0].std(ddof=1),
        np.linalg.norm(h[0]), float(largest[0] == token),
    ]  # fmt: skip
    n_steps, lost = len(h) - 1, logp[0, token] - logp[:, token]
    flipped = largest[1:] != largest[0]
    to_flip = flipped.argmax() + 1 if flipped.any() else n_steps + 1
    energy = np.trapezoid(np.maximum(lost, 0.0)) / n_steps
    mixture = (p[0] + p[1:]) / 2
    perturbed = np.stack([
        logp[1:, token], p[1:, token], z[1:, token], lost[1:], two_p[1:, 0], two[1:, 0],
        flipped, entropy[1:], two[1:, 0] - two[1:, 1], norm[1:],
        rel_entr(p[0], p[1:]).sum(axis=1),
        (rel_entr(p[0], mixture) + rel_entr(p[1:], mixture)).sum(axis=1) / 2,
        _cosine(z), _cosine(h), np.linalg.norm(h[1:] - h[0], axis=1),
    ])  # fmt: skip
    summaries = [perturbed.min(axis=1), perturbed.max(axis=1), perturbed.mean(axis=1)]
    return np.array([
        *original, np.linalg.norm(slope), RADIUS / STEPS * to_flip, energy,
        *np.stack([*summaries, perturbed.std(axis=1)], axis=1).ravel(),
    ])  # fmt: skip


def _cosine(rows: FloatArray) -> FloatArray:
    """Of each row but the first with the first."""
    norm = np.linalg.norm(rows, axis=1)
    found: FloatArray = rows[1:] @ rows[0] / np.maximum(norm[1:] * norm[0], 1e-8)
    return found
