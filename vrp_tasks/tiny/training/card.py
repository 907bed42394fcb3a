"""The model card of a trained checkpoint: what it was made from and how well it does."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from vrp_tasks.tiny.training.evaluation import Tally, accuracy_table
from vrp_tasks.tiny.training.loop import Recipe
from vrp_tasks.tiny.world import KINDS

_CLASSES = {
    "llava": ("LLaVA", "LlavaForConditionalGeneration", "CLIP and Llama"),
    "paligemma": ("PaliGemma", "PaliGemmaForConditionalGeneration", "SigLIP and Gemma"),
    "qwen2_vl": ("Qwen2-VL", "Qwen2VLForConditionalGeneration", "its own vision tower and Qwen2"),
    "qwen3_vl": ("Qwen3-VL", "Qwen3VLForConditionalGeneration", "its own vision tower and Qwen3"),
}
_LEAST_GAIN = 0.10  # over the blanked image, before we call a kind answered from the image

_CARD = """---
license: mit
library_name: transformers
pipeline_tag: image-text-to-text
tags: [vrp-tasks, synthetic]
---

# {title}

A {name} of {parameters:,} parameters ({class_name}; {parts}; {n_layers} decoder layers,
{image_tokens} image tokens per 112 × 112 image) trained from scratch on the shapes world of
vrp-tasks. It is made to be probed, not used: small enough for a test on a CPU, right often enough
to have something to explain, and wrong often enough to have something to find.

## Accuracy

Percent of answers equal to the truth after strip and lower; greedy, from this folder. *Blank*: the
same questions about an empty canvas. *Other image*: about the next scene's image. *No image*: the
most frequent answer to the question in training scenes.

Test split of `vrp_shapes` ({n_test} scenes, harder than those of training: four to eight objects
instead of three to six, in colours that vary twice as much):

{test_table}

Held-out scenes ({n_held_out} scenes as hard, seeds from {held_out_seed:,}):

{held_out_table}

{limits}

## Training

- Data: scenes drawn from seeds below 9,000,000, {images_per_step} per step, each with up to six
  questions of the four kinds and three auxiliary ones (a caption, or where an object is).
  Half of the images went through JPEG (quality 85), as some adapters of lmms-eval do.
- Loss: cross-entropy on answer tokens, and a dense loss (weight {dense_weight}, fading to a fifth)
  that asks image tokens for the colour, shape and size at their place and for row and column.
- Optimiser: Muon for the blocks' matrices, AdamW for the rest; cosine to 3 % of the learning rate.
{runs}
- Time: {seconds:,.0f} s ({minutes:.0f} min) in all on {device}; torch {torch_version},
  transformers {transformers_version}.
- Weights are stored in float16 and load as float32, the precision of the figures above.

To repeat it with vrp-tasks:

```
{commands}
```

## Licence

MIT. There is no data but what the generator draws.
"""


def model_card(
    recipes: Sequence[Recipe],
    *,
    test: dict[str, dict[str, Tally]],
    held_out: dict[str, dict[str, Tally]],
    facts: Mapping[str, Any],
) -> str:
    """Write the card.

    Parameters
    ----------
    recipes : sequence of Recipe
        The runs that made the model, in order; each but the first went on from the one before.
    test, held_out : dict
        What `vrp_tasks.tiny.training.evaluation.evaluate` returned for the two sets of scenes.
    facts : mapping
        ``title``, ``parameters``, ``n_layers``, ``image_tokens``, ``n_test``, ``n_held_out``,
        ``held_out_seed``, ``steps_done`` (of the last run), ``seconds`` (of all), ``device``,
        ``torch_version``, ``transformers_version``.
    """
    recipe = recipes[-1]
    name, class_name, parts = _CLASSES[recipe.family]
    steps = [*(f"{earlier.steps:,}" for earlier in recipes[:-1]), facts["steps_done"]]
    return _CARD.format(
        **vars(recipe),
        **facts,
        name=name,
        class_name=class_name,
        parts=parts,
        runs="\n".join(_run_line(i, recipes[i], steps[i]) for i in range(len(recipes))),
        commands="\n".join(_command(i, recipe) for i, recipe in enumerate(recipes)),
        minutes=facts["seconds"] / 60,
        test_table=accuracy_table(test),
        held_out_table=accuracy_table(held_out),
        limits=limits(test),
    )


def limits(results: dict[str, dict[str, Tally]]) -> str:
    """Say which kinds are not, or hardly, answered from the image."""
    lines = []
    for kind in KINDS:
        seen, blank = results["image"][kind].accuracy, results["blank"][kind].accuracy
        if seen - blank < _LEAST_GAIN:
            lines.append(
                f"- **{kind} questions are hardly answered from the image**: {seen:.1%} against "
                f"{blank:.1%} with the image blanked."
            )
    if not lines:
        return "Every kind gains at least 10 points from the image."
    return "Known limits:\n\n" + "\n".join(lines)


def _run_line(number: int, recipe: Recipe, steps: str) -> str:
    parts = [
        f"learning rate {recipe.learning_rate:g}",
        f"{recipe.warmup} warm-up steps",
        f"seed {recipe.seed}",
    ]
    if recipe.focus:
        parts.append(f"{recipe.focus} questions about twice as often")
    if recipe.family == "paligemma":
        parts.append(
            f"from {recipe.exact_from:.0%} of the steps on three questions per image, one per "
            "sequence, since its image tokens see the question"
        )
    origin = f", from the weights of run {number}" if number else ""
    text = f"- Run {number + 1}: {steps} steps{origin}; {', '.join(parts)}."
    return textwrap.fill(text, 100, subsequent_indent="  ")


def _command(number: int, recipe: Recipe) -> str:
    """The command line of a run; options that have their default value are left out."""
    options = {
        "family": recipe.family,
        "steps": recipe.steps,
        "learning-rate": recipe.learning_rate,
        "seed": recipe.seed,
        "exact-from": recipe.exact_from,
        "focus": recipe.focus,
        "continues": f"run-{number}" if recipe.continues else "",
        "work": f"run-{number + 1}",
    }
    defaults = {
        "learning-rate": Recipe.learning_rate,
        "seed": Recipe.seed,
        "exact-from": Recipe.exact_from,
        "focus": Recipe.focus,
        "continues": Recipe.continues,
    }
    given = [f"--{name} {v}" for name, v in options.items() if v != defaults.get(name)]
    return " ".join(["python -m vrp_tasks.tiny.training", *given])
