"""Draw every design and write the tables of docs/statistics.md."""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import re
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import benchmarks.simulations as package
from benchmarks.simulations.design import Design, Outcome

PAGE = Path(__file__).resolve().parents[2] / "docs" / "statistics.md"
START, END = "<!-- simulations:start -->", "<!-- simulations:end -->"
CHUNK = 50


def topics() -> dict[str, tuple[Design, ...]]:
    """Every topic of this package and its designs."""
    names = [m.name for m in pkgutil.iter_modules(package.__path__)]
    modules = {n: importlib.import_module(f"{package.__name__}.{n}") for n in names if n[0] != "_"}
    return {n: m.DESIGNS for n, m in modules.items() if hasattr(m, "DESIGNS")}


def main() -> None:
    """Draw, print, and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulations", description=__doc__)
    parser.add_argument("--only", help="one topic, or several with commas; others stay as they are")
    parser.add_argument("--draws", type=int, help="draws of each design; the page is not written")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    chosen = topics()
    if options.only:
        chosen = {name: chosen[name] for name in options.only.split(",")}
    started, misses = time.perf_counter(), 0
    with ProcessPoolExecutor(options.workers) as pool:
        for name, designs in chosen.items():
            outcomes = []
            for design in designs:
                outcomes.append(_drawn(pool, name, designs.index(design), design, options.draws))
                print(_line(outcomes[-1]), flush=True)
            misses += sum(outcome.misses_goal for outcome in outcomes)
            if options.draws is None:
                _write(name, _table(name, outcomes))
    minutes = (time.perf_counter() - started) / 60
    print(f"{minutes:.1f} minutes; {misses} goals missed")
    sys.exit(misses > 0)


def _write(topic: str, table: str) -> None:
    """Replace the topic's table in the page; topics stand in the order of their names."""
    before, _, rest = PAGE.read_text("utf-8").partition(START)
    inside, _, after = rest.partition(END)
    parts = re.split(r"<!-- topic (\w+) -->\n", inside)
    known = dict(zip(parts[1::2], parts[2::2], strict=True)) | {topic: f"{table.strip()}\n\n"}
    names = sorted(known.keys() & topics().keys())
    text = "".join(f"<!-- topic {name} -->\n{known[name]}" for name in names)
    PAGE.write_text(f"{before}{START}\n{text}{END}{after}", "utf-8")


def _drawn(
    pool: ProcessPoolExecutor, topic: str, index: int, design: Design, draws: int | None
) -> Outcome:
    n = design.draws if draws is None else draws
    starts = range(0, n, CHUNK)
    futures = [pool.submit(_chunk, topic, index, s, min(s + CHUNK, n)) for s in starts]
    counts = [future.result() for future in futures]
    return Outcome(design, sum(y for y, _ in counts), sum(a for _, a in counts), n)


def _chunk(topic: str, index: int, start: int, stop: int) -> tuple[int, int]:
    module = importlib.import_module(f"{package.__name__}.{topic}")
    design = module.DESIGNS[index]
    answers = [design.draw(design.seed(i)) for i in range(start, stop)]
    answered = [answer for answer in answers if answer is not None]
    return sum(map(bool, answered)), len(answered)


def _line(outcome: Outcome) -> str:
    d = outcome.design
    mark = " MISSES ITS GOAL" if outcome.misses_goal else ""
    rate = f"{outcome.rate:.3f} of {outcome.answered}/{outcome.drawn}"
    return f"{d.quantity} | {d.data} | {d.kind} {rate}, goal {d.goal:.2f}{mark}"


def _table(topic: str, outcomes: list[Outcome]) -> str:
    module = importlib.import_module(f"{package.__name__}.{topic}")
    heading = (module.__doc__ or topic).strip().splitlines()[0].rstrip(".")
    rows = [
        f"| {o.design.quantity} | {o.design.data} | {o.design.kind} | {o.design.nominal:.2f} | "
        f"{o.rate:.3f} [{o.interval[0]:.3f}, {o.interval[1]:.3f}] | {o.answered} of {o.drawn} | "
        f"{o.design.note} |\n"
        for o in outcomes
    ]
    head = "| figure | data | rate | nominal | measured | draws with a figure | note |\n"
    return f"\n### {heading}\n\n{head}|{'---|' * 7}\n{''.join(rows)}"


if __name__ == "__main__":
    main()
