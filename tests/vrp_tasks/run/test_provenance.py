import inspect
from pathlib import Path

import pytest
import torch
from transformers import CLIPImageProcessor, SiglipImageProcessor

from vrp_tasks.access.identity import center_crop, stock_arguments


@pytest.mark.parametrize(
    ("processor", "share"),
    [
        (SiglipImageProcessor(size={"height": 224, "width": 224}), 0.0),
        (CLIPImageProcessor(size={"shortest_edge": 336}, crop_size=336), 1.0),
        (CLIPImageProcessor(size={"shortest_edge": 256}, crop_size=192), 0.75),
        (CLIPImageProcessor(size={"shortest_edge": 224}, do_center_crop=False), 0.0),
        (CLIPImageProcessor(size={"shortest_edge": 100}), None),  # padded to its crop size
        (object(), None),
    ],
)
def test_what_the_grid_covers_is_said_or_left_open(processor, share):
    assert center_crop(processor) == share


def test_model_arguments_are_those_that_the_stock_adapter_works_with():
    def stock(self, pretrained="a", device="cuda", dtype="auto", size=3, *, mode=None, **rest):
        pass

    parameters = inspect.signature(stock).parameters
    defaults = {"dtype": "auto", "mode": None, "size": 3}
    assert stock_arguments(parameters, {}) == defaults
    given = {"pretrained": "b", "device": "cpu", "batch_size": 4, "max_batch_size": 8, "size": 5}
    assert stock_arguments(parameters, given) == defaults | {"size": 5}
    more = {"dtype": torch.float16, "mode": Path("x"), "extra": True}
    assert stock_arguments(parameters, more) == {
        "dtype": "float16", "extra": True, "mode": "x", "size": 3
    }  # fmt: skip


def test_a_grid_that_leaves_a_margin_covers_no_central_square():
    processor = SiglipImageProcessor(size={"height": 384, "width": 384})
    assert center_crop(processor, shown=378 / 384) is None
