"""The release check on real runs: a checkpoint against itself, and against a damaged copy."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from leaderboard.cli import main

CHECKPOINT = Path(__file__).parents[1] / "vrp_tasks" / "tiny" / "checkpoints" / "vrp-tiny-llava"
QUESTIONS = 170  # of 22 images: below 20 there is no verdict
NOISE = 2.0


def damage(checkpoint: Path, copy: Path) -> Path:
    """Copy a checkpoint with noise on its projections, as a bad merge or quantisation would be."""
    shutil.copytree(checkpoint, copy)
    weights = load_file(copy / "model.safetensors")
    generator = torch.Generator().manual_seed(0)
    hit = [name for name in weights if name.endswith(("o_proj.weight", "down_proj.weight"))]
    assert hit
    for name in hit:
        noise = torch.randn(weights[name].shape, generator=generator)
        weights[name] += (NOISE * weights[name].std() * noise).to(weights[name].dtype)
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    return copy


def evaluate(checkpoint: Path, output: Path) -> Path:
    """Run the command a person would run; the run folder it leaves."""
    arguments = f"pretrained={checkpoint},device_map=cpu,k=2,hidden_dtype=none"
    command = [
        "--model", "llava_hf", "--model_args", arguments, "--tasks", "vrp_shapes",
        "--batch_size", "1", "--limit", str(QUESTIONS), "--output_path", str(output),
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "lmms_eval", *command],
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    manifests = list(output.rglob("manifest.json"))
    assert len(manifests) == 1, done.stderr[-2000:]
    return manifests[0].parent


@pytest.mark.slow
def test_a_damaged_copy_is_stopped_by_name_and_the_checkpoint_itself_passes(tmp_path, capsys):
    whole = evaluate(CHECKPOINT, tmp_path / "whole")
    damaged = evaluate(damage(CHECKPOINT, tmp_path / "copy"), tmp_path / "damaged")
    assert main(["compare", str(whole), str(whole)]) == 0
    assert "regressed" not in capsys.readouterr().out.splitlines()[-1]
    report = tmp_path / "report"
    assert main(["compare", str(whole), str(damaged), "-o", str(report)]) == 1
    assert "vrp_shapes/accuracy" in capsys.readouterr().out.splitlines()[-1]
    assert 'failure message="regressed' in (report / "compare.xml").read_text("utf-8")
