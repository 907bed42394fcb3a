"""A part of a task: exact in kinds, whole in images, the same everywhere."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vrp_tasks.attach.subset import choose_rows, subset_of
from vrp_tasks.errors import SetupError
from vrp_tasks.seam.restricted_task import ChosenDocs


@given(
    rows=st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abc")), min_size=1, max_size=80),
    n=st.integers(1, 80),
    seed=st.integers(0, 3),
)
@settings(max_examples=200, deadline=None)
def test_size_kinds_and_order(rows, n, seed):
    groups, kinds = [str(g) for g, _ in rows], [k for _, k in rows]
    chosen = choose_rows(groups, kinds, n, seed=seed)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(n, len(rows))
    for kind, count in Counter(kinds).items():
        exact = min(n, len(rows)) * count / len(rows)
        assert abs(sum(kinds[row] == kind for row in chosen) - exact) < 1


def test_a_part_does_not_depend_on_the_order_of_the_images():
    groups = [f"image {i // 5}" for i in range(100)]
    kinds = ["yes/no", "number", "other", "other", "other"] * 20
    chosen = {groups[row] for row in choose_rows(groups, kinds, 25, seed=1)}
    backwards = groups[::-1]
    again = {backwards[row] for row in choose_rows(backwards, kinds[::-1], 25, seed=1)}
    assert chosen == again
    assert len(chosen) == 5  # five whole images of five questions
    other = {groups[row] for row in choose_rows(groups, kinds, 25, seed=2)}
    assert other != chosen


def test_a_smaller_part_lies_in_a_larger_one():
    groups = [str(i // 4) for i in range(400)]
    small = choose_rows(groups, ["all"] * 400, 40, seed=3)
    assert set(small) <= set(choose_rows(groups, ["all"] * 400, 100, seed=3))


def test_images_are_drawn_evenly_over_seeds():
    groups = [str(i) for i in range(20)]
    drawn = Counter(
        row for seed in range(400) for row in choose_rows(groups, ["all"] * 20, 5, seed=seed)
    )
    expected = 400 * 5 / 20  # each of 20 images in a quarter of 400 parts
    assert max(abs(count - expected) for count in drawn.values()) < 4 * np.sqrt(expected)


def test_chosen_docs_keep_their_row_numbers():
    docs = ChosenDocs(list("abcdef"), [1, 4])
    assert list(enumerate(docs)) == [(0, None), (1, "b"), (2, None), (3, None), (4, "e")]
    assert len(docs) == 2
    assert docs[4] == "e"


@pytest.mark.parametrize(("given_", "read"), [(5, (5, 0)), ({"n": 5, "seed": 3}, (5, 3))])
def test_the_task_setting(given_, read):
    assert subset_of("vrp_mine", given_) == read


@pytest.mark.parametrize("given_", [0, -1, "all", True, {"seed": 1}, {"n": 5, "size": 2}])
def test_a_wrong_task_setting_is_refused(given_):
    with pytest.raises(SetupError, match=r"task vrp_mine: metadata\.vrp\.subset must be a number"):
        subset_of("vrp_mine", given_)
