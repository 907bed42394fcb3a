import pytest
from transformers import CLIPImageProcessor, SiglipImageProcessor

from vrp_tasks.provenance import center_crop


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


def test_a_grid_that_leaves_a_margin_covers_no_central_square():
    processor = SiglipImageProcessor(size={"height": 384, "width": 384})
    assert center_crop(processor, shown=378 / 384) is None
