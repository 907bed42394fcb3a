"""VAUQ's parts against its published definition, in plain loops."""

import math

import numpy as np
import pytest

from metrics.answers.core_information import (
    core_information,
    core_of,
    vision_aware_uncertainty,
)
from metrics.errors import UndefinedMetricError


def published_core(weights, share):
    """The mean of layers 10 to 24 of 32; the k largest, by sorting pairs."""
    layers = [row for row in weights[10:25] if not any(map(math.isnan, row))]
    mean = [math.fsum(column) / len(layers) for column in zip(*layers, strict=True)]
    ranked = sorted(range(len(mean)), key=lambda token: (-mean[token], token))
    k = max(1, int(len(mean) * share))
    return [token in ranked[:k] for token in range(len(mean))]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.6, 1.0])
def test_the_core_is_what_the_middle_layers_attend_to_most(share):
    weights = np.random.default_rng(0).random((32, 49))
    weights[12] = np.nan
    assert core_of(weights, share=share).tolist() == published_core(weights.tolist(), share)


def test_the_score_is_the_papers():
    rng = np.random.default_rng(1)
    h, masked = rng.random(7), rng.random(7)
    plain = math.fsum(h) / 7
    gain = math.fsum(masked) / 7 - plain
    assert core_information(h, masked) == pytest.approx(gain)
    assert vision_aware_uncertainty(h, masked, alpha=0.8) == pytest.approx(plain - 0.8 * gain)


def test_one_layer_and_few_layers_have_a_middle():
    assert core_of([[0.1, 0.9]]).tolist() == [False, True]
    for n in range(1, 8):
        assert core_of(np.random.default_rng(n).random((n, 5))).sum() == 3


def test_what_has_no_core_says_why():
    with pytest.raises(UndefinedMetricError, match="middle"):
        core_of(np.full((4, 3), np.nan))
    with pytest.raises(ValueError, match="share"):
        core_of([[0.5, 0.5]], share=0)
    with pytest.raises(ValueError, match="shape"):
        core_of([0.5, 0.5])
    with pytest.raises(ValueError, match="without_core"):
        core_information([0.5], [0.5, 0.5])
    with pytest.raises(UndefinedMetricError, match="no answer tokens"):
        core_information([], [])
