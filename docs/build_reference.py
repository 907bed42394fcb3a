"""Writes docs/metrics.md from the docstrings of `metrics`, so that the page cannot go stale.

python docs/build_reference.py [--check]
"""

from __future__ import annotations

import inspect
import math
import re
import sys
from pathlib import Path

import metrics
from metrics.signals import SIGNALS

PAGE = Path(__file__).parent / "metrics.md"
HEAD = """# Reference of the numbers

Written by `make docs` from the docstrings of `metrics`; do not edit. The reader's page is
[signals.md](signals.md), which says what each recorded signal is in words. Here every function
stands with its equation, direction, range and source.
"""
# heading -> modules, in the order of the page
CHAPTERS = {
    "Attention to the image": ("attention", "cluster_grid", "attention_features", "stress_tests"),
    "Generation": ("generation", "self_consistency", "consistency_card", "answers"),
    "Hidden states": (
        "probes",
        "probe_l1",
        "probe_mlp",
        "probe_panel",
        "fit_spread",
        "fitted_probe",
        "transfer",
        "logit_lens",
    ),
    "Controls": ("controls", "probe_controls", "validity"),
    "Telling right from wrong": ("discrimination", "bootstrap", "correlation", "ranks", "card"),
    "Answering only when sure": ("risk_coverage", "selective", "selective_card"),
    "Probabilities and fusion": (
        "calibration",
        "calibration_error",
        "miscalibration",
        "calibration_card",
        "cross_fitting",
    ),
    "Proportions": ("proportions",),
    "Comparing runs": (
        "comparison",
        "paired_differences",
        "paired_proportions",
        "margins",
        "detectable",
        "calibration_differences",
    ),
    "Robustness": ("dose_response", "robustness", "unit_ranking"),
    "Grounding": ("grounding", "grounding_maps"),
}


def page() -> str:
    """The whole page."""
    functions = {
        name: getattr(metrics, name)
        for name in metrics.__all__
        if inspect.isfunction(getattr(metrics, name))
    }
    by_module: dict[str, list[str]] = {}
    for name, function in functions.items():
        by_module.setdefault(function.__module__.removeprefix("metrics."), []).append(name)
    parts = [HEAD, _signals()]
    for title, modules in CHAPTERS.items():
        entries = [name for module in modules for name in by_module.pop(module, [])]
        parts.append(f"\n## {title}\n")
        parts += [_entry(name, functions[name]) for name in entries]
    if by_module:
        raise SystemExit(f"no chapter of the reference holds {', '.join(sorted(by_module))}.")
    return "\n".join(parts)


def _signals() -> str:
    rows = [
        f"| `{s.name}` | {s.label} | {s.family} | {s.access} | {_range(*s.bounds)} | {s.source} |"
        for s in SIGNALS
    ]
    head = ["\n## Recorded signals\n", "| name | shown as | family | access | range | source |"]
    return "\n".join([*head, "|---|---|---|---|---|---|", *rows]) + "\n"


def _range(low: float, high: float) -> str:
    if low > -math.inf:
        return f"[{low:g}, {high:g}]"
    return "any" if high == math.inf else f"≤ {high:g}"


def _entry(name: str, function: object) -> str:
    """First line, equation and words of a docstring, what is returned, and its source."""
    doc = inspect.getdoc(function) or ""
    body, *_ = re.split(r"\nParameters\n-+\n", doc)
    summary, _, rest = body.partition("\n")
    text = _plain(rest.strip())
    lines = [f"### `{name}`\n", summary, "", text]
    for section in ("Returns", "References"):
        found = _section(doc, section)
        if found:
            lines += ["", f"*{section}.* {_plain(found)}"]
    return "\n".join(lines) + "\n"


def _section(doc: str, name: str) -> str:
    found = re.search(rf"(?:^|\n){name}\n-+\n(.*?)(?=\n\n\w[\w ]*\n-+\n|\Z)", doc, re.S)
    return " ".join(found.group(1).split()) if found else ""


def _plain(text: str) -> str:
    """Markdown of the few marks that the docstrings use."""
    text = re.sub(
        r"\.\. math::\s*(.*?)(?=\n\n|\Z)",
        lambda m: "$$" + " ".join(m.group(1).split()) + "$$",
        text,
        flags=re.S,
    )
    text = re.sub(r":math:`([^`]*)`", r"$\1$", text)
    return re.sub(r"(?<!`)`(\w+)`(?!`)", r"`\1`", text).replace("``", "`")


def main(arguments: list[str]) -> int:
    """Write the page, or say whether it is what would be written."""
    text = page()
    if "--check" in arguments:
        return int(PAGE.read_text("utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
