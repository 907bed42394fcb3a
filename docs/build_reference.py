"""Writes docs/metrics.md, and the channels in docs/run_folder.md, from the docstrings of `metrics`.

So neither can go stale. python docs/build_reference.py [--check]
"""

from __future__ import annotations

import inspect
import math
import re
import sys
from dataclasses import fields
from pathlib import Path

import metrics
from metrics.record.channels import CHANNELS, Channel
from metrics.signals import LAYERS, SIGNALS

PAGE = Path(__file__).parent / "metrics.md"
RUN_FOLDER = Path(__file__).parent / "run_folder.md"
HEAD = """# Reference of the numbers

Written by `make docs` from the docstrings of `metrics`; do not edit. The reader's page is
[signals.md](signals.md), which says what each recorded signal is in words. Here every function
stands with its equation, direction, range and source.
"""
MARKS = ("<!-- channels:start -->", "<!-- channels:end -->")
# heading -> modules, in the order of the page
CHAPTERS = {
    "Attention to the image": (
        "maps.attention",
        "maps.image_mass",
        "maps.cluster_grid",
        "maps.attention_features",
        "states.stress_tests",
    ),
    "Generation": (
        "answers.generation",
        "answers.self_consistency",
        "answers.lexical",
        "answers.similarity_graph",
        "answers.cocoa",
        "card.consistency_by_k",
        "answers.normal_form",
        "answers.stated_confidence",
        "answers.core_information",
        "answers.meaning",
        "answers.kernel_entropy",
    ),
    "Hidden states": (
        "states.probes",
        "states.probe_l1",
        "states.probe_mlp",
        "states.probe_panel",
        "fitting.fit_spread",
        "states.fitted_probe",
        "states.transfer",
        "states.logit_lens",
    ),
    "Controls": ("fitting.controls", "states.probe_controls", "scores.validity"),
    "Telling right from wrong": (
        "scores.discrimination",
        "scores.bootstrap",
        "scores.correlation",
        "scores.ranks",
        "card.card",
    ),
    "Answering only when sure": (
        "scores.risk_coverage",
        "scores.selective",
        "scores.selective_estimates",
        "abstention.promise",
        "abstention.at_threshold",
        "abstention.selective_risk",
    ),
    "Probabilities and fusion": (
        "calibration.reliability",
        "calibration.calibration_error",
        "calibration.miscalibration",
        "calibration.estimates",
        "fitting.cross_fitting",
    ),
    "Proportions": ("core.proportions",),
    "Comparing runs": (
        "comparison.differences",
        "scores.paired_differences",
        "comparison.paired_proportions",
        "comparison.margins",
        "comparison.detectable",
        "comparison.sample_size",
        "comparison.random_effects",
        "calibration.differences",
    ),
    "Robustness": ("robustness.dose_response", "robustness.curves", "states.unit_ranking"),
    "Grounding": ("maps.grounding", "maps.grounding_maps"),
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
        [
            *(f"`{s.name}`", s.label, s.family, s.access, _names(s.needs), s.cost),
            *(_range(*s.bounds), s.source),
        ]
        for s in SIGNALS
    ]
    head = ["name", "shown as", "family", "access", "channels", "cost", "range", "source"]
    layers = [[f"`layers.{v.name}`", _names((v.needs,))] for v in LAYERS]
    return (
        "\n## Recorded signals\n\n"
        "A signal is computed from channels; what each holds is in "
        "[run_folder.md](run_folder.md#channels).\n\n"
        + _table(head, rows)
        + "\nPer layer, input side first:\n\n"
        + _table(["name", "channel"], layers)
    )


def channels() -> str:
    """The table of channels: their fields, whether they are stored, and what they hold."""
    rows = [
        [
            f"`{channel.name}`",
            ", ".join(f"`{field.name}`" for field in fields(channel)),
            "yes" if channel.kept else "no",
            _about(channel),
        ]
        for channel in CHANNELS
    ]
    return _table(["channel", "fields", "in the array files", "what it holds"], rows)


def run_folder() -> str:
    """The page of the run folder, its table of channels as it would be written."""
    text = RUN_FOLDER.read_text("utf-8")
    before, rest = text.split(f"{MARKS[0]}\n")
    _, after = rest.split(MARKS[1])
    return f"{before}{MARKS[0]}\n{channels()}{MARKS[1]}{after}"


def _about(channel: type[Channel]) -> str:
    """A channel's words; where it only narrows a kind of channel, those of the kind behind them."""
    kinds = [kind for kind in channel.__mro__ if kind not in (Channel, object)]
    words = [" ".join((inspect.getdoc(kind) or "").split()) for kind in kinds]
    text = _plain(" ".join(words))
    for other in CHANNELS:  # a reader of folders knows channels by name
        text = text.replace(f"`{other.__name__}`", f"`{other.name}`")
    return text


def _names(kinds: tuple[type[Channel], ...]) -> str:
    return ", ".join(f"`{kind.name}`" for kind in kinds)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


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
    """Write the pages, or say whether they are what would be written."""
    pages = {PAGE: page(), RUN_FOLDER: run_folder()}
    if "--check" in arguments:
        return int(any(path.read_text("utf-8") != text for path, text in pages.items()))
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
