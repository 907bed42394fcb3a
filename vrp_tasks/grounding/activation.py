"""Token activation maps: what the image tokens' last states say of a token (arXiv 2506.23270).

The states after the final norm are projected on the token's unembedding; what earlier tokens of
the prompt explain is taken out, and the rest is smoothed (`metrics.maps.grounding_maps`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from metrics.maps.grounding_maps import context_free_activation, rank_gaussian_filter
from vrp_tasks.capture.views import Canvas


@dataclass(frozen=True)
class TokenActivations:
    """One prompt's last states, projected as asked.

    Attributes
    ----------
    image : float tensor, shape (n_image, d_model)
        Image tokens after the final norm.
    text : float tensor, shape (n_text, d_model)
        Text tokens after the image, structural ones left out; they are the context.
    text_ids : int64 tensor, shape (n_text,)
        What they are.
    text_positions : int64 tensor, shape (n_text,)
        Where they stand in the prompt.
    unembedding : float tensor, shape (n_vocabulary, d_model)
        Of the model.
    grid : (int, int)
        Of the image tokens, or of the canvas.
    canvas : Canvas or None
        Which cells the image tokens show, where they do not fill the grid one by one.
    """

    image: torch.Tensor
    text: torch.Tensor
    text_ids: torch.Tensor
    text_positions: torch.Tensor
    unembedding: torch.Tensor
    grid: tuple[int, int]
    canvas: Canvas | None = None

    def of_token(self, token: int, position: int) -> np.ndarray:
        """Map of a token at a position of the sequence, (height, width); may be all zero."""
        earlier = (self.text_positions < position) & (self.text_ids != token)
        own = torch.tensor([token], device=self.text_ids.device)
        activation = context_free_activation(
            _projected(self.image, self.unembedding, own)[0],
            _projected(self.image, self.unembedding, self.text_ids[earlier]),
            _projected(self.text[earlier], self.unembedding, own)[0],
        )
        return self._picture(activation)

    def of_words(self, words: Sequence[Sequence[int]], ids: Sequence[int]) -> np.ndarray:
        """Mean over words of their maps, each the mean over its tokens, scaled to sum to 1.

        Parameters
        ----------
        words : sequence of sequence of int
            Positions of each word's tokens.
        ids : sequence of int
            The prompt.
        """
        total = np.zeros(self.grid)
        for positions in words:
            own = np.sum([self.of_token(ids[p], p) for p in positions], axis=0)
            total += own / own.sum() if own.sum() > 0 else 0.0
        return total / len(words)

    def of_markers(self, ids: torch.Tensor) -> np.ndarray:
        """Mean map of structural tokens, their context left in; zero without any."""
        if not len(ids):
            return np.zeros(self.grid)
        mean = _projected(self.image, self.unembedding, ids).mean(axis=0)
        return self._picture(mean)

    def _picture(self, values: np.ndarray) -> np.ndarray:
        """Smoothed on the grid; on a canvas, a cell has the mean of the tokens that show it."""
        if self.canvas is not None:
            (values,) = self.canvas.mean(values[None])
        return rank_gaussian_filter(values.reshape(self.grid))


def _projected(states: torch.Tensor, unembedding: torch.Tensor, ids: torch.Tensor) -> np.ndarray:
    """Positive part of the logits of ``ids``, float64 (n_ids, n_states)."""
    device = unembedding.device
    logits = unembedding[ids.to(device)].float() @ states.to(device).float().T
    return logits.clamp_min(0).cpu().double().numpy()
