"""Numbers in settings as YAML gives them, where ``true`` is no number."""

from typing import Any


def is_count(value: Any, least: int) -> bool:
    """Whether it is an integer of at least ``least``."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_share(value: Any) -> bool:
    """Whether it is a number in (0, 1]."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1
