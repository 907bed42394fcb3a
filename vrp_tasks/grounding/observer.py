"""Captures what the maps are made of, in the one prefill: a few attention rows and last states."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from metrics.record.channels import BoundaryMaps, QuestionMaps
from vrp_tasks.capture.attention import Attended
from vrp_tasks.capture.decode_state import DecodeState
from vrp_tasks.capture.observer import CaptureContext, Observer
from vrp_tasks.capture.recorder import describe_misfit
from vrp_tasks.capture.result import Captured
from vrp_tasks.capture.weights import UNREADABLE, plain_weight
from vrp_tasks.errors import UnalignedError
from vrp_tasks.grounding.activation import TokenActivations
from vrp_tasks.grounding.attention import Readers, attention_to_image
from vrp_tasks.grounding.maps import GroundingMaps
from vrp_tasks.grounding.words import Word, align_words

KEY = "grounding"
_NO_MARKERS = "no structural token follows the image"
_SILENT_MARKERS = "the boundary markers activate no image token"
_UNSEEN = "the question stands before the image, which its words do not attend to"
_WORDS, _MARKERS = 0, 1  # rows of what `attention_to_image` returns


@dataclass(frozen=True)
class _Prompt:
    """What is read off one prompt; ``reason`` says why there are no words."""

    words: list[Word]
    reason: str | None
    image: torch.Tensor
    markers: torch.Tensor
    context: torch.Tensor
    readers: Readers | None


class PromptMaps(Observer):
    """Adds `GroundingMaps` to ``extra["grounding"]`` and the maps per layer to ``extra["arrays"]``.

    Parameters
    ----------
    context : CaptureContext
        With questions and tokenizer.
    words_of : callable
        The part of a prompt's text whose content words count.
    """

    def __init__(self, context: CaptureContext, *, words_of: Callable[[str], str]) -> None:
        super().__init__(context)
        self.words_of = words_of
        self.prompts = [self._read(index) for index in range(len(context.input_ids))]
        # per prompt, by decoder layer
        self.layers: list[dict[int, torch.Tensor]] = [{} for _ in self.prompts]
        self.misfits: list[dict[int, torch.Tensor]] = [{} for _ in self.prompts]
        self.states = torch.empty(0)
        self.reading = True

    def _read(self, index: int) -> _Prompt:
        context = self.context
        ids = context.input_ids[index]
        image = context.family.image_tokens(context.model.config, ids).cpu()
        place = torch.arange(len(ids))
        after = place > (int(place[image].max()) if image.any() else len(ids))
        tokenizer = context.tokenizer
        is_marker = torch.zeros_like(image)
        if tokenizer is not None:
            is_marker = context.family.boundary_markers(tokenizer, ids).cpu()
        # the last prompt token is the answer's own first position, whatever it is
        markers = place[after & is_marker & (place < len(ids) - 1)]
        try:
            words, reason = self._words(index, ids.tolist()), None
        except UnalignedError as unaligned:
            words, reason = [], str(unaligned)
        context_places = place[after & ~is_marker]
        readers = _readers(words, markers, image) if image.any() else None
        return _Prompt(words, reason, image, markers, context_places, readers)

    def _words(self, index: int, ids: list[int]) -> list[Word]:
        question, tokenizer = self.context.questions[index], self.context.tokenizer
        if question is None or tokenizer is None:
            raise UnalignedError("the question is not known to the capture")
        return align_words(tokenizer, ids, self.words_of(question))

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Hook the final norm."""
        norm = self.context.family.decoder(self.context.model).norm
        handle = norm.register_forward_hook(self._on_norm)
        try:
            yield
        finally:
            handle.remove()

    def _on_norm(self, _module: nn.Module, _args: tuple[Any, ...], output: torch.Tensor) -> None:
        if self.reading:
            self.states = output

    def after_prefill(self, outputs: Any) -> None:
        """The prompt's states are there; those of answer tokens are not needed."""
        self.reading = False

    def on_attention(self, attended: Attended) -> None:
        """Keep two mean rows per prompt."""
        for index, prompt in enumerate(self.prompts):
            if prompt.readers is not None:
                rows, worst = attention_to_image(prompt.readers, attended.of(index))
                self.layers[index][attended.layer] = rows.cpu()
                self.misfits[index][attended.layer] = worst.cpu()

    def collect(self, index: int, item: Captured, state: DecodeState) -> None:
        """The maps of one prompt."""
        found = GroundingMaps()
        item.extra[KEY] = found
        if item.maps is None or item.grid is None or self.prompts[index].readers is None:
            reason = item.missing.get("attention", "no attention map")
            for side in ("attention.answer", "attention.prompt"):
                found.lack(side, reason)
            for side in ("activation.answer", "activation.prompt"):
                found.lack(side, reason)
            return
        self._attention(found, item.maps, index, item)
        self._activation(found, index, item)

    def _attention(
        self, found: GroundingMaps, answer: np.ndarray, index: int, item: Captured
    ) -> None:
        assert item.grid is not None
        mapped = np.flatnonzero(~np.isnan(answer).any(axis=1)).tolist()  # layers with a map
        answer = _flat(item.on_grid(answer[mapped].astype(np.float64)))
        chosen = torch.stack([self.layers[index][layer] for layer in mapped]).double().numpy()
        rows = np.stack([_flat(item.on_grid(own)) for own in chosen.swapaxes(0, 1)], axis=1)
        prompt = self.prompts[index]
        misfits = self.misfits[index]
        misfit = describe_misfit(torch.stack(list(misfits.values())), list(misfits))
        boundary: np.ndarray | str = rows[:, _MARKERS]
        if misfit is not None or not len(prompt.markers):
            boundary = misfit or _NO_MARKERS
        found.add("attention.answer", answer, boundary, item.grid)
        arrays = item.extra.setdefault("arrays", {})
        if not isinstance(boundary, str):
            arrays[BoundaryMaps.name] = _stored(boundary)
        if reason := prompt.reason or misfit:
            found.lack("attention.prompt", reason)
        elif not rows[:, _WORDS].any():
            found.lack("attention.prompt", _UNSEEN)
        else:
            found.add("attention.prompt", rows[:, _WORDS], boundary, item.grid)
            arrays[QuestionMaps.name] = _stored(rows[:, _WORDS])

    def _activation(self, found: GroundingMaps, index: int, item: Captured) -> None:
        assert item.grid is not None
        unembedding = plain_weight(self.context.model.get_output_embeddings())
        if unembedding is None:
            for side in ("activation.answer", "activation.prompt"):
                found.lack(side, UNREADABLE)
            return
        prompt, ids = self.prompts[index], self.context.input_ids[index].cpu()
        states = self.states[index]
        activations = TokenActivations(
            image=states[prompt.image.to(states.device)],
            text=states[prompt.context.to(states.device)],
            text_ids=ids[prompt.context],
            text_positions=prompt.context,
            unembedding=unembedding,
            grid=item.grid,
            canvas=item.canvas,
        )
        markers = activations.of_markers(ids[prompt.markers]).reshape(1, -1)
        boundary: np.ndarray | str = markers
        if not markers.any():
            boundary = _SILENT_MARKERS if len(prompt.markers) else _NO_MARKERS
        if item.tokens:
            answer = activations.of_token(item.tokens[0], len(ids))
            _add_activation(found, "activation.answer", answer, boundary, item.grid)
        else:
            found.lack("activation.answer", "the answer is empty")
        reason = prompt.reason or found.missing.get("attention.prompt")
        if reason is not None:
            found.lack("activation.prompt", reason)
        else:
            words = activations.of_words([w.positions for w in prompt.words], ids.tolist())
            _add_activation(found, "activation.prompt", words, boundary, item.grid)


