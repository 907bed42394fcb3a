"""The training loop: a schedule in steps, seeded, resumable, and the same on CPU and GPU.

The loss is cross-entropy on answer tokens plus a dense loss that asks every image token, both after
the projector and two layers into the decoder, for the colour, shape and size at its place and for
its row and column. Without the last two, spatial relations stay at chance.
"""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from vrp_tasks.tiny.training.architectures import GRID, Architecture, build_architecture
from vrp_tasks.tiny.training.packing import Batch, Packer, decode, image_features
from vrp_tasks.tiny.world import KINDS, Scene, ask, draw_scene
from vrp_tasks.tiny.world.questions import Question, ask_auxiliary
from vrp_tasks.tiny.world.scene import COLORS, IMAGE_SIZE, RADII, SHAPES
from vrp_tasks.whole_files import whole_file

VALIDATION_SEED = 9_000_000  # training seeds lie below, test seeds from 10 000 000 on
_DENSE_CLASSES = (len(COLORS) + 1, len(SHAPES) + 1, len(RADII) + 1, GRID, GRID)
_MIN_COVER = 0.15  # share of a cell that an object must cover to own it


@dataclass(frozen=True)
class Recipe:
    """Everything a training run depends on.

    ``focus`` is a question kind that is asked about twice as often; ``continues`` is the work
    folder of a finished run whose weights this one starts from (without its optimiser state).
    """

    family: str
    steps: int
    images_per_step: int = 16
    learning_rate: float = 2e-3
    warmup: int = 60
    dense_weight: float = 0.5
    auxiliary_weight: float = 0.4
    exact_from: float = 0.6
    seed: int = 0
    evaluate_every: int = 250
    focus: str = ""
    continues: str = ""


