"""How often a checkpoint answers right, per kind, and how much of that it owes to the image.

Answers come from the saved folder through the model's own ``generate``. The controls are the same
questions about an empty canvas, about another scene's image, and a prior that sees no image.

Command line: ``python -m vrp_tasks.tiny.training.evaluation --checkpoint FOLDER [--n-scenes N]``.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from vrp_tasks.errors import SetupError
from vrp_tasks.tiny.training.architectures import FAMILIES, prompt_text
from vrp_tasks.tiny.world import KINDS, draw_scene
from vrp_tasks.tiny.world.dataset import (
    N_TEST_IMAGES,
    TEST_SEED,
    evaluation_scene,
    questions_about,
)
from vrp_tasks.tiny.world.questions import Question
from vrp_tasks.tiny.world.scene import COLORS, SHAPES, empty_canvas

HELD_OUT_SEED = 9_500_000  # neither training (below 9 000 000), nor the log's looks, nor test
CONDITIONS = ("image", "blank", "other image", "no image")
_MAX_NEW_TOKENS = 8
_BATCH = 64
_PRIOR_SCENES = 2000
_PRIOR_LEAST = 8  # a question asked less often is answered as its template is


class Tally(NamedTuple):
    """Right answers among ``n``."""

    right: int
    n: int

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return self.right / self.n


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint folder."""

    family: str
    model: Any
    processor: Any


def load_checkpoint(folder: Path, *, device: str = "cpu") -> Checkpoint:
    """Load a checkpoint folder the ordinary way, in the precision that it asks for.

    Raises
    ------
    SetupError
        If there is no such folder, or it holds a model of another family.
    """
    if not (folder / "config.json").is_file():
        raise SetupError(f"{folder} is not a checkpoint folder: it has no config.json.")
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype="auto").to(device).eval()
    family = model.config.model_type
    if family not in FAMILIES:
        raise SetupError(f"{folder} holds a {family} model, not one of {', '.join(FAMILIES)}.")
    return Checkpoint(family, model, AutoProcessor.from_pretrained(folder))


@torch.inference_mode()
def generate_answers(
    checkpoint: Checkpoint, questions: Sequence[str], images: Sequence[np.ndarray]
) -> list[str]:
    """Answer each question about its image, greedily.

    Only prompts of one length share a batch, so that nothing is padded.

    Parameters
    ----------
    checkpoint : Checkpoint
        What `load_checkpoint` returned.
    questions : sequence of str
        Texts as the benchmark asks them.
    images : sequence of uint8 arrays, shape (height, width, 3)
        One per question.
    """
    processor, model = checkpoint.processor, checkpoint.model
    prompts = [prompt_text(checkpoint.family, processor, question) for question in questions]
    lengths = [len(processor.tokenizer(prompt)["input_ids"]) for prompt in prompts]
    answers = [""] * len(prompts)
    by_length = sorted(range(len(prompts)), key=lambda i: lengths[i])
    for _, equal in groupby(by_length, key=lambda i: lengths[i]):
        same = list(equal)
        for batch in (same[i : i + _BATCH] for i in range(0, len(same), _BATCH)):
            inputs = processor(
                text=[prompts[i] for i in batch],
                images=[Image.fromarray(images[i]) for i in batch],
                return_tensors="pt",
            ).to(model.device)
            inputs.pop("labels", None)  # PaliGemma's processor adds them to every prompt
            output = model.generate(**inputs, max_new_tokens=_MAX_NEW_TOKENS)
            new = output[:, inputs["input_ids"].shape[1] :]
            for i, text in zip(
                batch, processor.batch_decode(new, skip_special_tokens=True), strict=True
            ):
                answers[i] = text
    return answers


