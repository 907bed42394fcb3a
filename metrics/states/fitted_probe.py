"""A probe fitted once and kept: to score new answers, and to see what transfers between tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from metrics.core.checks import FloatArray, Labels, at_least, binary_labels, codes, refuse
from metrics.core.folds import grouped_folds, require_classes
from metrics.errors import UndefinedMetricError
from metrics.fitting.linear_probe import (
    Basis,
    check_states,
    inner_validation,
    layer_states,
    logistic_path,
    rising,
)
from metrics.states.probes import DEFAULT_CS, MIN_PER_CLASS


@dataclass(frozen=True)
class FittedProbe:
    """An L2 logistic probe of one layer, in the dimensions of the hidden state.

    Attributes
    ----------
    layer : int
        Index into the stored layers, embeddings = 0.
    n_layers_stored, d_model : int
        Of the states it was fitted on; it takes no others.
    mean, inverse_scale, weight : float array, shape (d_model,)
        Decision = weight · ((h − mean) · inverse_scale) + intercept.
    intercept, slope, offset : float
        P(correct) = 1 / (1 + exp(−(slope · decision + offset))), Platt-fitted on decisions that
        were out of fold. A slope of 0 or less: out of fold they did not rank the answers.
    """

    layer: int
    n_layers_stored: int
    d_model: int
    mean: FloatArray
    inverse_scale: FloatArray
    weight: FloatArray
    intercept: float
    slope: float
    offset: float

    def decision(self, hidden: NDArray[np.floating]) -> FloatArray:
        """Log-odds before calibration, shape (n,), of states (n, n_layers_stored, d_model).

        Raises ValueError for states of another model.
        """
        if hidden.ndim != 3 or hidden.shape[1:] != (self.n_layers_stored, self.d_model):
            legal = f"(n, {self.n_layers_stored}, {self.d_model}), those of the model it was fitted"
            raise refuse("FittedProbe", "hidden", f"{legal} on", f"shape {hidden.shape}")
        z = (hidden[:, self.layer].astype(np.float64) - self.mean) * self.inverse_scale
        decision: FloatArray = z @ self.weight + self.intercept
        return decision

    def probability(self, hidden: NDArray[np.floating]) -> FloatArray:
        """P(correct), shape (n,)."""
        probability: FloatArray = expit(self.slope * self.decision(hidden) + self.offset)
        return probability

    def to_arrays(self) -> tuple[dict[str, FloatArray], dict[str, Any]]:
        """Arrays, and JSON-ready numbers, from which `from_arrays` rebuilds the probe."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        return arrays, {name: getattr(self, name) for name in (*_INTEGERS, *_NUMBERS)}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[np.floating]], numbers: Mapping[str, Any]
    ) -> FittedProbe:
        """Rebuild a probe; ValueError if something is missing, of another shape or not finite."""
        absent = sorted(({*_ARRAYS} - set(arrays)) | ({*_INTEGERS, *_NUMBERS} - set(numbers)))
        if absent:
            raise refuse("FittedProbe", "arrays and numbers", "complete", f"no {absent[0]}")
        integers = {name: int(numbers[name]) for name in _INTEGERS}
        floats = {name: float(numbers[name]) for name in _NUMBERS}
        vectors = {name: np.asarray(arrays[name], dtype=np.float64) for name in _ARRAYS}
        if not 0 <= integers["layer"] < integers["n_layers_stored"]:
            legal = f"in 0 … {integers['n_layers_stored'] - 1}"
            raise refuse("FittedProbe", "layer", legal, integers["layer"])
        for name, vector in vectors.items():
            if vector.shape != (integers["d_model"],) or not np.isfinite(vector).all():
                legal = f"{integers['d_model']} finite numbers"
                raise refuse("FittedProbe", name, legal, f"shape {vector.shape}")
        if not np.isfinite(list(floats.values())).all():
            raise refuse("FittedProbe", "intercept, slope, offset", "finite", floats)
        whole: dict[str, Any] = {**integers, **vectors, **floats}
        return cls(**whole)


