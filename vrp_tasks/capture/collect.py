"""Split what was recorded of a batch by prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import torch
from transformers import PreTrainedModel

from metrics.record.channels import (
    Channel,
    HeadMasses,
    LookBack,
    SampleScores,
    TokenImageMass,
    TokenSteps,
)
from vrp_tasks.capture.decode_state import DecodeState
from vrp_tasks.capture.recorder import Recorder
from vrp_tasks.capture.result import Captured
from vrp_tasks.capture.views import Canvas
from vrp_tasks.families import Family


def collect(
    model: PreTrainedModel,
    family: Family,
    inputs: dict[str, torch.Tensor],
    input_ids: torch.Tensor,
    recorder: Recorder,
    state: DecodeState,
    canvases: Sequence[Canvas | str | None],
) -> list[Captured]:
    """One `Captured` per prompt, on the CPU; ``canvases`` as for `probed_generate`."""
    is_image = family.image_tokens(model.config, input_ids).to(recorder.row_sum.device)
    rows = recorder.row_sum / recorder.row_count[None, :, None]
    notes = state.notes
    chosen = torch.stack(notes.chosen).cpu().numpy()
    logprobs = chosen[:, :: state.rows]
    entropies = notes.of("entropies").cpu().numpy()
    steps = [notes.of(field.name).cpu().numpy() for field in fields(TokenSteps)]
    first_two = notes.of("top")[0, :, :2].exp().cpu().numpy()
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
            first_probabilities=first_two[index],
            maps=None,
            image_mass=None,
            grid=None,
            hidden={"last_prompt": recorder.last_prompt[:, index].cpu().numpy()},
            failed=state.complaint(index) or recorder.complaint(index),
        )
        _keep(item, TokenSteps(*(own[: len(tokens), index] for own in steps)))
        if item.sampled_tokens:
            own_rows = chosen[:, first + 1 : first + state.rows].T
            _keep(item, _sample_scores(own_rows, item.sampled_tokens))
        _add_answer_states(item, recorder, index)
        weights = rows[:, index, is_image[index]]
        reason = family.lacks.get("attention") or recorder.misfit_of(index)
        _add_maps(item, weights, grids[index], canvases[index], reason, recorder)
        _add_gaze(item, recorder, index, reason)
        captured.append(item)
    return captured


def _keep(item: Captured, channel: Channel) -> None:
    item.further[channel.name] = channel


def _sample_scores(logprobs: np.ndarray, tokens: list[list[int]]) -> SampleScores:
    """Of K samples, log-probabilities (K, n_steps) cut where each sample ends."""
    lengths = np.array([len(own) for own in tokens], np.int32)
    own = np.where(np.arange(logprobs.shape[1]) < lengths[:, None], logprobs, 0)
    return SampleScores(own.sum(axis=1, dtype=np.float64).astype(np.float32), lengths)


def _add_gaze(item: Captured, recorder: Recorder, index: int, reason: str | None) -> None:
    """Where the heads look, unless the rows are none that the model attended with."""
    gaze = recorder.gaze
    why = reason
    if gaze is None or gaze.why_not is not None:
        why = reason or (None if gaze is None else gaze.why_not)
        why = why or "where heads look was not kept"
    elif not item.tokens:
        why = "the answer is empty"
    if gaze is None or why is not None:
        for kind in (TokenImageMass, HeadMasses, LookBack):
            item.missing[kind.name] = str(why)
        return
    n = len(item.tokens)
    if bool(gaze.is_image[index].any()):
        _keep(item, TokenImageMass(gaze.image_by_token(index, n)))
        _keep(item, HeadMasses(gaze.mean_shares(index, recorder.row_count).astype(np.float16)))
    else:
        for kind in (TokenImageMass, HeadMasses):
            item.missing[kind.name] = "the prompt has no image tokens"
    previous = gaze.look_back(index, n)
    if previous is None:
        item.missing[LookBack.name] = "no layer in the middle third attends with a softmax"
    else:
        _keep(item, LookBack(previous))


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
    canvas: Canvas | str | None,
    reason: str | None,
    recorder: Recorder,
) -> None:
    """Attention maps of a prompt with exactly one image whose tokens fill its grid or canvas.

    Layers without attention have none, nor has one whose window has left the image. The share of
    attention on images needs no grid: it is over the tokens of all of them.
    """
    missing = reason
    n_tokens = weights.shape[1]
    if not grids:
        missing = reason or "the prompt has no image tokens"
    elif (unplaced := _unplaced(n_tokens, grids[0], canvas)) is not None:
        missing = unplaced
    elif reason is None and not recorder.attending:
        missing = "no layer of this model attends with a softmax"
    mass = weights.sum(dim=1)
    if grids and reason is None and recorder.attending:
        item.image_mass = _of_all_layers(mass, recorder)
    if missing is None:
        item.canvas = canvas if isinstance(canvas, Canvas) else None
        item.grid = grids[0] if item.canvas is None else item.canvas.grid
        if not bool((mass > 0).any()):
            missing = "no layer pays any attention to the image"
    if missing is not None:
        item.missing["attention"] = missing
        return
    item.maps = _of_all_layers(weights / mass[:, None], recorder)  # 0 / 0 is NaN


def _unplaced(n_tokens: int, grid: tuple[int, int], canvas: Canvas | str | None) -> str | None:
    """Why image tokens have no places, or None."""
    if isinstance(canvas, str):
        return canvas
    if canvas is not None:
        if canvas.n_tokens == n_tokens:
            return None
        return f"the prompt has {n_tokens} image tokens, its image has {canvas.n_tokens}"
    height, width = grid
    if height * width == n_tokens:
        return None
    return f"{n_tokens} image tokens do not fill one {height} x {width} grid (several images?)"


def _of_all_layers(values: torch.Tensor, recorder: Recorder) -> np.ndarray:
    """Values of the attending layers, NaN in all others."""
    every = np.full((len(recorder.layers), *values.shape[1:]), np.nan, np.float32)
    every[recorder.attending] = values.cpu().numpy()
    return every
