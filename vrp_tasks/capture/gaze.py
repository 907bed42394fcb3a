"""Where each head looks while it answers: at image, rest of the prompt, answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

# of a step: shares (n_attending, B, n_heads, 3), attention to the token before (n_mid, B, n_heads)
Looks = tuple[torch.Tensor, torch.Tensor] | None


class HeadGaze:
    """Reduces rows to a few numbers a head, step by step; follows the recorder.

    Parameters
    ----------
    is_image : bool tensor, shape (B, T)
        Image tokens of the prompts.
    n_layers : int
        Of the decoder.

    Attributes
    ----------
    why_not : str or None
        Why nothing is kept; known after `begin`.
    """

    def __init__(self, is_image: torch.Tensor, n_layers: int) -> None:
        self.is_image = is_image
        self.why_not: str | None = None
        self._n_layers = n_layers
        # of each layer's row of a step: all keys, and its part over the prompt
        self._rows: list[tuple[torch.Tensor, torch.Tensor] | None] = [None] * n_layers
        self._cut = False
        self._mask: torch.Tensor | None = None  # image tokens as 0 and 1, (B, 1, T)
        self._attending: list[int] = []
        self._middle: list[int] = []
        self._by_step: list[torch.Tensor] = []  # attention to the token before
        self._image: list[torch.Tensor] = []  # share on the image by step, (B,)

    def see(self, layer: int, whole: torch.Tensor, on_prompt: torch.Tensor, *, cut: bool) -> None:
        """A layer's row over all keys (B, n_heads, n_keys), and its part over the prompt.

        ``cut`` where the keys do not begin with the prompt's, as a window has left the first.
        """
        self._rows[layer] = whole, on_prompt
        self._cut |= cut

    def begin(self, attending: Sequence[int]) -> None:
        """After the prefill: which layers attend, and the last prompt token's row."""
        self._attending = list(attending)
        low, high = self._n_layers // 3, -(-2 * self._n_layers // 3)
        self._middle = [layer for layer in attending if low <= layer < high]
        there = [own for layer in attending if (own := self._rows[layer]) is not None]
        if not there:
            self.why_not = "no layer of this model attends with a softmax"
        elif len({on_prompt.shape for _, on_prompt in there}) > 1:
            self.why_not = "layers of this model differ in their number of heads"
        else:
            looks = self.taken()
            assert looks is not None
            self._sum = looks[0]
            self._image.append(looks[0][..., 0].mean(dim=(0, 2)))

    def taken(self) -> Looks:
        """What was seen of the step just made."""
        if self.why_not is not None:
            return None
        there = {layer: own for layer in self._attending if (own := self._rows[layer]) is not None}
        self._rows = [None] * self._n_layers
        wholes = [whole for whole, _ in there.values()]
        middle = [place for place, layer in enumerate(there) if layer in self._middle]
        if not self._cut and len({own.shape for own in wholes}) == 1:
            whole = _together(wholes)
            on_prompt, sums = whole[..., : self.is_image.shape[1]], whole.sum(dim=-1)
            before = whole[middle][..., -2:] if middle else self._nothing()
        else:  # a window holds fewer keys than another layer
            on_prompt = _together([row for _, row in there.values()])
            sums = _together([own.sum(dim=-1) for own in wholes])
            lasts = [wholes[place][..., -2:] for place in middle]
            before = _together(lasts) if middle else self._nothing()
        self._cut = False
        if self._mask is None:
            self._mask = self.is_image[:, None].to(on_prompt.device, on_prompt.dtype)
        image, prompt = (on_prompt * self._mask).sum(dim=-1), on_prompt.sum(dim=-1)
        shares = torch.stack([image, prompt - image, sums - prompt], dim=-1)
        return shares, before[..., 0] if before.shape[-1] > 1 else torch.zeros_like(before[..., 0])

    def _nothing(self) -> torch.Tensor:
        return self.is_image.new_zeros((0, len(self.is_image), 0, 2), dtype=torch.float32)

    def add(self, looks: tuple[torch.Tensor, torch.Tensor], predicts_answer: list[bool]) -> None:
        """A step that is known to count, and for which prompts it predicts an answer token."""
        shares, previous = looks
        self._by_step.append(previous)
        self._image.append(shares[..., 0].mean(dim=(0, 2)))
        own = torch.tensor(predicts_answer, device=shares.device)
        self._sum = self._sum + torch.where(own[None, :, None, None], shares, 0.0)

    def image_by_token(self, index: int, n: int) -> np.ndarray:
        """Share on the image where each of n answer tokens is predicted, (n,)."""
        found: np.ndarray = torch.stack(self._image[:n])[:, index].float().cpu().numpy()
        return found

    def mean_shares(self, index: int, count: torch.Tensor) -> np.ndarray:
        """Mean over answer-side positions, (n_attending, n_heads, 3)."""
        found: np.ndarray = (self._sum[:, index] / count[index].to(self._sum.device)).cpu().numpy()
        return found

    def look_back(self, index: int, n: int) -> np.ndarray | None:
        """Attention of n answer tokens to the one before, of each layer's chosen head.

        Shape (n_mid, n), 0 for the first; None where no layer of the middle third attends.
        """
        if not self._middle:
            return None
        steps = self._by_step[1:n]
        if not steps:
            return np.zeros((len(self._middle), 1), np.float32)
        by_head = torch.stack([own[:, index] for own in steps], dim=-1)  # (n_mid, n_heads, n − 1)
        head = by_head.mean(dim=-1).argmax(dim=1)
        chosen = by_head[torch.arange(len(head), device=by_head.device), head]
        # the token before the first is of the prompt
        found: np.ndarray = np.pad(chosen.float().cpu().numpy(), ((0, 0), (1, 0)))
        return found


def _together(rows: list[torch.Tensor]) -> torch.Tensor:
    """Rows of layers that may lie on several devices, stacked."""
    return torch.stack([own.to(rows[0].device) for own in rows])
