"""Split what was recorded of a batch by prompt."""

from __future__ import annotations

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
        _add_maps(item, rows[:, index, is_image[index]], grids[index], recorder.misfit_of(index))
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
    item: Captured, weights: torch.Tensor, grids: list[tuple[int, int]], misfit: str | None
) -> None:
    """Attention maps of a prompt with exactly one image whose tokens fill its grid."""
    n_tokens = weights.shape[1]
    if not grids:
        item.missing["attention"] = "the prompt has no image tokens"
        return
    height, width = grids[0]
    if height * width != n_tokens:
        item.missing["attention"] = (
            f"{n_tokens} image tokens do not fill one {height} x {width} grid (several images?)"
        )
        return
    if misfit is not None:
        item.missing["attention"] = misfit
        return
    mass = weights.sum(dim=1)
    item.grid = (height, width)
    item.image_mass = mass.cpu().numpy()
    if not bool((mass > 0).all()):
        item.missing["attention"] = "a layer pays no attention to the image at all"
        return
    item.maps = (weights / mass[:, None]).cpu().numpy()
