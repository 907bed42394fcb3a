"""Reliability metrics: arrays in, numbers out; undefined is undefined.

Needs NumPy, SciPy, scikit-learn and statsmodels only. No files, no torch, no plots.
"""

from metrics.answers import normalize_answer, parse_yes_no
from metrics.attention import (
    EntropyEvolution,
    cluster_count,
    connected_component_count,
    entropy_by_layer,
    entropy_evolution,
    spatial_entropy,
)
from metrics.bootstrap import (
    Estimate,
    auroc_estimate,
    cluster_weights,
    error_average_precision_estimate,
    mean_estimate,
)
from metrics.card import Card, SignalResult, evaluate_card
from metrics.controls import category_only_scores
from metrics.discrimination import auroc, error_average_precision, within_kind_auroc
from metrics.errors import RecordError, UndefinedMetricError
from metrics.generation import (
    entropy_from_logprobs,
    mean_entropy,
    mean_logprob,
    min_logprob,
    top2_margin,
)
from metrics.probes import ProbeScores, cross_fit_probe
from metrics.proportions import effective_sample_size, wilson_interval
from metrics.records import RunManifest, SampleRecord
from metrics.self_consistency import (
    answer_agreement,
    discrete_semantic_entropy,
    majority_answer,
    majority_share,
    majority_share_at_k,
    n_distinct,
    pairwise_agreement,
)
from metrics.signals import SIGNALS, Signal
from metrics.validity import check_signal

__all__ = [
    "SIGNALS",
    "Card",
    "EntropyEvolution",
    "Estimate",
    "ProbeScores",
    "RecordError",
    "RunManifest",
    "SampleRecord",
    "Signal",
    "SignalResult",
    "UndefinedMetricError",
    "answer_agreement",
    "auroc",
    "auroc_estimate",
    "category_only_scores",
    "check_signal",
    "cluster_count",
    "cluster_weights",
    "connected_component_count",
    "cross_fit_probe",
    "discrete_semantic_entropy",
    "effective_sample_size",
    "entropy_by_layer",
    "entropy_evolution",
    "entropy_from_logprobs",
    "error_average_precision",
    "error_average_precision_estimate",
    "evaluate_card",
    "majority_answer",
    "majority_share",
    "majority_share_at_k",
    "mean_entropy",
    "mean_estimate",
    "mean_logprob",
    "min_logprob",
    "n_distinct",
    "normalize_answer",
    "pairwise_agreement",
    "parse_yes_no",
    "spatial_entropy",
    "top2_margin",
    "wilson_interval",
    "within_kind_auroc",
]
