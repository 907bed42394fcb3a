"""Many questions about one image in one sequence.

The image's tokens come first and are computed once; each question is a block of its own that sees
the image and itself (a block-diagonal mask) and whose positions restart after the image. For a
causal decoder this is exact. PaliGemma's image tokens also look at the question, so it needs
``packed=False`` (one question per sequence) to see its real attention pattern.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from vrp_tasks.tiny.training.architectures import GRID, Architecture
from vrp_tasks.tiny.world.questions import Question


@dataclass
class Batch:
    """Tensors of one training step; B sequences of T tokens about ``n_images`` images.

    ``image_index`` (B,) says whose features a sequence holds; ``allowed`` (B, 1, T, T) is the
    attention mask; targets are flat over (sequence, position) pairs in ``at``.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    allowed: torch.Tensor
    image_index: torch.Tensor
    at: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor
    kinds: list[str] = field(default_factory=list)
    first: list[int] = field(default_factory=list)


class Features(NamedTuple):
    """What a vision tower says of images, each of shape (n_images, n_image_tokens, d_model).

    ``deep`` is added to the image's tokens after the first decoder layers, one after each
    (DeepStack); empty where an architecture has none.
    """

    projected: torch.Tensor
    deep: list[torch.Tensor]


class Packer:
    """Turn questions into token blocks of one family."""

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture
        self.tokenizer = architecture.processor.tokenizer
        self.image_token_id = architecture.model.config.image_token_id
        self.prefix_lm = architecture.family == "paligemma"
        blank = Image.new("RGB", (GRID * 14, GRID * 14))
        inputs = architecture.processor(
            text=architecture.prompt("?"), images=[blank], return_tensors="pt"
        )
        ids = inputs["input_ids"][0]
        end = int((ids == self.image_token_id).nonzero()[-1]) + 1
        self.prefix = ids[:end].tolist()
        self.positions = self._positions(inputs)
        self._cache: dict[str, list[int]] = {}

    def _positions(self, inputs: dict[str, Any]) -> torch.Tensor:
        """Positions of a prompt, (axes, T): three axes for M-RoPE, one otherwise."""
        model = self.architecture.model
        length = inputs["input_ids"].shape[1]
        if "mm_token_type_ids" in inputs:
            positions, _ = model.model.get_rope_index(
                inputs["input_ids"],
                mm_token_type_ids=inputs["mm_token_type_ids"],
                image_grid_thw=inputs["image_grid_thw"],
            )
            found: torch.Tensor = positions[:, 0]
            return found
        return torch.arange(length)[None] + (1 if self.prefix_lm else 0)

    def block(self, question: str) -> list[int]:
        """Token ids of a prompt after its last image token."""
        if question not in self._cache:
            prompt = self.architecture.prompt(question)
            if self.prefix_lm:
                prompt = f"{prompt}\n".replace("<image>", "<bos>")
                ids = self.tokenizer(prompt, add_special_tokens=False)["input_ids"]
            else:
                ids = self.tokenizer(prompt)["input_ids"]
                ids = ids[len(ids) - ids[::-1].index(self.image_token_id) :]
            self._cache[question] = ids
        return self._cache[question]

    def answer(self, text: str) -> list[int]:
        """Token ids of an answer, without the end-of-sequence token."""
        prefix = self.architecture.answer_prefix
        found: list[int] = self.tokenizer(prefix + text, add_special_tokens=False)["input_ids"]
        return found

    def pack(self, asked: list[list[Question]], *, packed: bool, auxiliary: float) -> Batch:
        """Pack the questions asked about each image.

        Parameters
        ----------
        asked : list of list of Question
            One list per image.
        packed : bool
            One sequence per image, else one per question.
        auxiliary : float
            Loss weight of the training-only kinds; the benchmark kinds weigh 1.
        """
        rows = [
            (image, group)
            for image, questions in enumerate(asked)
            for group in ([questions] if packed else [[q] for q in questions])
        ]
        encoded = [
            [(self.block(q.text), self.answer(q.answer), q) for q in group] for _, group in rows
        ]
        start = len(self.prefix)
        length = start + max(sum(len(p) + len(a) for p, a, _ in row) for row in encoded)
        ids = np.full((len(rows), length), self.tokenizer.pad_token_id)
        block = np.full((len(rows), length), -1)
        bidirectional = np.zeros((len(rows), length), dtype=bool)
        axes = self.positions.shape[0]
        positions = np.zeros((axes, len(rows), length), dtype=np.int64)
        at: list[tuple[int, int]] = []
        targets: list[int] = []
        weights: list[float] = []
        kinds: list[str] = []
        first: list[int] = []
        ids[:, :start], block[:, :start], bidirectional[:, :start] = self.prefix, 0, self.prefix_lm
        positions[:, :, :start] = self.positions[:, None, :start].numpy()
        after = self.positions[:, start].numpy()
        for row, blocks in enumerate(encoded):
            cursor = start
            for number, (prompt, answer, question) in enumerate(blocks):
                end = cursor + len(prompt) + len(answer)
                ids[row, cursor:end] = prompt + answer
                block[row, cursor:end] = number + 1 if packed else 0
                bidirectional[row, cursor : cursor + len(prompt)] = self.prefix_lm
                positions[:, row, cursor:end] = after[:, None] + np.arange(end - cursor)
                kinds.append(question.kind)
                first.append(len(at))
                weight = auxiliary if question.kind in ("caption", "where") else 1.0
                for offset, target in enumerate([*answer, self.tokenizer.eos_token_id]):
                    at.append((row, cursor + len(prompt) - 1 + offset))
                    targets.append(target)
                    weights.append(weight)
                cursor = end
        order = np.arange(length)
        same = (block[:, None, :] == 0) | (block[:, None, :] == block[:, :, None])
        seen = (order[None, :] <= order[:, None])[None] | (
            bidirectional[:, None, :] & bidirectional[:, :, None]
        )
        real = (block >= 0)[:, None, :] & (block >= 0)[:, :, None]
        allowed = (same & seen & real) | (order[None, :] == order[:, None])[None]
        position_ids = torch.from_numpy(positions)
        return Batch(
            input_ids=torch.from_numpy(ids),
            position_ids=position_ids if axes == 3 else position_ids[0],
            allowed=torch.from_numpy(allowed)[:, None],
            image_index=torch.tensor([image for image, _ in rows]),
            at=torch.tensor(at),
            targets=torch.tensor(targets),
            weights=torch.tensor(weights),
            kinds=kinds,
            first=first,
        )


