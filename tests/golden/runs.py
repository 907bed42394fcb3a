"""Runs to take figures of, made by the commands that `make demo` uses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.golden import figures

ROOT = Path(__file__).parents[2]
FAMILIES = {
    "llava": ("llava_hf", "vrp-tiny-llava"),
    "paligemma": ("paligemma", "vrp-tiny-paligemma"),
    "qwen2_vl": ("qwen2_vl", "vrp-tiny-qwen2-vl"),
}
OF_A_SWEEP = {"n", "n_correct", "answers", "sweep", "tables", "arrays", "robustness", "grounding"}
SWEEPS = "vrp_shapes_robustness,vrp_shapes_grounding"


def figures_of_family(
    family: str, folder: Path, *, questions: int, sweep: int
) -> dict[str, object]:
    """Probe one shipped model as the demo does, build the leaderboard, and reduce both.

    ``sweep`` is the number of questions of the sweeps; 0 leaves them out.
    """
    _evaluate(family, folder, "vrp_shapes", questions, "blank_image=true")
    if sweep:
        _evaluate(family, folder, SWEEPS, sweep, "k=0,hidden_dtype=none")
    tasks: dict[str, object] = {}
    board = board_of(folder)
    runs = {path.parent.name: path.parent for path in folder.glob("*/*_vrp/manifest.json")}
    for name in sorted(board):
        recorded = figures.of_run(runs[name])
        for task, said in board[name].items():
            both = {**recorded[task], **said}
            # a sweep asks questions of vrp_shapes again: what it adds to them is what counts
            tasks[task] = both if task == "vrp_shapes" else _kept(both)
    return tasks


def _kept(found: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in found.items() if name in OF_A_SWEEP}


def board_of(folder: Path) -> dict[str, dict[str, dict[str, object]]]:
    """What the leaderboard says of the runs in a folder: run -> task -> figures."""
    _run("leaderboard", "build", "--no-cache", str(folder))
    return figures.of_board(folder / "leaderboard.json")


def _evaluate(family: str, folder: Path, tasks: str, limit: int, arguments: str) -> None:
    model, checkpoint = FAMILIES[family]
    where = ROOT / "vrp_tasks" / "tiny" / "checkpoints" / checkpoint
    before = set(folder.glob("*/*_vrp/manifest.json"))
    _run(
        "lmms_eval", "--model", model,
        "--model_args", f"pretrained={where},device_map=cpu,{arguments}",
        "--tasks", tasks, "--batch_size", "1", "--limit", str(limit),
        "--output_path", str(folder),
    )  # fmt: skip
    if set(folder.glob("*/*_vrp/manifest.json")) == before:
        raise SystemExit(f"{model} on {tasks} left no complete run folder in {folder}.")


def _run(module: str, *arguments: str) -> None:
    """Offline, on one thread, with this tree's packages; the output is shown if it fails."""
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {
        **os.environ, **threads, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false",
        "PYTHONPATH": path,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=environment, capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(
            f"{module} {' '.join(arguments)} failed:\n{(done.stdout + done.stderr)[-4000:]}"
        )