def evaluate(
    checkpoint: Checkpoint, *, first_seed: int, n_scenes: int
) -> dict[str, dict[str, Tally]]:
    """Accuracy of a checkpoint and of its controls.

    Parameters
    ----------
    checkpoint : Checkpoint
        What `load_checkpoint` returned.
    first_seed : int
        `TEST_SEED` for the test split, `HELD_OUT_SEED` for scenes nothing else uses.
    n_scenes : int
        At least 2, since a scene's questions are also asked about the next scene's image.

    Returns
    -------
    dict
        condition (`CONDITIONS`) → kind, or "all" → right answers and questions.
    """
    if n_scenes < 2:
        raise ValueError(f"evaluate: `n_scenes` must be at least 2, got {n_scenes}.")
    scenes = [evaluation_scene(first_seed + i) for i in range(n_scenes)]
    asked = [(i, q) for i, scene in enumerate(scenes) for q in questions_about(scene, i)]
    questions = [question for _, question in asked]
    texts = [question.text for question in questions]
    blanks = [empty_canvas(scene.seed) for scene in scenes]
    images = {
        "image": [scenes[i].image for i, _ in asked],
        "blank": [blanks[i] for i, _ in asked],
        "other image": [scenes[(i + 1) % n_scenes].image for i, _ in asked],
    }
    answers = {name: generate_answers(checkpoint, texts, shown) for name, shown in images.items()}
    answers["no image"] = [prior_answer(text) for text in texts]
    return {name: tally(questions, given) for name, given in answers.items()}


def tally(questions: Sequence[Question], answers: Sequence[str]) -> dict[str, Tally]:
    """Count exact matches, after strip and lower, per kind and in all."""
    hits: dict[str, list[bool]] = defaultdict(list)
    for question, answer in zip(questions, answers, strict=True):
        hit = answer.strip().lower() == question.answer.lower()
        hits[question.kind].append(hit)
        hits["all"].append(hit)
    return {kind: Tally(sum(hits[kind]), len(hits[kind])) for kind in (*KINDS, "all") if hits[kind]}


def prior_answer(text: str) -> str:
    """The most frequent answer to a question in training scenes, whatever they show."""
    by_text, by_template = _prior()
    counted = by_text.get(text, Counter())
    if counted.total() < _PRIOR_LEAST:
        counted = by_template[_template(text)]
    return counted.most_common(1)[0][0]


@lru_cache(maxsize=1)
def _prior() -> tuple[dict[str, Counter[str]], dict[str, Counter[str]]]:
    by_text: dict[str, Counter[str]] = defaultdict(Counter)
    by_template: dict[str, Counter[str]] = defaultdict(Counter)
    for seed in range(_PRIOR_SCENES):
        for question in questions_about(draw_scene(seed), seed):
            by_text[question.text][question.answer] += 1
            by_template[_template(question.text)][question.answer] += 1
    return by_text, by_template


def _template(text: str) -> str:
    """The question without the colours and shapes it names."""
    return re.sub(rf"\b(an?|({'|'.join((*COLORS, *SHAPES))})s?)\b", "_", text)


def accuracy_table(results: dict[str, dict[str, Tally]]) -> str:
    """Markdown table: kinds down, conditions across, in percent."""
    lines = [
        f"| kind | n | {' | '.join(CONDITIONS)} |",
        f"|---|---:|{'---:|' * len(CONDITIONS)}",
    ]
    for kind, seen in results["image"].items():
        cells = [f"{100 * results[name][kind].accuracy:.1f}" for name in CONDITIONS]
        lines.append(f"| {kind} | {seen.n} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table of a checkpoint on the test split."""
    parser = argparse.ArgumentParser(
        prog="python -m vrp_tasks.tiny.training.evaluation",
        description="Accuracy (percent) on the test split of vrp_shapes, with controls.",
    )
    parser.add_argument("--checkpoint", required=True, type=Path, help="checkpoint folder")
    parser.add_argument("--n-scenes", type=int, default=N_TEST_IMAGES, help="first N scenes only")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    try:
        checkpoint = load_checkpoint(arguments.checkpoint, device=arguments.device)
    except SetupError as error:
        parser.error(str(error))
    results = evaluate(checkpoint, first_seed=TEST_SEED, n_scenes=arguments.n_scenes)
    sys.stdout.write(f"{accuracy_table(results)}\n")


if __name__ == "__main__":
    main()
