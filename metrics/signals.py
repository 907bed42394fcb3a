"""The declared signals: what each is called, where it comes from, and who may see it.

Every signal is oriented so that higher means more likely correct, so no reader flips a sign.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Access = Literal["deployable", "oracle", "control"]
Bounds = tuple[float, float]
ANY: Bounds = (-math.inf, math.inf)
_SHARE: Bounds = (0.0, 1.0)
_NEGATED: Bounds = (-math.inf, 0.0)  # of what cannot be negative


@dataclass(frozen=True)
class Signal:
    """A scalar beside an answer.

    ``family`` groups signals of one origin. ``access`` is "deployable" (needs no label), "oracle"
    (needs the true answer) or "control" (a baseline any signal has to beat); the three are never
    ranked in one table. ``headline`` marks the one that lmms-eval's own table shows per family.
    ``bounds`` is the range that no value can leave, as oriented: what does is not that signal.
    A ``source`` without a paper is the method's own section.
    """

    name: str
    label: str
    family: str
    access: Access
    source: str
    headline: bool = False
    bounds: Bounds = ANY


SIGNALS: tuple[Signal, ...] = (
    Signal(
        "spatial_entropy",
        "−H_s (attention)",
        "attention",
        "deployable",
        "method §2, paper eq. 3",
        True,
        bounds=_NEGATED,
    ),
    Signal(
        "spatial_entropy_normalized",
        "−H_s / ln S",
        "attention",
        "deployable",
        "method §2 (ours)",
        bounds=(-1.0, 0.0),
    ),
    Signal(
        "cluster_count",
        "−C_k (attention)",
        "attention",
        "deployable",
        "method §2, paper eq. 2",
        bounds=_NEGATED,
    ),
    Signal(
        "component_count",
        "−8-connected components",
        "attention",
        "deployable",
        "method §2, arXiv v1 figure 5",
        bounds=_NEGATED,
    ),
    Signal("entropy_evolution", "−ΔH_s total", "attention", "deployable", "method §2"),
    Signal("final_diffusion", "−ΔH_s, last layer", "attention", "deployable", "method §2"),
    Signal(
        "spatial_entropy_without_sinks",
        "−H_s without sinks",
        "attention",
        "deployable",
        "method §2; sinks after arXiv 2503.03321",
        bounds=_NEGATED,
    ),
    Signal(
        "spatial_entropy_top_heads",
        "−H_s, top-k heads",
        "attention",
        "deployable",
        "method §2 (top-k-heads variant)",
        bounds=_NEGATED,
    ),
    Signal(
        "cluster_count_top_heads",
        "−C_k, top-k heads",
        "attention",
        "deployable",
        "method §2 (top-k-heads variant)",
        bounds=_NEGATED,
    ),
    Signal(
        "image_attention_mass",
        "image attention mass",
        "attention",
        "deployable",
        "method §2 (ours)",
        bounds=_SHARE,
    ),
    Signal(
        "token_confidence",
        "token confidence",
        "confidence",
        "deployable",
        "method §3, paper eq. 7",
        True,
        bounds=_NEGATED,
    ),
    Signal(
        "min_token_confidence",
        "min token confidence",
        "confidence",
        "deployable",
        "method §3",
        bounds=_NEGATED,
    ),
    Signal(
        "first_token_probability",
        "first-token probability",
        "confidence",
        "deployable",
        "method §3",
        bounds=_SHARE,
    ),
    Signal(
        "first_token_margin",
        "first-token margin",
        "confidence",
        "deployable",
        "method §3",
        bounds=_SHARE,
    ),
    Signal(
        "first_token_entropy",
        "−entropy, first token",
        "confidence",
        "deployable",
        "method §3",
        bounds=_NEGATED,
    ),
    Signal(
        "logit_entropy", "−logit entropy", "confidence", "deployable", "method §3", bounds=_NEGATED
    ),
    Signal(
        "self_consistency",
        "self-consistency S_SC",
        "consistency",
        "deployable",
        "method §3, paper eq. 5",
        True,
        bounds=_SHARE,
    ),
    Signal(
        "answer_agreement",
        "agreement with the answer",
        "consistency",
        "deployable",
        "method §3 (ours)",
        bounds=_SHARE,
    ),
    Signal(
        "pairwise_agreement",
        "pairwise agreement",
        "consistency",
        "deployable",
        "method §3",
        bounds=_SHARE,
    ),
    Signal(
        "distinct_answers",
        "−distinct answers",
        "consistency",
        "deployable",
        "method §3",
        bounds=_NEGATED,
    ),
    Signal(
        "semantic_entropy",
        "−discrete semantic entropy",
        "consistency",
        "deployable",
        "method §3",
        bounds=_NEGATED,
    ),
    Signal("probe", "hidden-state probe (L2)", "probe", "deployable", "method §4", True),
    Signal("probe_l1", "probe (L1)", "probe", "deployable", "method §4"),
    Signal("probe_mlp", "probe (MLP)", "probe", "deployable", "method §4, paper eq. 6"),
    Signal("probe_last5", "probe (last 5 layers)", "probe", "deployable", "method §4"),
    Signal("probe_last_answer", "probe, last answer token", "probe", "deployable", "method §4"),
    Signal("probe_mean_answer", "probe, mean answer token", "probe", "deployable", "method §4"),
    Signal(
        "loaded_probe",
        "probe fitted elsewhere",
        "probe",
        "deployable",
        "method §4 (transfer)",
        bounds=_SHARE,
    ),
    Signal(
        "attention_features",
        "11 attention features (trees)",
        "stress test",
        "deployable",
        "method §2, supervised stress test (a)",
    ),
    Signal(
        "attention_mlp",
        "MLP on attention maps",
        "stress test",
        "deployable",
        "method §2, supervised stress test (b)",
    ),
    Signal(
        "answer_margin",
        "answer margin, last layer",
        "lens",
        "deployable",
        "method §4, deployable margin (ours)",
    ),
    Signal(
        "answer_margin_mean",
        "answer margin, mean of layers",
        "lens",
        "deployable",
        "method §4, deployable margin (ours)",
    ),
    Signal("truth_margin", "truth margin, last layer", "lens", "oracle", "method §4 (paper)"),
    Signal("truth_margin_peak", "truth margin, peak", "lens", "oracle", "method §4 (paper)"),
    Signal("probe_blank", "probe on a blank image", "control", "control", "method §4 (ours)"),
)

BY_NAME = {signal.name: signal for signal in SIGNALS}
# fitted on labels of the same run; a probe fitted elsewhere is a signal like any other
FITTED = frozenset(
    s.name
    for s in SIGNALS
    if (s.family in ("probe", "stress test") and s.name != "loaded_probe")
    or s.name == "probe_blank"
)
BOUNDS = {signal.name: signal.bounds for signal in SIGNALS}
