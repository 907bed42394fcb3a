import numpy as np
import pytest

from metrics.errors import UndefinedMetricError
from metrics.maps.attention import cluster_count
from metrics.maps.cluster_grid import EPSILONS, SHARES, cluster_count_grid


def test_every_cell_is_the_count_of_its_choices():
    attention = np.random.default_rng(0).random((12, 9))
    found = cluster_count_grid(attention)
    assert found.shape == (len(EPSILONS), len(SHARES))
    for i, eps in enumerate(EPSILONS):
        for j, share in enumerate(SHARES):
            assert found[i, j] == cluster_count(attention, share=share, eps=eps)
    assert len(set(found.ravel())) > 1


def test_spots_join_as_the_radius_grows():
    attention = np.zeros((10, 10))
    attention[0, 0:3] = attention[0, 5:8] = attention[9, 0:3] = 1.0  # gaps of 3 and 9 cells
    counts = cluster_count_grid(attention, epsilons=(1.0, 3.0, 9.0), shares=(0.09,))[:, 0]
    assert counts.tolist() == [3, 2, 1]


def test_nothing_to_count_is_refused():
    with pytest.raises(UndefinedMetricError, match="constant"):
        cluster_count_grid(np.ones((4, 4)))
    with pytest.raises(ValueError, match="must be not empty"):
        cluster_count_grid(np.eye(4), epsilons=())
