"""Variants of a batch whose prompts show no, one and several images."""

import numpy as np
import torch

from tests.vrp_tasks.helpers.random_models import mixed_batch, random_architecture
from vrp_tasks.capture.attention import capturing_attention
from vrp_tasks.families import family_of
from vrp_tasks.interventions.branches import branched_generate
from vrp_tasks.interventions.kinds import INTERVENTIONS, Batch, Group, Prompt
from vrp_tasks.interventions.pixels import replaced_pixels
from vrp_tasks.interventions.ranking import Ranking, choose_cells
from vrp_tasks.interventions.sweep import sweep_answers
from vrp_tasks.interventions.variants import Variant

OPTIONS = {"do_sample": False, "max_new_tokens": 4}
GRIDS = (None, None, (6, 12), (12, 6))
MASKS = tuple(
    Variant("mask_pixels", "random", "mean", None, share, "share", 0) for share in (0.3, 1.0)
)
BLOCK = Variant("mask_attention", "ranked", "block", None, 0.5, "share")
BYPASS = Variant("bypass_mlp", "all", "zero", 4, 1.0, "share")
GROUPS = [
    Group(INTERVENTIONS["mask_pixels"], None, MASKS),
    Group(INTERVENTIONS["mask_attention"], None, (BLOCK,)),
    Group(INTERVENTIONS["bypass_mlp"], 4, (BYPASS,)),
]


def prompt(row):
    grid = GRIDS[row]
    attended = None if grid is None else np.random.default_rng(row).random(grid[0] * grid[1])
    return Prompt(str(row), f"task/test/{row}", attended, grid)


@torch.inference_mode()
def answers(*rows):
    model = random_architecture("qwen2_vl").model
    family = family_of(model.config)
    inputs, found = mixed_batch(*rows), {}

    def work(clean, references):
        own = [prompt(row) for row in rows]
        batch = Batch(clean, references, inputs, own, Ranking("task"))
        for index, variant, answer in sweep_answers(batch, GROUPS, max_rows=64):
            found[rows[index], variant] = answer

    with capturing_attention(model):
        branched_generate(model, family, inputs, work, keep={0, 4}, **OPTIONS)
    return found


def test_every_prompt_of_a_mixed_batch_is_treated_as_if_alone():
    together = answers(0, 1, 2, 3)
    alone = {key: answer for row in range(4) for key, answer in answers(row).items()}
    assert together.keys() == alone.keys()
    assert {row for row, variant in together if variant.intervention.startswith("mask")} == {2, 3}
    assert {row for row, variant in together if variant.intervention == "bypass_mlp"} == {*range(4)}
    for key, answer in together.items():
        assert answer.tokens == alone[key].tokens, key
        np.testing.assert_allclose(
            answer.clean_logprobs, alone[key].clean_logprobs, atol=2e-4, err_msg=str(key)
        )


def test_masked_pixels_of_a_mixed_batch_are_those_of_the_prompt():
    model = random_architecture("qwen2_vl").model
    family = family_of(model.config)
    together, length = answers(0, 1, 2, 3), mixed_batch(3)["input_ids"].shape[1]
    for variant in MASKS:
        cells = choose_cells(variant, prompt(3).attended, prompt(3).identity)
        masked = replaced_pixels(
            model.config, family, mixed_batch(3), [torch.from_numpy(cells.reshape(GRIDS[3]))]
        )
        tokens = model.generate(**masked, **OPTIONS)[0, length:].tolist()
        found = together[3, variant]
        assert found.tokens + [found.ended] * (found.ended is not None) == tokens
