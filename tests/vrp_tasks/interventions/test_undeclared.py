"""Interventions know the layers and caches of declared families only."""

from types import SimpleNamespace

import pytest

from tests.vrp_tasks.helpers import zoo
from vrp_tasks.errors import SetupError
from vrp_tasks.families import Found
from vrp_tasks.interventions.companion import Robustness


def test_a_model_that_is_not_declared_is_refused_before_the_sweep():
    model = zoo.built("qwen2_5_vl").model
    access = SimpleNamespace(model=model, family=Found(model))
    with pytest.raises(SetupError, match=r"offered for llava, paligemma.* a qwen2_5_vl"):
        Robustness.check(access, "vrp_shapes_robustness", {"robustness": {}})
