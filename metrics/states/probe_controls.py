"""What a probe scores when there is nothing to find, and when images leak."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.core.checks import FloatArray, Labels, at_least, binary_labels
from metrics.errors import UndefinedMetricError
from metrics.fitting.linear_probe import check_states
from metrics.states.nested_probe import Layers
from metrics.states.probe_bars import LeakageReport, PaperProtocol, leakage_of, paper_of
from metrics.states.probes import DEFAULT_CS
from metrics.states.repeated_probe import MAX_COMPONENTS, N_REPEATS, ProbeScores, prepare

__all__ = [
    "LeakageReport",
    "PaperProtocol",
    "leakage_report",
    "paper_protocol",
    "shuffled_label_aurocs",
]

N_SPLITS = 20


def leakage_report(
    hidden: NDArray[np.floating],
    correct: ArrayLike,
    groups: Labels,
    *,
    rng: np.random.Generator,
    Cs: tuple[float, ...] = DEFAULT_CS,
    n_repeats: int = N_REPEATS,
    reference: ProbeScores | None = None,
) -> LeakageReport:
    r"""AUROC of a cross-fitted probe under row splits and under grouped splits, with their spread.

    .. math:: A(\text{fold of each row drawn}) \quad \text{and} \quad
        A(\text{fold of each image drawn})

    The same nested procedure, layers and strengths, on as many splits of either kind. The
    difference is what a probe gains by having seen the image; single splits differ by chance as
    much as ``difference_sd`` says. No direction: a description. Range: each in :math:`[0, 1]`.

    Parameters
    ----------
    hidden : float array, shape (n_samples, n_layers + 1, d_model)
        States, as in `cross_fit_probe`.
    correct : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    groups : sequence, length n_samples
        Image of each sample.
    rng : numpy.random.Generator
        Source of the splits.
    Cs : tuple of float
        As in `cross_fit_probe`.
    n_repeats : int, default 20
        Splits of rows, and of images where no reference is given; at least 2.
    reference : ProbeScores, optional
        The reported probe of these samples, from `cross_fit_probe`: its splits are those by image.

    Returns
    -------
    LeakageReport
        Both figures; ``str`` gives the line to print.

    Raises
    ------
    UndefinedMetricError
        As in `cross_fit_probe`.

    References
    ----------
    Method §4 (ours): noise fixed per item reaches 0.66 to 0.82 under a row split of POPE.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> item = np.repeat(np.arange(60), 5)
    >>> states, label = rng.normal(size=(60, 1, 64))[item], (np.arange(60) % 2)[item]
    >>> found = leakage_report(states, label, item, rng=rng, Cs=(0.01,), n_repeats=4)
    >>> found.row_split > 0.9 > found.grouped_split
    True
    """
    by_image = prepare("leakage_report", hidden, correct, groups, Cs=Cs)
    at_least("leakage_report", "n_repeats", n_repeats, 2)
    if reference is None:
        reference = by_image.repeated(rng, n_repeats=n_repeats)
    return leakage_of(by_image, reference, rng)


def shuffled_label_aurocs(
    hidden: NDArray[np.floating],
    correct: ArrayLike,
    groups: Labels,
    *,
    rng: np.random.Generator,
    n_shuffles: int = 20,
    Cs: tuple[float, ...] = DEFAULT_CS,
) -> FloatArray:
    r"""AUROC that the whole procedure reaches on labels without meaning.

    .. math:: A(\pi(y), \hat s(\pi(y)))

    with :math:`\pi` a permutation that moves the labels of whole images among images of the same
    number of questions, so that labels stay as correlated within an image as they are, and then
    among the questions of each image: the n-th question of every image may be of one kind, and its
    kind would still tell its label. Near 0.5 unless the procedure leaks. No direction: a control.
    Range: each in :math:`[0, 1]`.

    Parameters
    ----------
    hidden : float array, shape (n_samples, n_layers + 1, d_model)
        States, as in `cross_fit_probe`.
    correct : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    groups : sequence, length n_samples
        Image of each sample.
    rng : numpy.random.Generator
        Source of permutations and splits.
    n_shuffles : int, default 20
        Number of permutations.
    Cs : tuple of float
        As in `cross_fit_probe`.

    Returns
    -------
    float array, shape (n_shuffles,)
        One AUROC per permutation, against the permuted labels.

    Raises
    ------
    UndefinedMetricError
        As in `cross_fit_probe`.

    References
    ----------
    Hewitt and Liang (2019), arXiv 1909.03368, control tasks.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> label = np.arange(100) % 2
    >>> states = rng.normal(size=(100, 1, 4)) + label[:, None, None]
    >>> found = shuffled_label_aurocs(states, label, range(100), rng=rng, n_shuffles=2)
    >>> bool((abs(found - 0.5) < 0.3).all())
    True
    """
    return prepare("shuffled_label_aurocs", hidden, correct, groups, Cs=Cs).shuffled(
        rng, n_shuffles
    )


def paper_protocol(
    hidden: NDArray[np.floating],
    correct: ArrayLike,
    *,
    rng: np.random.Generator,
    n_splits: int = N_SPLITS,
    max_components: int | None = MAX_COMPONENTS,
) -> PaperProtocol:
    r"""AUROC of an L2 probe by the papers' own protocol, over several seeds: for comparison only.

    .. math:: \max_l A(\text{test rows}, w_l^\top z^{(l)})

    with a stratified 80/20 split of *rows* (questions of one image may be on both sides), C = 1,
    and the best layer chosen on the very rows whose AUROC is reported. Both inflate it. One split
    tests on a fifth of the rows, so a single figure is luck as much as ``auroc_sd`` says. No
    direction: a comparison. Range: :math:`[0, 1]`.

    Parameters
    ----------
    hidden : float array, shape (n_samples, n_layers + 1, d_model)
        States, as in `cross_fit_probe`.
    correct : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    rng : numpy.random.Generator
        Source of the splits.
    n_splits : int, default 20
        Splits, at least 2.
    max_components : int or None, default 256
        As in `cross_fit_probe`.

    Returns
    -------
    PaperProtocol
        The figure with its spread, the layer, and all layers.

    Raises
    ------
    UndefinedMetricError
        If a class has fewer than 5 samples, or no layer varies.
    ValueError
        If ``hidden`` is not finite or an argument is malformed.

    References
    ----------
    arXiv 2605.08200, probing protocol; method §4 says why not.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> label = np.arange(100) % 2
    >>> states = rng.normal(size=(100, 30, 40))  # nothing to find, 30 layers to choose from
    >>> paper_protocol(states, label, rng=rng, n_splits=4).auroc > 0.6
    True
    """
    label = binary_labels("paper_protocol", "correct", correct)
    check_states("paper_protocol", hidden, label.size)
    at_least("paper_protocol", "n_splits", n_splits, 2)
    if min(int(label.sum()), int((~label).sum())) < 5:
        raise UndefinedMetricError("fewer than 5 answers of a class")
    layers = Layers.of("paper_protocol", hidden, max_components)
    return paper_of(layers, label, rng, n_splits)
