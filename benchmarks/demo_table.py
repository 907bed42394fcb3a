"""Writes the README's table of figures from the CSV of a finished `make demo`."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"
START, END = "<!-- demo-figures:start -->", "<!-- demo-figures:end -->"
TASK = "vrp_shapes"
ROWS = (
    "*attention*", "spatial_entropy", "cluster_count", "spatial_entropy_top_heads",
    "final_diffusion", "image_attention_mass", "attention_features", "attention_mlp",
    "*one pass*", "token_confidence", "first_token_margin", "answer_margin", "probe", "probe_l1",
    "probe_mlp",
    "*ten samples*", "self_consistency", "answer_agreement", "semantic_entropy",
    "*fitted on all of one pass*", "fusion.fused_single_pass",
    "*controls: a bar, not a signal*", "question_only", "answer_only", "probe_blank",
)  # fmt: skip

Cells = dict[tuple[str, str], dict[str, str]]


def main() -> None:
    """Read the CSV named on the command line (``out/leaderboard.csv``) and write the README."""
    with Path(sys.argv[1] if len(sys.argv) > 1 else "out/leaderboard.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["task"] == TASK]
    models = list(dict.fromkeys(row["model"] for row in rows))
    found = {
        model: {(row["signal"], row["statistic"]): row for row in rows if row["model"] == model}
        for model in models
    }
    before, _, rest = README.read_text("utf-8").partition(START)
    table = "\n".join(_table(found))
    README.write_text(f"{before}{START}\n{table}\n{END}{rest.partition(END)[2]}", "utf-8")


def _table(found: dict[str, Cells]) -> list[str]:
    lines = ["| AUROC | " + " | ".join(found) + " |", "| --- |" + " --- |" * len(found)]
    counts = [
        f"{c['', 'accuracy']['n']} / {c['', 'accuracy']['n_groups']} / "
        f"{c['', 'accuracy']['n_errors']}"
        for c in found.values()
    ]
    lines.append(_line("n / images / errors", counts))
    lines.append(_line("accuracy", [_shown(c["", "accuracy"]) for c in found.values()]))
    for name in ROWS:
        cells = (
            [""] * len(found) if name.startswith("*") else [_cell(c, name) for c in found.values()]
        )
        lines.append(_line(name if name.startswith("*") else f"`{name}`", cells))
    for name in ("platt.brier_skill", "platt.ece"):
        cells = [_shown(c["token_confidence", name]) for c in found.values()]
        lines.append(_line(f"token confidence, {name}", cells))
    return lines


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
