"""What one captured generation returns per prompt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metrics.record.channels import Channel
from vrp_tasks.capture.views import Canvas


@dataclass
class Captured:
    """Raw measurements of one prompt; arrays are float32 unless said otherwise.

    Attributes
    ----------
    tokens : list of int
        The greedy answer, up to where it ends by end-of-sequence or the adapter's stop rule.
    sampled_tokens : list of list of int
        The K sampled answers, likewise.
    logprobs, entropies : array, shape (n_answer_tokens,)
        Log-probability of each answer token and entropy (nats) of the distribution it came from,
        both under the raw model distribution (T = 1, no top-p).
    first_probabilities : array, shape (2,)
        The two largest probabilities of the first answer position.
    maps : array, shape (n_layers, S), or None
        Attention to the S image tokens per layer, mean over heads and answer-side positions,
        renormalised to sum to 1. NaN in a layer that has none: it does not attend, or no longer to
        the image.
    canvas : Canvas or None
        Which cells of the grid the tokens show, where they do not fill it one by one.
    image_mass : array, shape (n_layers,), or None
        Share of attention on the image before renormalising; NaN in a layer that does not attend.
    grid : (int, int) or None
        Height and width of the image-token grid, or of the canvas.
    hidden : dict of str to array, shape (n_layers + 1, d_model)
        ``last_prompt``, ``last_answer``, ``mean_answer``, and ``blank`` (last prompt token, image
        blanked) where asked for; embeddings first, before the final norm.
    missing : dict of str to str
        Why something above is None or absent; keys ``attention``, ``hidden_answer``, those of
        observers, and names of channels.
    never : dict of str to str
        Channels that no prompt of this model can have, and why.
    further : dict of str to Channel
        What passes of their own have brought (`vrp_tasks.capture.extras`), by channel name.
    seconds : dict of str to float
        What each of these passes took.
    failed : str or None
        Why nothing of this prompt counts: its logits or attention rows are not what they must be.
    extra : dict of str to object
        What observers measured, by their own key; ``arrays`` (name -> array) is kept in the shards.
    """

    tokens: list[int]
    sampled_tokens: list[list[int]]
    logprobs: np.ndarray
    entropies: np.ndarray
    first_probabilities: np.ndarray
    maps: np.ndarray | None
    image_mass: np.ndarray | None
    grid: tuple[int, int] | None
    hidden: dict[str, np.ndarray]
    missing: dict[str, str] = field(default_factory=dict)
    never: dict[str, str] = field(default_factory=dict)
    further: dict[str, Channel] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    failed: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    canvas: Canvas | None = None

    def on_grid(self, weights: np.ndarray) -> np.ndarray:
        """Attention of image tokens, shape (n, S), as pictures, (n, height, width).

        On a canvas, what goes to tokens that show nothing, such as line ends, is left out, and the
        rest scaled to the same sum; NaN where nothing is left.
        """
        assert self.grid is not None
        found = weights
        if self.canvas is not None:
            found = self.canvas.spread(weights)
            total, left = weights.sum(axis=1), found.sum(axis=1)
            scale = np.divide(total, left, out=np.full_like(left, np.nan), where=left > 0)
            scale[total == 0] = 1.0
            found = (found * scale[:, None]).astype(weights.dtype)
        return found.reshape(len(found), *self.grid)
