"""The row that a query attends with: by the cheap rule, or by the module's own eager function.

The cheap rule is softmax(q · Kᵀ · scale + mask). A module that also caps its scores or keeps a sink
attends with another row, which only its own code knows.
"""

from __future__ import annotations

import torch

from vrp_tasks.capture.attention import Attended, attention_row, misfit, own_eager

MISFIT = 1.0  # see `vrp_tasks.capture.attention.misfit`
_CHANGES = ("softcap", "s_aux", "sinks", "position_bias")  # what makes a row another one


def has_own_rows(last: Attended) -> bool:
    """Whether a layer is known to attend otherwise, whatever one prompt happens to show."""
    return last.is_eager or any(last.options.get(name) is not None for name in _CHANGES)


def cheap_row(last: Attended) -> tuple[torch.Tensor, torch.Tensor]:
    """The row of one query by `attention_row`, and how far it is from what the layer used.

    Parameters
    ----------
    last : Attended
        Of one query, from `Attended.last`.

    Returns
    -------
    row : float32 tensor, shape (B, n_heads, n_keys)
    wrong : float32 tensor, shape (B,)
        Its `misfit`.
    """
    query, key = last.query[:, :, -1], last.key
    mask = None if last.mask is None else last.mask[:, :, -1]
    row = attention_row(query, key, mask, last.scaling)
    return row, misfit(row, query, key, last.value, last.output[:, -1], last.scaling)


def own_row(last: Attended) -> tuple[torch.Tensor, torch.Tensor] | None:
    """The same by the module's own eager function; None where it has none.

    In float32: eager functions round their rows to the query's dtype. Such a row may sum to less
    than 1, where a sink takes the rest.
    """
    eager = own_eager(last.module)
    if eager is None:
        return None
    mask = last.mask
    if mask is not None:
        if mask.dtype == torch.bool:
            least = torch.finfo(torch.float32).min
            mask = torch.zeros_like(mask, dtype=torch.float32).masked_fill(~mask, least)
        mask = mask.float()
    _, rows = eager(
        last.module, last.query.float(), last.key.float(), last.value.float(), mask,
        scaling=last.scaling, dropout=0.0, **last.options,
    )  # fmt: skip
    row, query = rows[:, :, -1].float(), last.query[:, :, -1]
    return row, misfit(row, query, last.key, last.value, last.output[:, -1], last.scaling)


def fitting_row(last: Attended) -> tuple[tuple[torch.Tensor, torch.Tensor], bool]:
    """The row by the rule that a layer is expected to follow, or else by the one that it does.

    transformers before 5.21 runs some decoders by SDPA, which drops the cap of their scores.

    Returns
    -------
    row, wrong
        As of `cheap_row`; those of the expected rule where neither gives what the layer used.
    bool
        Whether the row is the module's own.
    """
    tried = []
    for rule in (own_row, cheap_row) if has_own_rows(last) else (cheap_row, own_row):
        found = rule(last)
        if found is not None:
            tried.append((found, rule is own_row))
            if bool((found[1] <= MISFIT).all()):
                return tried[-1]
    return tried[0]
