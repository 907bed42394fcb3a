"""What each layer already says about the answer's first token."""

from __future__ import annotations

from metrics.record.channels import LensReading, LensShares, TruthLens
from metrics.signals.declaration import LayerVector, Signal

FAMILY = "lens"
_DEPLOYABLE = "method §4, deployable margin (ours)"

SIGNALS = (
    Signal(
        "answer_margin",
        "answer margin, last layer",
        FAMILY,
        _DEPLOYABLE,
        (LensReading,),
        lambda lens: lens.answer_margin[-1],
        about="logit of the answer's first token less the largest other, after the last layer",
    ),
    Signal(
        "answer_margin_mean",
        "answer margin, mean of layers",
        FAMILY,
        _DEPLOYABLE,
        (LensReading,),
        lambda lens: lens.answer_margin.mean(),
        about="`answer_margin` read after every layer, mean",
    ),
    Signal(
        "truth_margin",
        "truth margin, last layer",
        FAMILY,
        "method §4 (paper)",
        (TruthLens,),
        lambda truth: truth.margin[-1],
        access="oracle",
        about="logit of the true answer's first token less the largest other, after the last layer",
    ),
    Signal(
        "truth_margin_peak",
        "truth margin, peak",
        FAMILY,
        "method §4 (paper)",
        (TruthLens,),
        lambda truth: truth.margin.max(),
        access="oracle",
        about="`truth_margin` at the layer where it is largest",
    ),
)

LAYERS = (
    LayerVector("answer_margin", LensReading, lambda lens: lens.answer_margin),
    LayerVector("truth_margin", TruthLens, lambda truth: truth.margin),
    LayerVector("margin_from_attention", LensShares, lambda shares: shares.from_attention),
    LayerVector("margin_from_mlp", LensShares, lambda shares: shares.from_mlp),
)
