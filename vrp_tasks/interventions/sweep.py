"""All variants of a batch of prompts, branched off one clean pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from vrp_tasks.interventions.branches import Answer
from vrp_tasks.interventions.kinds import Batch, Group
from vrp_tasks.interventions.variants import Variant


def sweep_answers(
    batch: Batch, groups: Sequence[Group], *, max_rows: int
) -> Iterator[tuple[int, Variant, Answer]]:
    """Every variant of every prompt that can be had: prompt, variant, answer.

    Parameters
    ----------
    batch : Batch
        Prompts; the model is within `capturing_attention`.
    groups : sequence of Group
        What to run.
    max_rows : int
        Most rows of what is run at once; at least one variant of each prompt is.
    """
    prompts = batch.prompts
    step = max(1, max_rows // len(prompts))
    for group in groups:
        for first in range(0, len(group.variants), step):
            chunk = replace(group, variants=group.variants[first : first + step])
            own = chunk.intervention
            pairs = [(b, variant) for b in range(len(prompts)) for variant in chunk.variants]
            targets = [own.target(batch, variant, prompts[b]) for b, variant in pairs]
            if all(target is None for target in targets):
                continue
            found = own.answers(batch, chunk, targets)
            for (b, variant), target, answer in zip(pairs, targets, found, strict=True):
                if target is not None:
                    yield b, variant, answer
