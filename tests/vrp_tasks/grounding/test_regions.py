"""Areas against counting small dots, and every annotation that cannot be used."""

import numpy as np
import pytest

from vrp_tasks.errors import UnmappedError
from vrp_tasks.grounding.regions import region_of


def boxes(*given, size=(12, 8)):
    return region_of({"boxes": [list(box) for box in given], "mask": None, "size": size}, size)


def counted(inside, x, y, dots=40):
    """Share of each cell by asking a lattice of dots."""
    shares = np.zeros((len(y) - 1, len(x) - 1))
    offsets = (np.arange(dots) + 0.5) / dots
    for i in range(len(y) - 1):
        for j in range(len(x) - 1):
            ys = y[i] + offsets * (y[i + 1] - y[i])
            xs = x[j] + offsets * (x[j + 1] - x[j])
            shares[i, j] = np.mean([inside(px, py) for py in ys for px in xs])
    return shares


def test_overlapping_boxes_count_once():
    given = [(1.5, 1, 6, 4.25), (4, 2, 9, 7), (10, 0, 12, 8)]
    region = boxes(*given)
    x, y = np.linspace(-1, 12, 5), np.linspace(0, 8, 4)
    expected = counted(
        lambda px, py: any(a <= px < c and b <= py < d for a, b, c, d in given), x, y
    )
    np.testing.assert_allclose(region.share_inside(x, y), expected, atol=0.02)
    assert region.area == pytest.approx(4.5 * 3.25 + 25 + 16 - 2 * 2.25)


def test_a_mask_equals_its_boxes():
    mask = np.zeros((8, 12), dtype=bool)
    mask[2:5, 3:7] = mask[4:8, 6:9] = True
    one = region_of({"mask": mask, "size": [12, 8]}, (12, 8))
    two = boxes((3, 2, 7, 5), (6, 4, 9, 8))
    x, y = np.linspace(0.3, 11.1, 6), np.linspace(-2, 9, 7)
    np.testing.assert_allclose(one.share_inside(x, y), two.share_inside(x, y), atol=1e-12)
    assert one.area == two.area == mask.sum()
    np.testing.assert_array_equal(two.pixels(), mask)


def test_pixels_are_all_that_a_box_touches():
    touched = boxes((2.5, 1.0, 4.01, 2.9)).pixels()
    assert np.argwhere(touched).tolist() == [[1, 2], [1, 3], [1, 4], [2, 2], [2, 3], [2, 4]]


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        (None, "no annotated region"),
        ({"boxes": [], "mask": None, "size": [12, 8]}, "no annotated region"),
        ({"boxes": [[3, 2, 3, 5]], "size": [12, 8]}, r"the box \[3, 2, 3, 5\] has no area"),
        ({"boxes": [[5, 2, 3, 5]], "size": [12, 8]}, "no area"),
        ({"boxes": [[float("nan"), 2, 3, 5]], "size": [12, 8]}, "no area"),
        ({"boxes": [[3, 2, 15, 5]], "size": [12, 8]}, "reaches outside the 12 x 8 image"),
        ({"boxes": [[12, 2, 12.5, 5]], "size": [12, 8]}, "reaches outside"),
        ({"boxes": [[-3, 2, 4, 5]], "size": [12, 8]}, "reaches outside"),
        ({"boxes": [[1, 2, 4, 5], [1, 2, 4, 2]], "size": [12, 8]}, "no area"),
        ({"boxes": [[1, 2, 4, 5]], "size": [24, 16]}, "of a 24 x 16 image, the image is 12 x 8"),
        ({"mask": np.zeros((8, 12)), "size": [12, 8]}, "mask is empty"),
        ({"mask": np.ones((12, 8)), "size": [12, 8]}, "mask has shape"),
        ({"boxes": np.empty((0, 4)), "size": [12, 8]}, "no annotated region"),
        ({"boxes": [[1, 2, 3]], "size": [12, 8]}, "are not lists of x0, y0, x1, y1"),
        ({"boxes": [[1, 2, 3, "x"]], "size": [12, 8]}, "are not lists of x0, y0, x1, y1"),
        ({"boxes": [[1, 2, 4, 5]]}, "does not say the image's width and height"),
    ],
)
def test_annotations_that_cannot_be_used_say_why(annotation, reason):
    with pytest.raises(UnmappedError, match=reason):
        region_of(annotation, (12, 8))


def test_a_box_rounded_over_the_edge_is_cut():
    assert boxes((-0.5, 2, 12.9, 8.5)).area == 12 * 6
