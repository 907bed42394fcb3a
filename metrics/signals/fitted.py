"""Scores fitted on labels, out of fold by image; made in a second pass over a task's answers."""

from __future__ import annotations

from metrics.record.channels import (
    BlankState,
    Channel,
    HeadMasses,
    ImageMaps,
    LastAnswerState,
    MeanAnswerState,
    NeuronContributions,
    PerturbedState,
    ProbeOpinion,
    PromptState,
    VisionState,
)
from metrics.signals.declaration import ANY, NEGATED, SHARE, Bounds, Cost, CostClass, Signal


def _probe(
    name: str,
    label: str,
    state: type[Channel],
    *,
    source: str = "method §4",
    headline: bool = False,
    about: str,
) -> Signal:
    return Signal(
        name,
        label,
        "probe",
        source,
        (state,),
        fitted=True,
        headline=headline,
        reported=headline,
        about=about,
    )


def _stress_test(name: str, label: str, which: str, *, about: str) -> Signal:
    source = f"method §2, supervised stress test ({which})"
    return Signal(name, label, "stress test", source, (ImageMaps,), fitted=True, about=about)


def _detector(
    name: str,
    label: str,
    channel: type[Channel],
    source: str,
    about: str,
    *,
    cost_class: CostClass = 0,
    cost: Cost = "answer",
) -> Signal:
    return Signal(
        name, label, "probe", source, (channel,), cost=cost, cost_class=cost_class, fitted=True,
        about=about,
    )  # fmt: skip


def _distance(
    name: str, label: str, about: str, *, bounds: Bounds = ANY, source: str = "arXiv 2209.15558"
) -> Signal:
    return Signal(
        name, label, "distance", source, (MeanAnswerState,), bounds=bounds, fitted=True, about=about
    )


SIGNALS = (
    _probe(
        "probe",
        "hidden-state probe (L2)",
        PromptState,
        headline=True,
        about="out-of-fold L2 logistic regression on the last prompt token's state, log-odds",
    ),
    _probe(
        "probe_l1",
        "hidden-state probe (L1)",
        PromptState,
        about="`probe` with an L1 penalty, which names the dimensions that count",
    ),
    _probe(
        "probe_mlp",
        "hidden-state probe (MLP)",
        PromptState,
        source="method §4, paper eq. 6",
        about="out-of-fold perceptron of two layers on the last prompt token's state",
    ),
    _probe(
        "probe_last5",
        "hidden-state probe, last 5 layers",
        PromptState,
        about="`probe` on the states after the last five layers",
    ),
    _probe(
        "probe_last_answer",
        "hidden-state probe, last answer token",
        LastAnswerState,
        about="out-of-fold L2 logistic regression on the last answer token's state",
    ),
    _probe(
        "probe_mean_answer",
        "hidden-state probe, mean answer token",
        MeanAnswerState,
        about="out-of-fold L2 logistic regression on the mean state of the answer's tokens",
    ),
    Signal(
        "loaded_probe",
        "probe fitted elsewhere",
        "probe",
        "method §4 (transfer)",
        (ProbeOpinion,),
        lambda opinion: opinion.probability[0],
        bounds=SHARE,
        states="probability",
        about="probability of being right that a probe of another run gives the answer (`probe=…`)",
    ),
    _stress_test(
        "attention_features",
        "11 attention features (trees)",
        "a",
        about="out-of-fold trees on eleven features of the attention maps",
    ),
    _stress_test(
        "attention_mlp",
        "MLP on attention maps",
        "b",
        about="out-of-fold perceptron on the attention maps of all layers",
    ),
    Signal(
        "bicr",
        "blank-image contrast probe (BICR)",
        "probe",
        "arXiv 2605.10893",
        (PromptState, BlankState),
        cost="second pass",
        cost_class=3,
        fitted=True,
        about="out-of-fold perceptron on the last prompt token's state, trained to be surer of "
        "right answers than of the same prompt with its image blanked (`blank_image=1`)",
    ),
    _detector(
        "saplma",
        "answer-state probe (SAPLMA)",
        LastAnswerState,
        "arXiv 2304.13734",
        "out-of-fold perceptron on the last answer token's state, middle layer",
    ),
    _detector(
        "internal_inspector",
        "probe across layers (InternalInspector)",
        LastAnswerState,
        "arXiv 2406.12053",
        "out-of-fold convolution over the layers of the last answer token's state",
    ),
    _detector(
        "lookback_ratio",
        "lookback ratio",
        HeadMasses,
        "arXiv 2407.07071",
        "out-of-fold logistic regression on every head's share of attention on the image and on "
        "the rest of the prompt while it answers",
        cost_class=1,
    ),
    _detector(
        "halp_vision",
        "probe on image features (HALP)",
        VisionState,
        "arXiv 2603.05465",
        "out-of-fold logistic regression on the mean of the image tokens' embeddings: what can be "
        "known before the model reads a word",
        cost_class=1,
    ),
    _detector(
        "halp_image_token",
        "probe on last image token (HALP)",
        VisionState,
        "arXiv 2603.05465",
        "out-of-fold logistic regression on the last image token's state after the middle layer",
        cost_class=1,
    ),
    _detector(
        "h_neurons",
        "feed-forward neurons (H-neurons)",
        NeuronContributions,
        "arXiv 2512.01797",
        "out-of-fold L1 logistic regression on how much each feed-forward neuron writes at the "
        "answer's tokens (`extra=neurons`)",
        cost_class=1,
    ),
    _detector(
        "ccps",
        "stability of pushed states (CCPS)",
        PerturbedState,
        "arXiv 2505.21772",
        "out-of-fold perceptron on how the answer's tokens change as the states behind them are "
        "pushed away from them (`extra=ccps`)",
        cost_class=2,
        cost="continuation",
    ),
    _distance(
        "mahalanobis_distance",
        "−Mahalanobis distance",
        "−squared Mahalanobis distance of the answer's mean state (last layer) from those of right "
        "answers to other images",
        bounds=NEGATED,
    ),
    _distance(
        "relative_mahalanobis_distance",
        "−relative Mahalanobis distance",
        "`mahalanobis_distance` less the distance from all answers to other images",
    ),
    _distance(
        "knn_distance",
        "−distance of the 10th neighbour",
        "−distance of the answer's mean state, brought to length 1, from its 10th nearest among "
        "right answers to other images",
        bounds=NEGATED,
        source="arXiv 2204.06507",
    ),
    Signal(
        "probe_blank",
        "probe on a blank image",
        "control",
        "method §4 (ours)",
        (BlankState,),
        access="control",
        cost="second pass",
        cost_class=3,
        fitted=True,
        about="`probe` on the prompt with its image blanked (`blank_image=1`): a control",
    ),
    Signal(
        "bicr_blank",
        "BICR shown the blank image",
        "control",
        "arXiv 2605.10893 (ours)",
        (PromptState, BlankState),
        access="control",
        cost="second pass",
        cost_class=3,
        fitted=True,
        control_of="bicr",
        about="what the fitted networks of `bicr` say of the prompt with its image blanked: a "
        "control",
    ),
)
