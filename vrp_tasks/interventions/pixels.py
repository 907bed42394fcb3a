"""Pixels of chosen grid cells are replaced, so that exactly those cells' content is gone."""

from __future__ import annotations

from typing import Literal

import torch
from torch.nn.functional import pad
from torchvision.transforms.v2.functional import gaussian_blur
from transformers import PretrainedConfig

from vrp_tasks.errors import SetupError
from vrp_tasks.families import Family

PixelFill = Literal["mean", "blur"]


def replaced_pixels(
    config: PretrainedConfig,
    family: Family,
    inputs: dict[str, torch.Tensor],
    cells: list[torch.Tensor],
    *,
    fill: PixelFill = "mean",
) -> dict[str, torch.Tensor]:
    """A copy of prepared inputs whose images lack the content of some cells.

    Parameters
    ----------
    config, family
        Of the model.
    inputs : dict of tensor
        What the processor returned for prompts of one image each; left as it is.
    cells : list of bool tensor, shape (height, width)
        Per image, on its grid of image tokens: true where pixels are replaced.
    fill : {"mean", "blur"}
        By the image's mean colour, or by the image under a Gaussian as wide as a cell.

    Returns
    -------
    dict of tensor
        Shares all tensors but ``pixel_values``.

    Raises
    ------
    SetupError
        If there is not one grid per image, of the image's size.
    """
    images = family.images(config, inputs)
    if len(images) != len(cells):
        raise SetupError(f"{len(cells)} grids of cells for {len(images)} images: one each.")
    edited = []
    for index, (image, chosen) in enumerate(zip(images, cells, strict=True)):
        grid = family.image_grid(config, inputs, index)
        if tuple(chosen.shape) != grid:
            raise SetupError(f"cells of shape {tuple(chosen.shape)} for a grid of {grid}.")
        edited.append(replaced_image(image, chosen, side=family.cell_side(config), fill=fill))
    return {**inputs, "pixel_values": family.pixel_values(config, inputs, edited)}


def replaced_image(
    image: torch.Tensor, cells: torch.Tensor, *, side: int, fill: PixelFill
) -> torch.Tensor:
    """A copy of one image without the content of some cells.

    Parameters
    ----------
    image : float tensor, shape (3, height, width)
    cells : bool tensor
        On the grid of image tokens.
    side : int
        Of a cell in pixels, from `Family.cell_side`. What the grid leaves of the image at the right
        and the bottom is a margin that no token shows; it stays.
    fill : {"mean", "blur"}
        As in `replaced_pixels`.
    """
    _, height, width = image.shape
    covered = cells.to(image.device).repeat_interleave(side, 0).repeat_interleave(side, 1)
    chosen = pad(covered, (0, width - covered.shape[1], 0, height - covered.shape[0]))
    if fill == "mean":
        instead = image.float().mean(dim=(1, 2), keepdim=True).expand_as(image)
    else:
        size = [min(4 * side + 1, 2 * ((extent - 1) // 2) + 1) for extent in (width, height)]
        instead = gaussian_blur(image.float(), kernel_size=size, sigma=[float(side)] * 2)
    return torch.where(chosen, instead.to(image.dtype), image)
