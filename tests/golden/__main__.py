"""Make or check the golden figures.

``python -m tests.golden --write FILE`` probes the three shipped models as ``make demo`` does (200
questions with K = 10, sweeps and grounding of 24), and keeps the figures. ``--check FILE`` makes
them anew and lists every one that differs, by name; exit code 1 if any does. Written and checked on
one machine they agree to 1e-9; ``--elsewhere`` allows for another CPU (`compare.ELSEWHERE`). A FILE
that ends in .gz is compressed: ``tests/golden/full.json.gz`` is the one kept, to be checked before
and after a redesign (some four minutes; the test suite has no time for it).

``python -m tests.golden --small --write tests/golden/small.json`` makes the reduced one anew, which
the test suite checks. Do that only where figures are meant to change, and say which in the
changelog: ``--small --check tests/golden/small.json`` lists them.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.golden import small
from tests.golden.compare import ELSEWHERE, NUMBERS_ELSEWHERE, SAME_MACHINE, differences
from tests.golden.runs import FAMILIES, figures_of_family

MOST_BYTES = 900_000


def main() -> int:
    """Write or compare."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="golden-") as name:
        folder = options.keep or Path(name)
        found = small.figures(folder) if options.small else _full(folder, options)
    if options.write:
        return _write(options.write, found)
    data = options.check.read_bytes()
    kept = json.loads(gzip.decompress(data) if options.check.suffix == ".gz" else data)
    lines = compared(kept, found, elsewhere=options.elsewhere)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.write(f"{len(lines)} figures differ\n")
    return int(bool(lines))


def compared(kept: Any, found: Any, *, elsewhere: bool) -> list[str]:
    """What differs, under the rules of this machine or of others."""
    if not elsewhere:
        return differences(kept, found, SAME_MACHINE)
    lines = []
    for part in dict.fromkeys([*kept, *found]):
        rules = NUMBERS_ELSEWHERE if part == "computed" else ELSEWHERE
        lines += differences({part: kept.get(part)}, {part: found.get(part)}, rules)
    return lines


def _full(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    return {
        family: figures_of_family(
            family,
            folder / family,
            questions=options.questions,
            sweep=options.sweep,
        )
        for family in options.families.split(",")
    }


def _write(path: Path, found: dict[str, Any]) -> int:
    # a figure a line, so that a change of one is a change of one line
    text = json.dumps(found, indent=0, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    data = f"{text}\n".encode()
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    size = len(data)
    sys.stdout.write(f"{size} bytes\n")
    if size > MOST_BYTES:
        sys.stderr.write(f"more than {MOST_BYTES} bytes: not written\n")
        return 1
    path.write_bytes(data)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.golden", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", type=Path, metavar="FILE")
    what.add_argument("--check", type=Path, metavar="FILE")
    parser.add_argument("--small", action="store_true", help="the reduced one")
    parser.add_argument("--elsewhere", action="store_true", help="written on another machine")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the runs there")
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--sweep", type=int, default=24)
    return parser


if __name__ == "__main__":
    sys.exit(main())
