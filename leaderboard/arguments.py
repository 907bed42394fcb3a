"""What the commands' arguments have in common."""

from __future__ import annotations

import argparse
from typing import TypeAlias

# as argparse hands it out
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def share(text: str) -> float:
    """A number between 0 and 1, both excluded; argparse says what was given otherwise."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must be between 0 and 1, got {text!r}")
    return value
