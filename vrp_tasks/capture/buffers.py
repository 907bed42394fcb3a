"""States that are appended in place, with room behind them that doubles when it is full.

transformers' dynamic cache concatenates at every step, which copies every row's whole prompt each
time: 43 % of a generation at K = 10 with 600 prompt tokens.
"""

from __future__ import annotations

import torch


class StateBuffer:
    """Keys or values of a cache layer.

    Parameters
    ----------
    states : float tensor, shape (B, n_kv_heads, T, head_dim)
        What is there; copied.
    rows : int, default 1
        Each is repeated so often.
    room : int
        Further positions that fit before the buffer first grows.
    """

    def __init__(self, states: torch.Tensor, *, rows: int = 1, room: int) -> None:
        self._start = self._end = states.shape[-2]
        self._buffer = _enlarged(states, rows=rows, room=room)

    @property
    def held(self) -> torch.Tensor:
        """All states so far, a view."""
        return self._buffer[:, :, : self._end]

    def append(self, states: torch.Tensor) -> torch.Tensor:
        """Add states, shape (B × rows, n_kv_heads, new, head_dim); returns all of them."""
        start, size = self._end, self._buffer.shape[-2]
        self._end = start + states.shape[-2]
        if self._end > size:
            room = max(2 * (size - self._start), self._end - self._start)
            shown = self._buffer[:, :, :start]
            self._buffer = _enlarged(shown, rows=1, room=self._start + room - start)
        self._buffer[:, :, start : self._end] = states
        return self.held


def _enlarged(states: torch.Tensor, *, rows: int, room: int) -> torch.Tensor:
    batch, heads, length, width = states.shape
    buffer = states.new_empty(batch * rows, heads, length + room, width)
    buffer.view(batch, rows, heads, -1, width)[:, :, :, :length] = states[:, None]
    return buffer
