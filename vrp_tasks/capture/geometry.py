"""Known-answer self-test of the grid: paint one cell of an image, see which image token changes.

A map read in the wrong order still sums to 1 and still has an entropy; only this tells (method §0).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import PreTrainedModel

from vrp_tasks.families import Family

_GREY = 128


@torch.no_grad()
def check_geometry(model: PreTrainedModel, family: Family, processor: Any) -> str | None:
    """Paint cells of a grey image, one at a time, and compare with the token that changes most.

    Parameters
    ----------
    model : PreTrainedModel
        The model; only its vision side is run.
    family : Family
        Its family.
    processor : ProcessorMixin
        The adapter's processor; has ``image_processor``.

    Returns
    -------
    str or None
        None if every painted cell changes its own token most, else what happened instead.
    """
    (height, width), cell = family.self_test_grid(model.config, processor.image_processor)
    share = family.shown_share(model.config)
    extent = [round(n * cell / share) for n in (height, width)]
    canvas = np.full((*extent, 3), _GREY, dtype=np.uint8)
    before, grid = _image_tokens(model, family, processor, canvas)
    if grid != (height, width) or len(before) != height * width:
        return (
            f"a {extent[1]} x {extent[0]} image became {len(before)} tokens on a "
            f"{grid[0]} x {grid[1]} grid instead of {height} x {width}"
        )
    noise = np.random.default_rng(0).integers(0, 256, size=(cell, cell, 3), dtype=np.uint8)
    for row, column in ((0, 1), (height - 1, 0), (1, width - 2), (height // 2, width // 3)):
        painted = canvas.copy()
        painted[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell] = noise
        after, _ = _image_tokens(model, family, processor, painted)
        change = (after - before).norm(dim=-1) / before.norm(dim=-1).clamp_min(1e-6)
        found = divmod(int(change.argmax()), width)
        if found != (row, column):
            return (
                f"painting grid cell {(row, column)} changed the token of cell {found} most: "
                "maps of this checkpoint cannot be read as pictures"
            )
    return None


def _image_tokens(
    model: PreTrainedModel, family: Family, processor: Any, image: np.ndarray
) -> tuple[torch.Tensor, tuple[int, int]]:
    """Projected image tokens, float32 (S, d_model), and their grid."""
    inputs = processor.image_processor(images=[Image.fromarray(image)], return_tensors="pt")
    inputs = {
        name: value.to(model.device, model.dtype if value.is_floating_point() else value.dtype)
        for name, value in inputs.items()
        if isinstance(value, torch.Tensor)
    }
    grid = family.image_grid(model.config, inputs, 0)
    accepted = {name: inputs[name] for name in family.image_inputs}
    features = model.get_image_features(**accepted, return_dict=True).pooler_output
    tokens = features if isinstance(features, torch.Tensor) else torch.cat(list(features))
    return tokens.reshape(-1, tokens.shape[-1]).float(), grid
