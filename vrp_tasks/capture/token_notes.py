"""What is kept of the raw distribution at each step of a decode."""

from __future__ import annotations

import torch

from metrics.record.channels import TOP


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
    entropies, margins, self_certainty, collision, top_entropies : list of float tensor, shape (B,)
        Of the greedy rows, as in `metrics.record.channels.TokenSteps`.
    top, top_tokens : list of tensor, shape (B, 15)
        Log-probabilities of the likeliest tokens of the greedy rows, falling, and which they are.
    first_two : float tensor, shape (B, 2)
        The two largest probabilities of the first step.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self.chosen: list[torch.Tensor] = []
        self.entropies: list[torch.Tensor] = []
        self.margins: list[torch.Tensor] = []
        self.self_certainty: list[torch.Tensor] = []
        self.collision: list[torch.Tensor] = []
        self.top_entropies: list[torch.Tensor] = []
        self.top: list[torch.Tensor] = []
        self.top_tokens: list[torch.Tensor] = []

    def add(self, logits: torch.Tensor, tokens: torch.Tensor) -> None:
        """A step: raw logits (B × rows, vocabulary), and the token that each row takes."""
        # log-softmax takes the largest logit out first: of a sure token every digit counts
        of_rows = logits.log_softmax(dim=-1)
        self.chosen.append(of_rows.gather(1, tokens[:, None]).squeeze(1))
        logprobs = of_rows[:: self._rows]
        possible = logprobs > -torch.inf
        p = logprobs.exp()
        self.entropies.append(-torch.where(possible, p * logprobs, 0.0).sum(dim=-1))
        top, tokens_of_top = logprobs.topk(min(TOP, logprobs.shape[-1]), dim=-1)
        self.top.append(top)
        self.top_tokens.append(tokens_of_top)
        likeliest = top.exp()
        if not self.margins:
            self.first_two = likeliest[:, :2]
        self.margins.append(likeliest[:, 0] - likeliest[:, 1])
        self.top_entropies.append(-torch.where(top > -torch.inf, likeliest * top, 0.0).sum(dim=-1))
        # a token that cannot be is not part of the vocabulary that is uniform
        n = possible.sum(dim=-1)
        mean = torch.where(possible, logprobs, 0.0).sum(dim=-1) / n
        self.self_certainty.append((-mean - n.log()).clamp_min(0.0))
        self.collision.append(-p.square().sum(dim=-1).clamp_max(1.0).log())
