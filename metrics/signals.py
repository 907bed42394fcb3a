"""The declared signals: what each is called, where it comes from, and who may see it.

Every signal is oriented so that higher means more likely correct, so no reader flips a sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Access = Literal["deployable", "oracle", "control"]


@dataclass(frozen=True)
class Signal:
    """A scalar beside an answer.

    ``family`` groups signals of one origin. ``access`` is "deployable" (needs no label), "oracle"
    (needs the true answer) or "control" (a baseline any signal has to beat); the three are never
    ranked in one table. ``headline`` marks the one that lmms-eval's own table shows per family.
    A ``source`` without a paper is the method's own section.
    """

    name: str
    label: str
    family: str
    access: Access
    source: str
    headline: bool = False


SIGNALS: tuple[Signal, ...] = (
    Signal(
        "spatial_entropy",
        "−H_s (attention)",
        "attention",
        "deployable",
        "method §2, paper eq. 3",
        True,
    ),
    Signal(
        "spatial_entropy_normalized", "−H_s / ln S", "attention", "deployable", "method §2 (ours)"
    ),
    Signal(
        "cluster_count", "−C_k (attention)", "attention", "deployable", "method §2, paper eq. 2"
    ),
    Signal(
        "component_count",
        "−8-connected components",
        "attention",
        "deployable",
        "method §2, arXiv v1 figure 5",
    ),
    Signal("entropy_evolution", "−ΔH_s total", "attention", "deployable", "method §2"),
    Signal("final_diffusion", "−ΔH_s, last layer", "attention", "deployable", "method §2"),
    Signal(
        "spatial_entropy_without_sinks",
        "−H_s without sinks",
        "attention",
        "deployable",
        "method §2; sinks after arXiv 2503.03321",
    ),
    Signal(
        "spatial_entropy_top_heads",
        "−H_s, top-k heads",
        "attention",
        "deployable",
        "method §2 (top-k-heads variant)",
    ),
    Signal(
        "cluster_count_top_heads",
        "−C_k, top-k heads",
        "attention",
        "deployable",
        "method §2 (top-k-heads variant)",
    ),
    Signal(
        "image_attention_mass",
        "image attention mass",
        "attention",
        "deployable",
        "method §2 (ours)",
    ),
    Signal(
        "token_confidence",
        "token confidence",
        "confidence",
        "deployable",
        "method §3, paper eq. 7",
        True,
    ),
    Signal("min_token_confidence", "min token confidence", "confidence", "deployable", "method §3"),
    Signal(
        "first_token_probability",
        "first-token probability",
        "confidence",
        "deployable",
        "method §3",
    ),
    Signal("first_token_margin", "first-token margin", "confidence", "deployable", "method §3"),
    Signal("first_token_entropy", "−entropy, first token", "confidence", "deployable", "method §3"),
    Signal("logit_entropy", "−logit entropy", "confidence", "deployable", "method §3"),
    Signal(
        "self_consistency",
        "self-consistency S_SC",
        "consistency",
        "deployable",
        "method §3, paper eq. 5",
        True,
    ),
    Signal(
        "answer_agreement",
        "agreement with the answer",
        "consistency",
        "deployable",
        "method §3 (ours)",
    ),
    Signal("pairwise_agreement", "pairwise agreement", "consistency", "deployable", "method §3"),
    Signal("distinct_answers", "−distinct answers", "consistency", "deployable", "method §3"),
    Signal(
        "semantic_entropy", "−discrete semantic entropy", "consistency", "deployable", "method §3"
    ),
    Signal("probe", "hidden-state probe (L2)", "probe", "deployable", "method §4", True),
    Signal("probe_l1", "probe (L1)", "probe", "deployable", "method §4"),
    Signal("probe_mlp", "probe (MLP)", "probe", "deployable", "method §4, paper eq. 6"),
    Signal("probe_last5", "probe (last 5 layers)", "probe", "deployable", "method §4"),
    Signal("probe_last_answer", "probe, last answer token", "probe", "deployable", "method §4"),
    Signal("probe_mean_answer", "probe, mean answer token", "probe", "deployable", "method §4"),
    Signal("loaded_probe", "probe fitted elsewhere", "probe", "deployable", "method §4 (transfer)"),
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
