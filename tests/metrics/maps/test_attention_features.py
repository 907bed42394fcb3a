import math

import numpy as np
import pytest

from metrics.errors import UndefinedMetricError
from metrics.maps.attention_features import N_FEATURES, attention_features


def test_features_by_hand():
    sharp, flat = np.zeros((10, 10)), np.ones((10, 10))
    sharp[0, 0:3] = sharp[9, 5:8] = 1.0
    found = attention_features(np.stack([flat, sharp, sharp, flat]), image_mass=0.4)
    peak = (2 / 6 + 2 / 100) / 4
    other = 2 / 100 / 4
    entropy = -6 * peak * math.log(peak) - 94 * other * math.log(other)
    assert found["peak"] == pytest.approx(peak)
    assert found["top_mass"] == pytest.approx(6 * peak)  # ten cells, four of them background
    assert found["spatial_entropy"] == pytest.approx(entropy, abs=1e-6)
    assert found["spatial_entropy_normalized"] == pytest.approx(entropy / math.log(100), abs=1e-6)
    assert (found["cluster_count"], found["component_count"]) == (2, 2)
    assert found["image_attention_mass"] == 0.4
    assert found["entropy_evolution"] == pytest.approx(0, abs=1e-9)
    assert found["lock_depth"] == pytest.approx(math.log(6) - math.log(100), abs=1e-6)
    assert found["final_diffusion"] == pytest.approx(math.log(100) - math.log(6), abs=1e-6)
    assert found["resharpenings"] == 0
    assert len(found) == N_FEATURES == 11
    with pytest.raises(UndefinedMetricError, match="two layers"):
        attention_features(sharp[None], image_mass=0.4)
