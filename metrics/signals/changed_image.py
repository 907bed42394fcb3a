"""What becomes of the answer when the image is not what it was."""

from __future__ import annotations

import math

import numpy as np

from metrics.answers.core_information import core_information, vision_aware_uncertainty
from metrics.errors import UndefinedMetricError
from metrics.record.channels import (
    PERTURBATIONS,
    Array,
    CoreHidden,
    Perturbed,
    TokenEntropies,
)
from metrics.signals.declaration import SHARE, Signal

FAMILY = "changed image"
_WRONG = PERTURBATIONS.index("wrong_image")


def harmless_agreement(agrees: Array) -> float:
    """Return the share of the harmless changes under which the answer stays."""
    tried = np.delete(np.asarray(agrees, dtype=np.float64), _WRONG)
    tried = tried[~np.isnan(tried)]
    if not tried.size:
        raise UndefinedMetricError("no change of the image was tried that may leave the answer")
    return float(tried.mean())


def wrong_image_change(agrees: Array) -> float:
    """Return 1 if another image brings another answer, 0 if it does not matter."""
    value = float(agrees[_WRONG])
    if math.isnan(value):
        raise UndefinedMetricError("the question was not asked about another image")
    return 1.0 - value


SIGNALS = (
    Signal(
        "vauq",
        "certainty due to the image (−VAUQ)",
        FAMILY,
        "arXiv 2602.21054",
        (TokenEntropies, CoreHidden),
        lambda tokens, core: -vision_aware_uncertainty(tokens.by_token, core.entropies),
        cost="further prefills",
        cost_class=3,
        about="−(H − α (H without the attended core of the image − H)), H the mean entropy of the "
        "answer's tokens, α = 0.5, the core 60 % of the image tokens",
    ),
    Signal(
        "core_information",
        "image information of the core",
        FAMILY,
        "arXiv 2602.21054",
        (TokenEntropies, CoreHidden),
        lambda tokens, core: core_information(tokens.by_token, core.entropies),
        cost="further prefills",
        cost_class=3,
        about="H without the attended core of the image less H",
    ),
    Signal(
        "perturbation_agreement",
        "agreement under perturbation",
        FAMILY,
        "arXiv 2411.11919",
        (Perturbed,),
        lambda perturbed: harmless_agreement(perturbed.agrees),
        bounds=SHARE,
        cost="further prefills",
        cost_class=3,
        about="share of harmless changes of the image (blur, crop, flip where legal, noise) that "
        "leave the answer, under the benchmark's normalisation",
    ),
    Signal(
        "wrong_image_change",
        "another answer to another image",
        FAMILY,
        "arXiv 2411.11919 (ours)",
        (Perturbed,),
        lambda perturbed: wrong_image_change(perturbed.agrees),
        bounds=SHARE,
        cost="further prefills",
        cost_class=3,
        about="1 if another image of the benchmark brings another answer, else 0",
    ),
    Signal(
        "perturbation_contrast",
        "agreement, harmless less wrong image",
        FAMILY,
        "arXiv 2411.11919 (ours)",
        (Perturbed,),
        lambda perturbed: (
            harmless_agreement(perturbed.agrees) + wrong_image_change(perturbed.agrees) - 1.0
        ),
        bounds=(-1.0, 1.0),
        cost="further prefills",
        cost_class=3,
        about="`perturbation_agreement` less the agreement with the answer to another image",
    ),
)
