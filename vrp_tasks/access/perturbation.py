"""The same question about the image changed: blurred, cropped, mirrored, noisy, or another one.

It is asked as any question is, so every level of access can be asked.
"""

from __future__ import annotations

import itertools
import re
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from loguru import logger
from PIL import Image, ImageChops, ImageFilter, ImageOps

from metrics.record.channels import PERTURBATIONS, Perturbed
from metrics.record.observation import Absent
from vrp_tasks.access.base import Access, Asked, Seen
from vrp_tasks.access.isolation import isolated
from vrp_tasks.seam.failed_request import failure_in
from vrp_tasks.seam.requests import with_images

BLUR = 0.01  # radius, of the shorter side
CROP = 0.9  # of each side, the middle
NOISE = 0.1  # standard deviation, of the range of a pixel
_TRIES = 16  # other documents that are looked at for another image
# where sides or writing may matter, an image is not mirrored
SIDED = re.compile(
    r"\b(left|right|leftmost|rightmost|east|west|eastern|western|clockwise|counterclockwise|"
    r"anticlockwise|columns?|coordinates?|read|reads|say|says|said|written|word|words|letters?|"
    r"text|spell|spells|spelled|digits?|time|clock|page|chart|graph|table)\b",
    re.IGNORECASE,
)
# document, image -> the image changed
Change = Callable[[Any, Image.Image], Image.Image]


def blurred(image: Image.Image) -> Image.Image:
    """Under a Gaussian of 1 % of the shorter side."""
    return _plain(image).filter(ImageFilter.GaussianBlur(max(1.0, BLUR * min(image.size))))


def cropped(image: Image.Image) -> Image.Image:
    """The middle 90 % of each side, at the size that it was."""
    width, height = image.size
    left, top = (round(side * (1 - CROP) / 2) for side in image.size)
    box = (left, top, max(left + 1, width - left), max(top + 1, height - top))
    return _plain(image).crop(box).resize(image.size)


def flipped(image: Image.Image) -> Image.Image:
    """Its mirror image, left to right."""
    return ImageOps.mirror(_plain(image))


def noisy(image: Image.Image) -> Image.Image:
    """With Gaussian noise of a tenth of a pixel's range; the same image, the same noise."""
    values = np.asarray(_plain(image))
    rng = np.random.default_rng(zlib.crc32(values.tobytes()))
    changed = values + rng.normal(scale=NOISE * 255, size=values.shape)
    return Image.fromarray(np.clip(np.rint(changed), 0, 255).astype(np.uint8))


def may_be_flipped(question: str, answer: str) -> bool:
    """Whether neither the question nor its answer may depend on what is left and right."""
    return SIDED.search(f"{question}\n{answer}") is None


HARMLESS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "blur": blurred,
    "crop": cropped,
    "flip": flipped,
    "noise": noisy,
}
assert (*HARMLESS, "wrong_image") == PERTURBATIONS


def asked_again(access: Access, asked: Asked, seen: Sequence[Seen]) -> list[Seen]:
    """Ask some requests again about changed images.

    Parameters
    ----------
    access : Access
        That answered them.
    asked : Asked
        The requests.
    seen : sequence of Seen
        Their answers.

    Returns
    -------
    list of Seen
        With the answers to the changed images, or the reason why there are none.
    """
    began = time.perf_counter()
    found: list[dict[str, str]] = [{} for _ in seen]
    reasons = ["the document shows no image to change"] * len(seen)
    for name in PERTURBATIONS:
        chosen = dict(_chosen(name, asked, seen))
        for index, text in _answers(name, access, asked, chosen).items():
            failure = failure_in(text) or (str(text) if isinstance(text, _Why) else None)
            if failure is None:
                found[index][name] = text
            else:
                reasons[index] = failure
    access.took("perturb", time.perf_counter() - began)
    return [
        replace(one, perturbed=own) if own else _without(one, reason)
        for one, own, reason in zip(seen, found, reasons, strict=True)
    ]


class _Why(str):
    """A reason in an answer's place."""


def _without(one: Seen, reason: str) -> Seen:
    return replace(one, absent={**one.absent, Perturbed.name: Absent(reason)})


def _chosen(name: str, asked: Asked, seen: Sequence[Seen]) -> Iterator[tuple[int, Any]]:
    """Index and changed request of those that can be asked so."""
    for index, (request, one) in enumerate(zip(asked.requests, seen, strict=True)):
        illegal = name == "flip" and not may_be_flipped(request.args[0], one.answer)
        if one.failure is None and not illegal:
            change = _change(name, asked, request)
            if change is not None:
                yield index, with_images(request, change)


def _answers(name: str, access: Access, asked: Asked, chosen: Mapping[int, Any]) -> dict[int, str]:
    """Answers to changed requests by index, or why there are none."""
    if not chosen:
        return {}

    def lost(_: Any, reason: str) -> str:
        why = _Why(f"the model could not be asked again ({reason})")
        logger.warning(f"{asked.task}, {name}: {why}.")
        return why

    texts = isolated(
        lambda part: access.answers_alone(replace(asked, requests=part, observers=())),
        list(chosen.values()),
        at_once=access.at_once or len(chosen),
        lost=lost,
    )
    return dict(zip(chosen, texts, strict=True))


def _change(name: str, asked: Asked, request: Any) -> Change | None:
    """What is done to the images of a request; None where there is nothing to be changed."""
    shown = _images(asked.visuals(request))
    if not shown:
        return None
    if name != "wrong_image":
        return lambda _doc, image: HARMLESS[name](image)
    other = _another_image(asked, request, shown)
    return None if other is None else lambda _doc, image: other.resize(image.size)


def _images(visuals: Any) -> list[Image.Image]:
    return [own for own in visuals or [] if isinstance(own, Image.Image)]


def _another_image(asked: Asked, request: Any, shown: list[Image.Image]) -> Image.Image | None:
    """The image of another document, always the same one."""
    for visuals in itertools.islice(asked.others(request), _TRIES):
        images = _images(visuals)
        if images and not _same(images[0], shown[0]):
            return _plain(images[0])
    return None


def _same(one: Image.Image, other: Image.Image) -> bool:
    if one.size != other.size:
        return False
    return ImageChops.difference(_plain(one), _plain(other)).getbbox() is None


def _plain(image: Image.Image) -> Image.Image:
    """In RGB, what is transparent white, as image processors show it."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    layered = image.convert("RGBA")
    white = Image.new("RGBA", layered.size, "white")
    return Image.alpha_composite(white, layered).convert("RGB")