def decode(
    architecture: Architecture, features: Features, batch: Batch
) -> tuple[torch.Tensor, torch.Tensor]:
    """Run the decoder on packed sequences.

    Parameters
    ----------
    features : Features
        What `image_features` returned.
    batch : Batch
        What `Packer.pack` returned.

    Returns
    -------
    logits : float tensor, shape (n_targets, vocabulary)
    hidden : float tensor, shape (B, n_image_tokens, d_model)
        Image tokens after the second decoder layer, for the dense location loss.
    """
    model = architecture.model
    language = model.model.language_model
    embeds = model.get_input_embeddings()(batch.input_ids)
    is_image = batch.input_ids == model.config.image_token_id
    embeds = embeds.masked_scatter(is_image[..., None], features.projected[batch.image_index])
    added: dict[str, Any] = {}
    if features.deep:
        added["visual_pos_masks"] = is_image
        added["deepstack_visual_embeds"] = [
            deep[batch.image_index].flatten(0, 1) for deep in features.deep
        ]
    caught: list[torch.Tensor] = []
    handle = language.layers[1].register_forward_hook(lambda _m, _a, out: caught.append(out))
    try:
        hidden = language(
            inputs_embeds=embeds,
            attention_mask=batch.allowed,
            position_ids=batch.position_ids,
            use_cache=False,
            **added,
        ).last_hidden_state
    finally:
        handle.remove()
    logits = model.lm_head(hidden[batch.at[:, 0], batch.at[:, 1]])
    n_tokens, width = features.projected.shape[1:]
    image_hidden = caught[0][is_image].reshape(-1, n_tokens, width)
    return logits, image_hidden


def image_features(architecture: Architecture, images: list[np.ndarray]) -> Features:
    """Features of uint8 images."""
    inputs = architecture.processor.image_processor(
        images=[Image.fromarray(image) for image in images], return_tensors="pt"
    ).to(architecture.model.device)
    output = architecture.model.get_image_features(**inputs, return_dict=True)
    deep = getattr(output, "deepstack_features", None) or []
    return Features(_stacked(output.pooler_output), [_stacked(part) for part in deep])


def _stacked(per_image: torch.Tensor | Sequence[torch.Tensor]) -> torch.Tensor:
    return per_image if isinstance(per_image, torch.Tensor) else torch.stack(list(per_image))
