"""`generate`'s logits processors for several rows of each prompt, and for no row as well."""

from __future__ import annotations

import torch
from transformers import LogitsProcessorList


class RowProcessors:
    """Applies a chain of processors, made for B prompts, to any number of rows of each.

    Some processors keep something of each prompt (how far it is padded, its n-grams) and take
    exactly one row of it, so rows are handed over B at a time. Every row has its own prefix.

    Parameters
    ----------
    processors : LogitsProcessorList
        As `generate` makes them; none that keep a state from step to step.
    prompts : int64 tensor, shape (n_rows,)
        The prompt, 0 … B − 1, of each row.
    n_prompts : int
        B.
    """

    def __init__(
        self, processors: LogitsProcessorList, prompts: torch.Tensor, n_prompts: int
    ) -> None:
        self._processors = processors
        rows: list[list[int]] = [[] for _ in range(n_prompts)]
        for row, prompt in enumerate(prompts.tolist() if processors else ()):
            rows[prompt].append(row)
        self._rounds: list[tuple[torch.Tensor, torch.Tensor]] = []
        for turn in range(max(map(len, rows), default=0)):
            # a prompt that has no row left sends any row, whose result is not used
            chosen = [own[turn] if turn < len(own) else 0 for own in rows]
            wanted = [turn < len(own) for own in rows]
            device = prompts.device
            self._rounds.append(
                (torch.tensor(chosen, device=device), torch.tensor(wanted, device=device))
            )

    def __call__(self, ids: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Processed logits.

        Parameters
        ----------
        ids : int64 tensor, shape (n_rows, length)
            Prompts and what was generated.
        logits : float tensor, shape (n_rows, vocabulary)
            Left as they are.

        Returns
        -------
        float tensor, shape (n_rows, vocabulary)
        """
        if not self._rounds:
            return logits
        processed = torch.empty_like(logits)
        for rows, wanted in self._rounds:
            processed[rows[wanted]] = self._processors(ids[rows], logits[rows])[wanted]
        return processed
