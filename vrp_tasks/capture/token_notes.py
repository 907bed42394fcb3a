"""What is kept of the raw distribution at each step of a decode."""

from __future__ import annotations

import torch

from metrics.record.channels import TOP

_AT_ONCE = 8  # steps whose distributions wait to be read together


class TokenNotes:
    """Figures of each step; those of an answer are cut out when it is known where it ends.

    Parameters
    ----------
    rows : int
        Rows of each prompt, the greedy one first.

    Attributes
    ----------
    chosen : list of float tensor, shape (B × rows,)
        Log-probability of each row's token.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self.chosen: list[torch.Tensor] = []
        self._waiting: list[torch.Tensor] = []
        self._read: list[dict[str, torch.Tensor]] = []

    def add(self, logits: torch.Tensor, tokens: torch.Tensor) -> None:
        """A step: raw logits (B × rows, vocabulary), and the token that each row takes."""
        # log-softmax takes the largest logit out first: of a sure token every digit counts
        of_rows = logits.log_softmax(dim=-1)
        self.chosen.append(of_rows.gather(1, tokens[:, None]).squeeze(1))
        # a copy: what waits shall not hold the distributions of all rows
        self._waiting.append(of_rows[:: self._rows].clone())
        if len(self._waiting) == _AT_ONCE:
            self._take()

    def of(self, name: str) -> torch.Tensor:
        """A figure of the greedy rows at each step, (n_steps, B, …).

        ``entropies``, and those of `metrics.record.channels.TokenSteps`; ``top`` and
        ``top_tokens``, log-probabilities of the 15 likeliest tokens, falling, and which they are.
        """
        if self._waiting:
            self._take()
        return torch.cat([own[name] for own in self._read])

    def _take(self) -> None:
        self._read.append(self.figures(torch.stack(self._waiting)))
        self._waiting = []

    @staticmethod
    def figures(logprobs: torch.Tensor) -> dict[str, torch.Tensor]:
        """Of log-probabilities, shape (n_steps, B, vocabulary), each of shape (n_steps, B, …)."""
        possible = logprobs > -torch.inf
        p = logprobs.exp()
        top, top_tokens = logprobs.topk(min(TOP, logprobs.shape[-1]), dim=-1)
        likeliest = top.exp()
        # a token that cannot be is not part of the vocabulary that is uniform
        n = possible.sum(dim=-1)
        mean = torch.where(possible, logprobs, 0.0).sum(dim=-1) / n
        return {
            "entropies": -torch.where(possible, p * logprobs, 0.0).sum(dim=-1),
            "top": top,
            "top_tokens": top_tokens,
            "margins": likeliest[..., 0] - likeliest[..., 1],
            "top_entropies": -torch.where(top > -torch.inf, likeliest * top, 0.0).sum(dim=-1),
            "self_certainty": (-mean - n.log()).clamp_min(0.0),
            "collision": -p.square().sum(dim=-1).clamp_max(1.0).log(),
        }