class DenseHeads(nn.Module):
    """Linear read-outs of the image tokens; thrown away after training."""

    def __init__(self, width: int, *, absolute: bool) -> None:
        super().__init__()
        self.absolute = absolute
        self.linear = nn.Linear(width, sum(_DENSE_CLASSES))

    def forward(self, hidden: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy over cells; ``labels`` is (n, cells, 5)."""
        parts = self.linear(hidden).split(_DENSE_CLASSES, dim=-1)
        used = len(parts) if self.absolute else 3
        losses = [
            functional.cross_entropy(part.flatten(0, 1), labels[..., i].flatten())
            for i, part in enumerate(parts[:used])
        ]
        return torch.stack(losses).mean()


def dense_labels(scene: Scene) -> np.ndarray:
    """Colour, shape, size (0 is background), row and column of every cell, int (cells, 5)."""
    cell = IMAGE_SIZE // GRID
    labels = np.zeros((GRID, GRID, 5), dtype=np.int64)
    labels[..., 3], labels[..., 4] = np.mgrid[:GRID, :GRID]
    best = np.full((GRID, GRID), _MIN_COVER)
    for thing in scene.objects:
        cover = thing.mask.reshape(GRID, cell, GRID, cell).mean(axis=(1, 3))
        owned = cover > best
        labels[owned, 0] = 1 + list(COLORS).index(thing.color)
        labels[owned, 1] = 1 + SHAPES.index(thing.shape)
        labels[owned, 2] = 1 + list(RADII).index(thing.size)
        best = np.maximum(best, cover)
    return labels.reshape(-1, 5)


def ask_for_training(scene: Scene, rng: np.random.Generator, *, focus: str = "") -> list[Question]:
    """Six benchmark questions, two more of the kind in focus, and three auxiliary ones."""
    plan = ["existence", "existence", "counting", "relation", "relation", "attribute"]
    plan += [focus] * 2 if focus else []
    start = int(rng.integers(6))
    asked = [ask(scene, kind, rng, variant=start + i) for i, kind in enumerate(plan)]
    return [q for q in asked if q is not None] + [ask_auxiliary(scene, rng) for _ in range(3)]


def _three_of(questions: list[Question], rng: np.random.Generator, *, focus: str) -> list[Question]:
    """Three questions in random order, two of them of the kind in focus where there are two."""
    order = [questions[i] for i in rng.permutation(len(questions))]
    if focus:
        wanted = [q for q in order if q.kind == focus][:2]
        order = wanted + [q for q in order if q.kind != focus]
    return order[:3]


def as_jpeg(image: np.ndarray) -> np.ndarray:
    """The image after the JPEG coding that some lmms-eval adapters apply (quality 85)."""
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, format="JPEG", quality=85)
    return np.asarray(Image.open(buffer))


class Trainer:
    """One training run in one folder: state, log, and at the end the checkpoint."""

    def __init__(self, recipe: Recipe, folder: Path, *, device: str = "cpu") -> None:
        self.recipe, self.folder, self.device = recipe, folder, device
        self.architecture: Architecture = build_architecture(recipe.family, seed=recipe.seed)
        self.model = self.architecture.model.to(device)
        self.packer = Packer(self.architecture)
        width = self.model.config.get_text_config().hidden_size
        # Qwen2-VL's vision tower has no absolute positions; its decoder has.
        self.projected = DenseHeads(width, absolute=recipe.family != "qwen2_vl").to(device)
        self.decoded = DenseHeads(width, absolute=True).to(device)
        self.optimizers = self._optimizers()
        self.step = 0
        self.seconds = 0.0
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "state.pt").exists():
            self._resume()
        elif recipe.continues:
            self._take_weights(Path(recipe.continues))

    def _optimizers(self) -> list[torch.optim.Optimizer]:
        """Muon for the blocks' matrices, AdamW for everything else."""
        matrices: list[nn.Parameter] = []
        rest: list[nn.Parameter] = []
        for name, parameter in self.model.named_parameters():
            in_block = ".layers." in name or ".blocks." in name or "projector" in name
            (matrices if in_block and parameter.ndim == 2 else rest).append(parameter)
        rest += [*self.projected.parameters(), *self.decoded.parameters()]
        rate = self.recipe.learning_rate
        return [
            torch.optim.Muon(
                matrices, lr=rate, momentum=0.95, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"
            ),
            torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.98), weight_decay=0.01),
        ]

    def run(self) -> Iterator[dict[str, Any]]:
        """Train to the end of the schedule; yields each evaluation."""
        losses: list[float] = []
        while self.step < self.recipe.steps:
            began = time.perf_counter()
            losses.append(self._train_step())
            self.seconds += time.perf_counter() - began
            self.step += 1
            if self.step % self.recipe.evaluate_every == 0 or self.step == self.recipe.steps:
                row = {
                    "step": self.step,
                    "seconds": round(self.seconds),
                    "loss": round(float(np.mean(losses)), 4),
                    **self.evaluate(),
                }
                losses.clear()
                self._save(row)
                yield row

    def _scale(self) -> float:
        """Learning-rate factor: linear warm-up, then cosine to 3 %."""
        recipe = self.recipe
        if self.step < recipe.warmup:
            return (self.step + 1) / recipe.warmup
        progress = (self.step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
        return 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * progress))

    def _train_step(self) -> float:
        recipe = self.recipe
        rng = np.random.default_rng([recipe.seed, self.step])
        seeds = rng.integers(0, VALIDATION_SEED, size=recipe.images_per_step)
        scenes = [draw_scene(int(seed)) for seed in seeds]
        asked = [ask_for_training(scene, rng, focus=recipe.focus) for scene in scenes]
        packed = not (self.packer.prefix_lm and self.step >= recipe.exact_from * recipe.steps)
        if not packed:  # sequences are per question: fewer questions for about the same cost
            asked = [_three_of(qs, rng, focus=recipe.focus) for qs in asked]
        images = [as_jpeg(s.image) if rng.random() < 0.5 else s.image for s in scenes]
        self.model.train()
        batch = _to(
            self.packer.pack(asked, packed=packed, auxiliary=recipe.auxiliary_weight), self.device
        )
        labels = torch.from_numpy(np.stack([dense_labels(s) for s in scenes])).to(self.device)
        features = image_features(self.architecture, images)
        logits, hidden = decode(self.architecture, features, batch)
        each = functional.cross_entropy(logits.float(), batch.targets, reduction="none")
        answer_loss = (each * batch.weights).sum() / batch.weights.sum()
        dense = self.projected(features.projected, labels) + self.decoded(
            hidden, labels[batch.image_index]
        )
        fade = 1 - 0.8 * self.step / recipe.steps
        loss = answer_loss + recipe.dense_weight * fade * dense
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate * self._scale()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        return float(answer_loss.detach())

    @torch.no_grad()
    def evaluate(self, n_scenes: int = 60) -> dict[str, float]:
        """First-token accuracy per kind on validation scenes (a quick look, not the card)."""
        self.model.eval()
        right: dict[str, list[bool]] = defaultdict(list)
        for start in range(0, n_scenes, 15):
            scenes = [draw_scene(VALIDATION_SEED + i) for i in range(start, start + 15)]
            asked = [ask_for_training(s, np.random.default_rng(s.seed)) for s in scenes]
            batch = _to(
                self.packer.pack(asked, packed=not self.packer.prefix_lm, auxiliary=1.0),
                self.device,
            )
            features = image_features(self.architecture, [s.image for s in scenes])
            logits, _ = decode(self.architecture, features, batch)
            hit = (logits.argmax(-1) == batch.targets).tolist()
            for kind, index in zip(batch.kinds, batch.first, strict=True):
                right[kind].append(hit[index])
        return {kind: round(float(np.mean(right[kind])), 3) for kind in (*KINDS, "where")}

    def _save(self, row: dict[str, Any]) -> None:
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "projected": self.projected.state_dict(),
            "decoded": self.decoded.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "recipe": asdict(self.recipe),
        }
        with whole_file(self.folder / "state.pt") as partial:
            torch.save(state, partial)
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(row) + "\n")

    def _take_weights(self, folder: Path) -> None:
        """Start from the weights of a finished run; its time counts as this model's."""
        state = torch.load(folder / "state.pt", map_location=self.device, weights_only=True)
        self._load_weights(state)
        self.seconds = state["seconds"]

    def _resume(self) -> None:
        state = torch.load(self.folder / "state.pt", map_location=self.device, weights_only=True)
        known = asdict(Recipe(family=self.recipe.family, steps=self.recipe.steps))
        if {**known, **state["recipe"]} != asdict(self.recipe):
            raise ValueError(
                f"{self.folder} holds a run with another recipe ({state['recipe']}). "
                "Choose another folder, or repeat that recipe to go on with it."
            )
        self.step, self.seconds = state["step"], state["seconds"]
        self._load_weights(state)
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)

    def _load_weights(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.projected.load_state_dict(state["projected"])
        self.decoded.load_state_dict(state["decoded"])


def _to(batch: Batch, device: str) -> Batch:
    for name, value in vars(batch).items():
        if isinstance(value, torch.Tensor):
            setattr(batch, name, value.to(device))
    return batch
