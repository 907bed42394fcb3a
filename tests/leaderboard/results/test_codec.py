import json
from dataclasses import dataclass, is_dataclass
from typing import Literal, get_args, get_type_hints

import numpy as np
import pytest

from leaderboard.errors import CodecError
from leaderboard.results.aggregate import TaskResult
from leaderboard.results.codec import _decoder, decode, encode
from tests.leaderboard.helpers.full_card import full_board


@dataclass(frozen=True)
class Leaf:
    name: str
    values: tuple[float, ...]
    pair: tuple[int, str]
    data: bytes
    state: Literal["a", "b"] = "a"


@dataclass(frozen=True)
class Tree:
    leaf: Leaf | None
    children: tuple["Tree", ...]
    notes: dict[str, list[int]]
    flag: bool


LEAF = Leaf("ä\u202e", (0.1, 1e-300, 3.0), (7, "x"), b"\x00\xff", "b")
TREE = Tree(LEAF, (Tree(None, (), {}, False),), {"k": [1, 2]}, True)


def through_text(kind, value):
    return decode(kind, json.loads(json.dumps(encode(value))))


def test_every_kind_of_field_comes_back_equal_and_of_its_type():
    found = through_text(Tree, TREE)
    assert found == TREE
    assert isinstance(found.leaf.values[2], float)
    assert isinstance(found.leaf.values, tuple)
    assert isinstance(found.children[0].flag, bool)


def test_a_full_result_comes_back_equal():
    (result,) = full_board().runs[0].tasks
    assert through_text(TaskResult, result) == result


def test_numbers_of_numpy_become_plain():
    assert encode((np.float64(0.5), np.int64(3))) == [0.5, 3]
    assert type(encode(np.int64(3))) is int


@pytest.mark.parametrize("value", [np.zeros(3), {1, 2}, object(), {1: 2}, Leaf])
def test_what_cannot_be_stored_is_named(value):
    with pytest.raises(CodecError, match="cannot be stored"):
        encode(value)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (Leaf, ["x", [1.0], [1, "y"], ""]),  # a field too few
        (Leaf, {"name": "x"}),
        (Leaf, ["x", ["1"], [1, "y"], "", "a"]),
        (Leaf, ["x", [True], [1, "y"], "", "a"]),
        (Leaf, ["x", [1.0], [1, "y", 2], "", "a"]),
        (Leaf, ["x", [1.0], [1, "y"], "", "c"]),
        (bool, 1),
        (object, 1),
        (int | str, 1),
    ],
)
def test_data_of_another_type_is_refused(kind, data):
    with pytest.raises(CodecError):
        decode(kind, data)


def annotations_below(kind, seen):
    """Every annotation of every dataclass that a value of this kind can hold."""
    for part in (kind, *get_args(kind)):
        if is_dataclass(part) and part not in seen:
            seen[part] = list(get_type_hints(part).values())
            for hint in seen[part]:
                annotations_below(hint, seen)
        elif part is not kind:
            annotations_below(part, seen)
    return seen


def test_every_field_of_a_result_can_be_stored():
    found = annotations_below(TaskResult, {})
    assert {"Card", "Estimate", "Showcase", "Robustness"} <= {kind.__name__ for kind in found}
    for hints in found.values():
        for hint in hints:
            _decoder(hint)