def _add_activation(
    found: GroundingMaps,
    side: str,
    activation: np.ndarray,
    boundary: np.ndarray | str,
    grid: tuple[int, int],
) -> None:
    if activation.any():
        found.add(side, activation.reshape(1, -1), boundary, grid)
    else:
        found.lack(side, "no image token activates it beyond what the context explains")


def _readers(words: list[Word], markers: torch.Tensor, image: torch.Tensor) -> Readers:
    """Two mean rows: over words (each the mean over its tokens), and over the markers."""
    positions = sorted({p for word in words for p in word.positions} | set(markers.tolist()))
    weights = torch.zeros(2, len(positions))
    column = {position: index for index, position in enumerate(positions)}
    for word in words:
        for position in word.positions:
            weights[_WORDS, column[position]] += 1 / len(word.positions) / len(words)
    for position in markers.tolist():
        weights[_MARKERS, column[position]] = 1 / len(markers)
    return Readers(torch.tensor(positions, dtype=torch.long), weights, image)


def _flat(pictures: np.ndarray) -> np.ndarray:
    return pictures.reshape(len(pictures), -1)


def _stored(layers: np.ndarray) -> np.ndarray:
    """Per layer, each scaled to sum to 1; half precision is enough for a picture of a map."""
    mass = layers.sum(axis=1, keepdims=True)
    scaled: np.ndarray = np.divide(layers, mass, out=np.zeros_like(layers), where=mass > 0)
    return scaled.astype(np.float16)
