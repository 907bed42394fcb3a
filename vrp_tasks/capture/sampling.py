"""Seeded sampling: one stream of uniform numbers per (task, sample, k), whatever the batch is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopPLogitsWarper


class SampleStreams:
    """Independent uniform streams for the K samples of each prompt of a batch.

    Parameters
    ----------
    identities : list of str
        One per prompt; names the sample, not its place in the batch.
    samples : sequence of int
        Numbers of the samples of each prompt.
    seed : int
        The run's seed.
    """

    def __init__(self, identities: list[str], *, samples: Sequence[int], seed: int) -> None:
        self._generators = [
            np.random.default_rng(_entropy(f"{seed}/{identity}/{index}"))
            for identity in identities
            for index in samples
        ]

    def next(self) -> np.ndarray:
        """The next number of every stream, float64 (n_prompts × k,) in [0, 1)."""
        return np.array([generator.random() for generator in self._generators])


def _entropy(name: str) -> list[int]:
    digest = hashlib.sha256(name.encode()).digest()
    return [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 32, 4)]


def warpers(*, temperature: float, top_p: float) -> LogitsProcessorList:
    """Temperature and nucleus filtering as `generate` applies them, and nothing else."""
    chain = LogitsProcessorList()
    if temperature != 1.0:
        chain.append(TemperatureLogitsWarper(temperature))
    if top_p < 1.0:
        chain.append(TopPLogitsWarper(top_p))
    return chain


def draw(logits: torch.Tensor, uniforms: np.ndarray) -> torch.Tensor:
    """Inverse-transform sampling.

    Parameters
    ----------
    logits : float tensor, shape (n, vocabulary)
        Warped logits; excluded tokens are −inf.
    uniforms : array, shape (n,), in [0, 1)

    Returns
    -------
    int64 tensor, shape (n,)
        Tokens distributed as softmax(logits); any token where those are not finite.
    """
    cumulative = logits.float().softmax(dim=-1).double().cumsum(dim=-1)
    total = cumulative[:, -1:]
    level = torch.from_numpy(uniforms).to(logits.device)[:, None] * total
    level = torch.minimum(level, torch.nextafter(total, torch.zeros_like(total)))
    found = torch.searchsorted(cumulative, level, right=True).squeeze(1)
    return found.clamp_max(logits.shape[-1] - 1)
