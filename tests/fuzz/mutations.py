"""Ways to spoil a file: its bytes, a value of its JSON, a value of its rows."""

from __future__ import annotations

import copy
import random
from typing import Any

LONG = "y" * 5000
DEEP: Any = []
for _ in range(300):
    DEEP = [DEEP]
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 3, 255, 2**31, 2**63, 10**30, 0.5, -0.5, 1e-300, 1e38, 1e300,
    "", "0", "no", "all", LONG, "../../outside", "/etc/passwd", "\x00", "\u202e", "<script>",
    "𝒜\u0301", [], {}, [None], [[1]], {"a": None}, [0, 0], [-1, 2], [1, 2, 3], DEEP,
)  # fmt: skip
SPECIAL = (
    b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"NaN", b"-Infinity", b"1e999", b"9" * 6000,
    b"[" * 3000, b'{"a":' * 3000, b"{}", b'""', b"PAR1", b"\x7fELF",
)  # fmt: skip


def spoilt_bytes(data: bytes, rng: random.Random) -> bytes:
    """Some bytes changed, cut, inserted or repeated."""
    found = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(found) + 1)
        until = min(len(found), at + rng.randint(1, 40))
        way = rng.randrange(5)
        if way == 0 and at < len(found):
            found[at] ^= 1 << rng.randrange(8)
        elif way == 1:
            del found[at:until]
        elif way == 2:
            found[at:at] = rng.choice(SPECIAL)
        elif way == 3:
            found[at:at] = found[at:until] * rng.randint(1, 9)
        else:
            found[at:until] = rng.randbytes(until - at)
    return bytes(found[: rng.randrange(len(found) + 1)] if rng.random() < 0.05 else found)


def spoilt_value(data: Any, rng: random.Random) -> Any:
    """A copy in which one or two values, at any depth, are something else, gone, or twice there."""
    found = copy.deepcopy(data)
    for _ in range(rng.randint(1, 2)):
        holder = _some_holder(found, rng)
        if holder is None:
            return rng.choice(VALUES)
        key = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        way = rng.randrange(10)
        if way == 0:
            del holder[key]
        elif way == 1 and isinstance(holder, dict):
            holder[rng.choice(("x", "", LONG, "../x", "shapes:probe", "signal.x"))] = holder[key]
        elif way == 2 and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        else:
            holder[key] = copy.deepcopy(rng.choice(VALUES))
    return found


def _some_holder(data: Any, rng: random.Random) -> Any:
    """An object or list with something in it, found by walking down at random."""
    here = data
    while isinstance(here, dict | list) and here:
        inner = list(here.values()) if isinstance(here, dict) else here
        further = [own for own in inner if isinstance(own, dict | list) and own]
        if not further or rng.random() < 0.25:
            return here
        here = rng.choice(further)
    return None
