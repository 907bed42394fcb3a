"""Writes the tables of README and docs/results.md from the CSV of a finished `make demo`.

python -m benchmarks.demo_table [out/leaderboard.csv]
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
START, END = "<!-- demo-figures:start -->", "<!-- demo-figures:end -->"
TASK = "vrp_shapes"
FEW = {
    "token_confidence": "how probable its tokens are",
    "self_consistency": "whether ten samples agree",
    "probe": "a probe on its hidden states",
    "spatial_entropy": "how sharply it attends to the image",
    "question_only": "a control: the words of the question alone",
}
ALL = (
    "*attention*", "spatial_entropy", "cluster_count", "spatial_entropy_top_heads",
    "final_diffusion", "image_attention_mass", "attention_features", "attention_mlp",
    "*one pass*", "token_confidence", "first_token_margin", "answer_margin", "probe", "probe_l1",
    "probe_mlp",
    "*ten samples*", "self_consistency", "answer_agreement", "semantic_entropy",
    "*fitted on all of one pass*", "fusion.fused_single_pass",
    "*controls: a bar, not a signal*", "question_only", "answer_only", "probe_blank",
)  # fmt: skip

# (signal, statistic) -> a row of the CSV; by model
Cells = dict[tuple[str, str], dict[str, str]]
Found = dict[str, Cells]


def main() -> None:
    """Write both pages from the CSV named on the command line (``out/leaderboard.csv``)."""
    with Path(sys.argv[1] if len(sys.argv) > 1 else "out/leaderboard.csv").open() as file:
        found = read(file)
    for page, lines in ((ROOT / "README.md", few(found)), (ROOT / "docs/results.md", full(found))):
        page.write_text(with_table(page.read_text("utf-8"), lines), "utf-8")


def read(lines: Iterable[str]) -> Found:
    """The demo's figures, by model."""
    found: Found = {}
    for row in csv.DictReader(lines):
        if row["task"] == TASK:
            found.setdefault(row["model"], {})[row["signal"], row["statistic"]] = row
    return found


def with_table(text: str, lines: list[str]) -> str:
    """A page with its table between the marks written anew."""
    before, rest = text.split(f"{START}\n")
    _, after = rest.split(END)
    return "\n".join([before + START, *lines, END + after])


def few(found: Found) -> list[str]:
    """Five signals, within question kinds: one line each."""
    lines = _head("what is read beside the answer", found)
    for name, words in FEW.items():
        cells = [_shown(cells[name, "within_kind_auroc"]) for cells in found.values()]
        lines.append(_line(f"{words} (`{name}`)", cells))
    return lines


def full(found: Found) -> list[str]:
    """Counts, accuracy, the AUROC of each signal, whole and within kinds, and calibration."""
    lines = _head("AUROC", found)
    counts = [
        f"{c['', 'accuracy']['n']} / {c['', 'accuracy']['n_groups']} / "
        f"{c['', 'accuracy']['n_errors']}"
        for c in found.values()
    ]
    lines.append(_line("n / images / errors", counts))
    lines.append(_line("accuracy", [_shown(c["", "accuracy"]) for c in found.values()]))
    for name in ALL:
        if name.startswith("*"):
            lines.append(_line(name, [""] * len(found)))
        else:
            lines.append(_line(f"`{name}`", [_cell(c, name) for c in found.values()]))
    for name in ("platt.brier_skill", "platt.ece"):
        cells = [_shown(c["token_confidence", name]) for c in found.values()]
        lines.append(_line(f"token confidence, {name}", cells))
    return lines


def _head(first: str, found: Found) -> list[str]:
    return [_line(first, list(found)), "| --- |" + " --- |" * len(found)]


def _line(head: str, cells: list[str]) -> str:
    return f"| {head} | {' | '.join(cells)} |"


def _cell(cells: Cells, name: str) -> str:
    whole, kind = cells.get((name, "auroc")), cells.get((name, "within_kind_auroc"))
    if whole is None:
        return "–"
    return _shown(whole) + (f"<br>in kind {_shown(kind)}" if kind and kind["value"] else "")


def _shown(row: dict[str, str]) -> str:
    if not row["value"]:
        return "–"
    value, low, high = (float(row[name]) for name in ("value", "low", "high"))
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    main()
