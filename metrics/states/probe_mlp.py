"""A non-linear probe on the splits of the L2 probe."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.core.checks import BoolArray, FloatArray, IntArray, Labels, at_least, binary_labels
from metrics.core.folds import training_folds
from metrics.errors import UndefinedMetricError
from metrics.fitting.fit_spread import FittedScores
from metrics.fitting.linear_probe import States, layer_states, principal_coordinates
from metrics.fitting.mini_batches import Part, Recipe, log_odds
from metrics.fitting.repeats import reported_repeat
from metrics.states.probe_reference import N_REPEATS, check_reference, standardised_states
from metrics.states.probes import ProbeScores
from metrics.states.repeated_probe import MAX_COMPONENTS

MLP_HIDDEN = 128


def mlp_probe(
    hidden: NDArray[np.floating],
    correct: ArrayLike,
    *,
    reference: ProbeScores,
    rng: np.random.Generator,
    n_epochs: int = 50,
    n_repeats: int = N_REPEATS,
    max_components: int = MAX_COMPONENTS,
    kinds: Labels | None = None,
    answers: Labels | None = None,
) -> FittedScores:
    r"""Two-layer perceptron at the layers that the L2 probe chose, on its splits.

    .. math:: s_i = w_2^\top \mathrm{ReLU}(W_1 z_i + b_1) + b_2

    with 128 hidden units, Adam at a rate of 1e-4 and 50 epochs of batches of 32. Scores are
    log-odds, so folds compare as they are. Every repeat starts from other weights. Higher means
    more likely correct. Range: unbounded.

    Parameters
    ----------
    hidden : float array, shape (n_samples, n_layers + 1, d_model)
        States, embeddings first.
    correct : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    reference : ProbeScores
        Of `cross_fit_probe` on the same samples.
    rng : numpy.random.Generator
        Source of the weights' start.
    n_epochs : int, default 50
        Passes over the training part.
    n_repeats : int, default 6
        How many of the reference's splits; the one in the middle by AUROC is reported.
    max_components : int, default 256
        Of more dimensions than this it sees the leading principal axes, as the L2 probe does.
    kinds, answers : sequence, length n_samples, optional
        Passed on to `fit_spread`.

    Returns
    -------
    FittedScores
        Out-of-fold scores, and what fitting adds to their standard error.

    Raises
    ------
    UndefinedMetricError
        If the states do not vary at a chosen layer.
    ValueError
        If ``hidden`` is not finite, ``reference`` is of other samples, or an argument is malformed.

    References
    ----------
    arXiv 2605.08200, eq. 6; the hidden size is ours, and the paper splits rows.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> correct = np.arange(200) % 2
    >>> hidden = rng.normal(size=(200, 2, 4))
    >>> hidden[:, 1, 0] += 4 * correct
    >>> from metrics.states.probes import cross_fit_probe
    >>> reference = cross_fit_probe(hidden, correct, range(200), rng=rng)
    >>> scores = mlp_probe(hidden, correct, reference=reference, rng=rng, n_repeats=1).scores
    >>> from metrics.scores.discrimination import auroc
    >>> auroc(correct, scores) > 0.9
    True
    """
    at_least("mlp_probe", "n_epochs", n_epochs, 1)
    label = binary_labels("mlp_probe", "correct", correct)
    check_reference("mlp_probe", hidden, label, reference)
    at_least("mlp_probe", "n_repeats", n_repeats, 1)
    inputs: dict[int, States] = {}
    found = []
    for fold, layer_per_fold in reference.repeats[:n_repeats]:
        found.append(
            _mlp_split(
                inputs, hidden, label, (fold, layer_per_fold), rng,
                n_epochs=n_epochs, max_components=max_components,
            )
        )  # fmt: skip
    chosen, spread = reported_repeat(label, found, kinds=kinds, answers=answers)
    return FittedScores(found[chosen], spread)


def _mlp_split(
    inputs: dict[int, States],
    hidden: NDArray[np.floating],
    label: BoolArray,
    split: tuple[IntArray, IntArray],
    rng: np.random.Generator,
    *,
    n_epochs: int = 50,
    max_components: int = MAX_COMPONENTS,
) -> FloatArray:
    """Scores of one split, (folds, layer of each); ``inputs`` keeps what was made of a layer."""
    seed = int(rng.integers(2**31))
    parts = []
    for f, (train, test) in enumerate(training_folds(label, split[0])):
        layer = int(split[1][f])
        if layer not in inputs:
            inputs[layer] = _mlp_input(hidden, layer, max_components)
        parts.append(Part(inputs[layer], train, test))
    recipe = Recipe((MLP_HIDDEN,), rate=1e-4, decay=1e-4, batch=32, epochs=n_epochs)
    return log_odds(parts, label, recipe, seed)


def _mlp_input(hidden: NDArray[np.floating], layer: int, max_components: int) -> States:
    """Standardised states; of many dimensions the leading axes, at a mean square of 1."""
    x = layer_states("mlp_probe", hidden, layer)
    if x.shape[1] <= max_components:
        return standardised_states("mlp_probe", hidden, layer, np.arange(len(x)))
    z = principal_coordinates(x, max_components)
    if z is None:
        raise UndefinedMetricError("the hidden states do not vary at the chosen layer")
    scaled: States = z / np.sqrt(np.square(z).mean())
    return scaled
