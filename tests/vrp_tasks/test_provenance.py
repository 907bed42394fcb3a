import pytest
from transformers import CLIPImageProcessor, SiglipImageProcessor

from vrp_tasks.run.provenance import center_crop


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
