"""torch's own attention function, wrapped while geometry is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch.nn import functional

# (query, key, what torch made of them) -> what the caller gets
Change = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


@contextmanager
def changed_attention(change: Change) -> Iterator[None]:
    """Change what ``scaled_dot_product_attention`` returns inside the block.

    For towers that call it directly (timm's); all others are reached through transformers.
    """
    stock = functional.scaled_dot_product_attention

    def changed(
        query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *args: object, **rest: object
    ) -> torch.Tensor:
        return change(query, key, stock(query, key, value, *args, **rest))  # type: ignore[arg-type]

    functional.scaled_dot_product_attention = changed
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = stock
