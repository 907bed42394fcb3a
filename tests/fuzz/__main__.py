"""Attack every reader of strangers' files: ``python -m tests.fuzz 100000``, 1 if one fell."""

from __future__ import annotations

import argparse
import contextlib
import io
import sys

from tests.fuzz.attack import findings
from tests.fuzz.readers import READERS


def main() -> int:
    """Print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("n", type=int, help="how many spoilt files, over all readers")
    parser.add_argument("--seed", type=int, default=0, help="of the first one of each reader")
    parser.add_argument("--only", choices=READERS, help="one reader")
    asked = parser.parse_args()
    number = 0
    out = sys.stdout
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for found in findings(asked.n, seed=asked.seed, only=asked.only):
            number += 1
            out.write(f"{found}\n")
            out.flush()
    out.write(f"{number} findings among {asked.n} spoilt files\n")
    return int(number > 0)


if __name__ == "__main__":
    sys.exit(main())