_ARRAYS = ("mean", "inverse_scale", "weight")
_INTEGERS = ("layer", "n_layers_stored", "d_model")
_NUMBERS = ("intercept", "slope", "offset")


def fit_probe(
    hidden: NDArray[np.floating],
    correct: ArrayLike,
    groups: Labels,
    *,
    rng: np.random.Generator,
    n_folds: int = 5,
    Cs: Sequence[float] = DEFAULT_CS,
    max_components: int | None = 256,
) -> FittedProbe:
    r"""Fit the L2 probe on all samples, to be used on other ones.

    .. math:: P(\text{correct} \mid h) = \sigma(\alpha\, (w^\top z + b) + \beta)

    Layer and :math:`C` have the best mean AUROC over grouped folds (ties: the earlier layer, the
    smaller C); :math:`\alpha, \beta` are fitted on the decisions of those folds. Its own AUROC on
    these samples is no measure of anything: that of `cross_fit_probe` is. Higher means more likely
    correct. Range: probabilities in :math:`(0, 1)`.

    Parameters
    ----------
    hidden : float array, shape (n_samples, n_layers + 1, d_model)
        States, embeddings first.
    correct : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    groups : sequence, length n_samples
        Image of each sample.
    rng : numpy.random.Generator
        Source of the split.
    n_folds : int, default 5
        Folds that choose layer and C.
    Cs : sequence of float
        Inverse strengths tried.
    max_components : int or None, default 256
        As in `cross_fit_probe`.

    Returns
    -------
    FittedProbe
        Independent of this package: a few vectors and numbers.

    Raises
    ------
    UndefinedMetricError
        If a class has fewer than 20 samples or sits in fewer groups than folds, or no layer varies.
    ValueError
        If ``hidden`` is not finite or an argument is malformed.

    References
    ----------
    Method §4 (transfer, loaded probes); Platt (1999).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> correct = np.arange(200) % 2
    >>> hidden = rng.normal(size=(200, 3, 4))
    >>> hidden[:, 1, 2] += 3 * correct
    >>> probe = fit_probe(hidden, correct, range(200), rng=rng)
    >>> probe.layer, bool(((probe.probability(hidden) > 0.5) == correct).mean() > 0.85)
    (1, True)
    """
    label = binary_labels("fit_probe", "correct", correct)
    at_least("fit_probe", "n_folds", n_folds, 2)
    check_states("fit_probe", hidden, label.size)
    cs = rising("fit_probe", Cs)
    group = codes("fit_probe", "groups", groups, label.size)
    require_classes(label, group, MIN_PER_CLASS, n_folds)
    fold = grouped_folds(label, group, n_folds=n_folds, rng=rng)
    best: tuple[float, int, int, FloatArray, Basis] | None = None
    for layer in range(hidden.shape[1]):
        x = layer_states("fit_probe", hidden, layer)
        basis = Basis.fit(x, max_components)
        if basis is None:
            continue
        decisions, aurocs = inner_validation(basis.transform(x), label, fold, cs)
        i = int(aurocs.argmax())
        if best is None or aurocs[i] > best[0]:
            best = (float(aurocs[i]), layer, i, decisions[i], basis)
    if best is None:
        raise UndefinedMetricError("the hidden states do not vary at any layer")
    _, layer, i, decisions, basis = best
    z = basis.transform(layer_states("fit_probe", hidden, layer))
    ((coef, intercept),) = logistic_path(z, label, cs[i : i + 1])
    platt = LogisticRegression(C=1e6).fit(decisions[:, None], label)
    return FittedProbe(
        layer=layer,
        n_layers_stored=hidden.shape[1],
        d_model=hidden.shape[2],
        mean=basis.mean.astype(np.float64),
        inverse_scale=basis.inverse_scale.astype(np.float64),
        weight=basis.to_input(coef),
        intercept=intercept,
        slope=float(platt.coef_[0, 0]),
        offset=float(platt.intercept_[0]),
    )
