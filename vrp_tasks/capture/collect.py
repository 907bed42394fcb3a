"""Split what was recorded of a batch by prompt."""

from __future__ import annotations

import numpy as np
import torch
from transformers import PreTrainedModel

from vrp_tasks.capture.decode_state import DecodeState
from vrp_tasks.capture.recorder import Recorder
from vrp_tasks.capture.result import Captured
from vrp_tasks.families import Family


def collect(
    model: PreTrainedModel,
    family: Family,
    inputs: dict[str, torch.Tensor],
    input_ids: torch.Tensor,
    recorder: Recorder,
    state: DecodeState,
) -> list[Captured]:
    """One `Captured` per prompt, on the CPU."""
    is_image = family.image_tokens(model.config, input_ids).to(recorder.row_sum.device)
    rows = recorder.row_sum / recorder.row_count[None, :, None]
    logprobs = torch.stack(state.logprobs).cpu().numpy()
    entropies = torch.stack(state.entropies).cpu().numpy()
    grids = family.grids_of_prompts(model.config, inputs, input_ids)
    captured = []
    for index in range(state.batch):
        first = index * state.rows
        tokens = state.answer_tokens(first)
        item = Captured(
            tokens=tokens,
            sampled_tokens=[
                state.answer_tokens(row) for row in range(first + 1, first + state.rows)
            ],
            logprobs=logprobs[: len(tokens), index],
            entropies=entropies[: len(tokens), index],
            first_probabilities=state.first_probabilities[index].cpu().numpy(),
            maps=None,
            image_mass=None,
            grid=None,
            hidden={"last_prompt": recorder.last_prompt[:, index].cpu().numpy()},
        )
        _add_answer_states(item, recorder, index)
        weights = rows[:, index, is_image[index]]
        reason = family.lacks.get("attention") or recorder.misfit_of(index)
        _add_maps(item, weights, grids[index], reason, recorder)
        captured.append(item)
    return captured


def _add_answer_states(item: Captured, recorder: Recorder, index: int) -> None:
    count = float(recorder.answer_count[index])
    if count == 0:
        item.missing["hidden_answer"] = "the answer is empty"
        return
    item.hidden["last_answer"] = recorder.last_answer[:, index].cpu().numpy()
    item.hidden["mean_answer"] = (recorder.answer_sum[:, index] / count).cpu().numpy()


def _add_maps(
    item: Captured,
    weights: torch.Tensor,
    grids: list[tuple[int, int]],
    reason: str | None,
    recorder: Recorder,
) -> None:
    """Attention maps of a prompt with exactly one image whose tokens fill its grid.

    Layers without attention have none, nor has one whose window has left the image. One image's
    share of attention needs no grid: it may be in tiles.
    """
    missing = reason
    n_tokens = weights.shape[1]
    height, width = grids[0] if grids else (0, 0)
    if not grids:
        missing = reason or "the prompt has no image tokens"
    elif height * width != n_tokens:
        missing = (
            f"{n_tokens} image tokens do not fill one {height} x {width} grid (several images?)"
        )
    elif reason is None and not recorder.attending:
        missing = "no layer of this model attends with a softmax"
    mass = weights.sum(dim=1)
    if len(grids) == 1 and reason is None and recorder.attending:
        item.image_mass = _of_all_layers(mass, recorder)
    if missing is None:
        item.grid = (height, width)
        if not bool((mass > 0).any()):
            missing = "no layer pays any attention to the image"
    if missing is not None:
        item.missing["attention"] = missing
        return
    item.maps = _of_all_layers(weights / mass[:, None], recorder)  # 0 / 0 is NaN


def _of_all_layers(values: torch.Tensor, recorder: Recorder) -> np.ndarray:
    """Values of the attending layers, NaN in all others."""
    every = np.full((len(recorder.layers), *values.shape[1:]), np.nan, np.float32)
    every[recorder.attending] = values.cpu().numpy()
    return every
