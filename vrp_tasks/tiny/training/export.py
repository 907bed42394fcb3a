"""Turn a trained model into an ordinary checkpoint folder with a model card."""

from __future__ import annotations

from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import GenerationConfig

from vrp_tasks.tiny.training.architectures import GRID, Architecture
from vrp_tasks.tiny.training.card import model_card
from vrp_tasks.tiny.training.evaluation import HELD_OUT_SEED, evaluate, load_checkpoint
from vrp_tasks.tiny.training.loop import Recipe, Trainer
from vrp_tasks.tiny.world.dataset import N_TEST_IMAGES, TEST_SEED

_N_HELD_OUT = 160
_MAX_BYTES = 8_000_000
_WEIGHTS = "model.safetensors"


def export(
    trainer: Trainer,
    folder: Path,
    *,
    n_held_out: int = _N_HELD_OUT,
    n_test: int = N_TEST_IMAGES,
) -> None:
    """Save a trained model, measure what was saved, and write the model card.

    Parameters
    ----------
    trainer : Trainer
        A run, at the end of its schedule or before.
    folder : Path
        Checkpoint folder to write; files of an earlier export are replaced.
    n_held_out, n_test : int
        Scenes to measure on.
    """
    save_checkpoint(trainer.architecture, folder)
    checkpoint = load_checkpoint(folder, device=trainer.device)
    text = trainer.model.config.get_text_config()
    card = model_card(
        _recipes(trainer),
        test=evaluate(checkpoint, first_seed=TEST_SEED, n_scenes=n_test),
        held_out=evaluate(checkpoint, first_seed=HELD_OUT_SEED, n_scenes=n_held_out),
        facts={
            "title": folder.name,
            "parameters": sum(p.numel() for p in trainer.model.parameters()),
            "n_layers": text.num_hidden_layers,
            "image_tokens": GRID * GRID,
            "n_test": n_test,
            "n_held_out": n_held_out,
            "held_out_seed": HELD_OUT_SEED,
            "steps_done": _steps_done(trainer),
            "seconds": trainer.seconds,
            "device": _device_name(trainer.device),
            "torch_version": torch.__version__.split("+")[0],
            "transformers_version": transformers.__version__,
        },
    )
    (folder / "README.md").write_text(card, encoding="utf-8")


def save_checkpoint(architecture: Architecture, folder: Path) -> None:
    """Write what `AutoProcessor` and `AutoModelForImageTextToText` load.

    The weights are stored in float16 to keep the repository small. The config keeps float32, so
    that ``dtype="auto"`` computes in float32: on a CPU half precision is slow, and what is
    measured should not depend on the rounding of a device.

    Raises
    ------
    ValueError
        If a weight does not fit float16, or the file is larger than 8 MB.
    """
    tokenizer = architecture.processor.tokenizer
    architecture.model.generation_config = GenerationConfig(
        do_sample=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    folder.mkdir(parents=True, exist_ok=True)
    architecture.model.save_pretrained(folder)
    architecture.processor.save_pretrained(folder)
    path = folder / _WEIGHTS
    weights = {_published(name): weight.half() for name, weight in load_file(path).items()}
    for name, weight in weights.items():
        if not torch.isfinite(weight).all():
            raise ValueError(f"save_checkpoint: {name} does not fit float16.")
    save_file(weights, path, metadata={"format": "pt"})
    path.chmod(0o644)
    size = path.stat().st_size
    if size > _MAX_BYTES:
        raise ValueError(f"save_checkpoint: {path} must be at most {_MAX_BYTES} bytes, is {size}.")


def _published(name: str) -> str:
    """A weight's name as published checkpoints have it: transformers reads both, vLLM only that."""
    tower, inner = "vision_tower.", "vision_tower.vision_model."
    if name.startswith(tower) and not name.startswith(inner):
        return inner + name.removeprefix(tower)
    return name


def _recipes(trainer: Trainer) -> list[Recipe]:
    """The recipes that led to this model, the first one first."""
    recipes = [trainer.recipe]
    while recipes[0].continues:
        state = torch.load(
            Path(recipes[0].continues) / "state.pt", map_location="cpu", weights_only=True
        )
        recipes.insert(0, Recipe(**state["recipe"]))
    return recipes


def _steps_done(trainer: Trainer) -> str:
    total = f"{trainer.recipe.steps:,}"
    return total if trainer.step == trainer.recipe.steps else f"{trainer.step:,} of {total}"


def _device_name(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return "one CPU thread" if threads == 1 else f"{threads} CPU threads"
