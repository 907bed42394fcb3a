"""What is tried on a model and its processor before the first sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import transformers
from loguru import logger
from PIL import Image
from transformers import PreTrainedModel

from vrp_tasks.capture.attention import attention_of, caps_scores
from vrp_tasks.capture.geometry import check_geometry
from vrp_tasks.capture.layouts import Layouts
from vrp_tasks.capture.proof import proof_of
from vrp_tasks.capture.stripes import SHAPES, check_stripes
from vrp_tasks.capture.trial import inputs_about
from vrp_tasks.families import Family, Found
from vrp_tasks.families.anatomy import find_body
from vrp_tasks.faults import reason_of

# height and width in pixels: what processors that cut large images into tiles do cut
_LARGE = ((1200, 1800), (1800, 1200), (600, 2400))
_LONG = 4096  # tokens of a prompt with an image in several tiles


def tried(model: PreTrainedModel, family: Family, processor: Any) -> dict[str, str]:
    """Run the checks at load; the family learns what it lacks.

    Returns
    -------
    dict of str to str
        Outcome by check, for the manifest.

    Raises
    ------
    SetupError
        If the capture changes what the model answers.
    """
    proof = proof_of(model, family, processor)
    family.lacks = dict(proof.lacks)
    if attention_of(model) == "eager":
        _warn_of_memory(model)
    elif caps_scores(find_body(model).config):
        logger.warning(
            f"transformers {transformers.__version__} runs this decoder without the cap of its "
            "attention scores, so answers are not quite the published model's. Install "
            "transformers>=5.21, or load it with --model vrp_hf and attn_implementation=eager."
        )
    return proof.checks


def _warn_of_memory(model: PreTrainedModel) -> None:
    n_heads = model.config.get_text_config().num_attention_heads
    scores = n_heads * _LONG**2 * (4 + model.dtype.itemsize)  # in float32, and once rounded
    logger.warning(
        "transformers runs this decoder eagerly, so memory grows with the square of a prompt: "
        f"{scores / 1e9:.1f} GB for each prompt of {_LONG} tokens in a batch."
    )


class Geometry(NamedTuple):
    """How attention maps of a checkpoint are read as pictures.

    Attributes
    ----------
    complaint : str or None
        Why they cannot be.
    layouts : Layouts or None
        Where tokens of an image in several pictures look; None where they fill one grid.
    """

    complaint: str | None
    layouts: Layouts | None = None


def geometry_of(
    model: PreTrainedModel,
    family: Family,
    processor: Any,
    *,
    shapes: Sequence[tuple[int, int]] = SHAPES,
) -> Geometry:
    """See whether image tokens fill their grid, or else one in several pictures."""
    if not isinstance(family, Found):
        return Geometry(check_geometry(model, family, processor))
    if (why := family.lacks.get("attention")) is not None:
        return Geometry(why)
    try:
        no_grid = check_stripes(model, family, processor, shapes=shapes)
        if no_grid is None:
            no_grid = _cut_when_large(model, family, processor, shapes)
    except Exception as error:  # noqa: BLE001 - whatever a processor or model raises on them
        return Geometry(f"where image tokens look was not measured ({reason_of(error)})")
    if no_grid is None:
        return Geometry(None)
    layouts = Layouts(model, family, processor)
    no_canvas = layouts.complaint(shapes)
    if no_canvas is None:
        return Geometry(None, layouts)
    return Geometry(f"{no_grid}, and in several pictures: {no_canvas}")


def _cut_when_large(
    model: PreTrainedModel, family: Found, processor: Any, shapes: Sequence[tuple[int, int]]
) -> str | None:
    """That large images become several pictures, whose tokens may still fill a square; or None.

    They are processed, not shown to the model. An image at its own size has a grid of its shape.
    """

    def tokens_of(size: tuple[int, int]) -> tuple[int, tuple[int, int]]:
        inputs = inputs_about(model, processor, [Image.new("RGB", size[::-1])])
        ids = inputs["input_ids"]
        (grid, *_) = family.grids_of_prompts(model.config, inputs, ids)[0]
        return int(family.image_tokens(model.config, ids).sum()), grid

    known = {tokens_of(size)[0] for size in shapes}
    for size in _LARGE:
        count, (height, width) = tokens_of(size)
        if count not in known and (height == width or height * width != count):
            return f"an image of {size[1]} x {size[0]} pixels becomes {count} image tokens"
    return None


def count_image_tokens(
    model: PreTrainedModel, family: Family, processor: Any, images: list[Image.Image]
) -> int:
    """Image tokens that images become, for the storage plan; 0 where that cannot be told."""
    if not isinstance(family, Found):
        processed = processor.image_processor(images=images, return_tensors="pt")
        grids = [family.image_grid(model.config, processed, i) for i in range(len(images))]
        return sum(height * width for height, width in grids)
    try:
        inputs = inputs_about(model, processor, images)
    except Exception:  # noqa: BLE001 - an estimate, no more
        return 0
    return int(family.image_tokens(model.config, inputs["input_ids"]).sum())
