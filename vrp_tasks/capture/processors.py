"""`generate`'s logits processors for several rows of each prompt, and for no row as well."""

from __future__ import annotations

from typing import Any

import torch
from transformers import LogitsProcessorList, RepetitionPenaltyLogitsProcessor

# those that see a row's prefix and nothing else; they take all rows at once
_ALIKE = frozenset(
    {
        "ExponentialDecayLengthPenalty",
        "ForcedBOSTokenLogitsProcessor",
        "ForcedEOSTokenLogitsProcessor",
        "InfNanRemoveLogitsProcessor",
        "LogitNormalization",
        "MinLengthLogitsProcessor",
        "MinNewTokensLengthLogitsProcessor",
        "NoBadWordsLogitsProcessor",
        "NoRepeatNGramLogitsProcessor",
        "SequenceBiasLogitsProcessor",
        "SuppressTokensAtBeginLogitsProcessor",
        "SuppressTokensLogitsProcessor",
    }
)


class RowProcessors:
    """Applies a chain of processors, made for B prompts, to any number of rows of each.

    Some processors keep something of each prompt (how far it is padded, its n-grams) and take
    exactly one row of it, so they are handed B rows at a time. Every row has its own prefix.

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
        for row, prompt in enumerate(prompts.tolist()):
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
        for processor in self._processors:
            logits = (
                processor(ids, logits)
                if _treats_rows_alike(processor)
                else self._by_prompt(processor, ids, logits)
            )
        return logits

    def _by_prompt(self, processor: Any, ids: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        processed = torch.empty_like(logits)
        for rows, wanted in self._rounds:
            processed[rows[wanted]] = processor(ids[rows], logits[rows])[wanted]
        return processed


def _treats_rows_alike(processor: Any) -> bool:
    if isinstance(processor, RepetitionPenaltyLogitsProcessor):
        return processor.prompt_ignore_length is None
    return type(processor).__name__ in _ALIKE
