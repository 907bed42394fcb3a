r"""How far the gaps of bins move by chance, when answers of one image are not independent.

The gap of a bin is :math:`g_b = \frac1n \sum_{i \in b} (y_i - p_i)`. Residuals of one image are
exchangeably correlated, as in generalised estimating equations (Liang and Zeger 1986, Biometrika
73), so with :math:`m_b` the true accuracy of a bin its gap is normal with

.. math:: \mathrm{cov}(g_b, g_c) = \tfrac{1}{n^2} \sqrt{m_b (1 - m_b) \, m_c (1 - m_c)} \,
    [n_b \delta_{bc} + \rho (N_{bc} - n_b \delta_{bc})]

where N counts the pairs of a sample in b and one in c of the same image. The variance is that of
the *hypothetical* accuracy (as in a score test), so a bin whose answers all agree still has one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metrics.calibration.bins import bin_of_each
from metrics.core.checks import BoolArray, FloatArray, IntArray

N_DRAWS = 4000


@dataclass(frozen=True)
class Gaps:
    r"""The filled bins of one probability, and unit draws of their noise.

    ``noise`` of shape (n_bins, N_DRAWS) becomes that of the gaps when multiplied by
    :math:`\sqrt{m (1 - m)}`; ``variance`` is that of the gaps, never 0. ``effect`` is the design
    effect: how many answers count as one.
    """

    gap: FloatArray
    mean_prob: FloatArray
    share: FloatArray
    variance: FloatArray
    noise: FloatArray
    effect: float
    n: int

    @property
    def plug_in(self) -> float:
        """Sum of the absolute gaps: the ECE as usually printed."""
        return float(np.abs(self.gap).sum())

    def reduced(self, by: float) -> FloatArray:
        """Likeliest true gaps whose sum is smaller (``by`` > 0) or larger than the plug-in ECE.

        They minimise the distance to the observed gaps, in units of their variances.
        """
        size = np.abs(self.gap) - by * self.variance
        return self._legal(self._sign * (np.maximum(size, 0) if by >= 0 else size))

    def spread(self, by: float) -> FloatArray:
        """True gaps of ``by`` standard errors each: of all with their sum, they add least noise."""
        return self._legal(self._sign * by * np.sqrt(self.variance))

    @property
    def to_nothing(self) -> float:
        """Argument of `reduced` at which all gaps are gone."""
        return float((np.abs(self.gap) / self.variance).max()) * (1 + 1e-9)

    @property
    def to_the_end(self) -> float:
        """Argument of `spread`, or negated of `reduced`, at which all gaps are at their largest."""
        return float((self.share / np.minimum(self.variance, np.sqrt(self.variance))).max())

    @property
    def _sign(self) -> FloatArray:
        inward = np.where(self.mean_prob < 0.5, 1.0, -1.0)
        found: FloatArray = np.where(self.gap == 0, inward, np.sign(self.gap))
        return found

    def plug_in_given(self, true: FloatArray) -> FloatArray:
        """Draws of the plug-in ECE if these were the true gaps."""
        accuracy = self.mean_prob + true / self.share
        spread = np.sqrt(np.clip(accuracy * (1 - accuracy), 0, None))
        drawn: FloatArray = np.abs(true[:, None] + spread[:, None] * self.noise).sum(axis=0)
        return drawn

    def _legal(self, gaps: FloatArray) -> FloatArray:
        """Gaps that leave each bin's accuracy in [0, 1]."""
        legal: FloatArray = np.clip(
            gaps, -self.mean_prob * self.share, (1 - self.mean_prob) * self.share
        )
        return legal


def gaps_of(
    correct: BoolArray,
    prob: FloatArray,
    group: IntArray,
    *,
    n_bins: int,
    equal_mass: bool = False,
) -> Gaps:
    """Return the gaps of a probability."""
    index, _ = bin_of_each(prob, n_bins, equal_mass=equal_mass)
    bin_: IntArray = np.unique(index, return_inverse=True)[1]
    count, right = np.bincount(bin_), np.bincount(bin_, weights=correct)
    within = _correlation(_pearson(correct, (right / count)[bin_]), group)
    noise = _draws(_covariance(bin_, group, within)) / prob.size
    accuracy = (right + 0.5) / (count + 1)  # Agresti and Coull (1998): never 0 or 1
    return Gaps(
        gap=np.bincount(bin_, weights=correct - prob) / prob.size,
        mean_prob=np.bincount(bin_, weights=prob) / count,
        share=count / prob.size,
        variance=accuracy * (1 - accuracy) * noise.var(axis=1),
        noise=noise,
        effect=1 + within * _n_pairs(group) / prob.size,
        n=prob.size,
    )


def _pearson(correct: BoolArray, accuracy: FloatArray) -> FloatArray:
    """Residuals from the accuracy of each sample's bin, with variance 1; 0 where all agree."""
    spread = np.sqrt(accuracy * (1 - accuracy))
    found: FloatArray = np.divide(
        correct - accuracy, spread, out=np.zeros(spread.size), where=spread > 0
    )
    return found


def _correlation(residual: FloatArray, group: IntArray) -> float:
    """Correlation of two answers about one image, in [0, 1].

    Where nothing varies nothing is known of it, and an image counts as one answer.
    """
    square, n_pairs = float((residual**2).sum()), _n_pairs(group)
    if not n_pairs:
        return 0.0
    if not square:
        return 1.0
    products = float((np.bincount(group, weights=residual) ** 2).sum()) - square
    return float(np.clip(products / n_pairs / (square / residual.size), 0, 1))


def _n_pairs(group: IntArray) -> int:
    """Ordered pairs of two samples of one image."""
    size = np.bincount(group)
    return int((size * (size - 1)).sum())


def _covariance(bin_: IntArray, group: IntArray, within: float) -> FloatArray:
    count = np.zeros((int(group.max()) + 1, int(bin_.max()) + 1))
    np.add.at(count, (group, bin_), 1)
    alone = np.diag(count.sum(axis=0))
    found: FloatArray = alone + within * (count.T @ count - alone)
    return found


def _draws(covariance: FloatArray) -> FloatArray:
    """Normal draws, the same for the same input: a quadrature, not a source of chance."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.clip(values, 0, None))
    half = root @ np.random.default_rng(0).normal(size=(values.size, N_DRAWS // 2))
    return np.concatenate([half, -half], axis=1)
