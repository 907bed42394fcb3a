from .abstention.at_threshold import promise_verdict, risk_at_threshold, risk_by_threshold
from .abstention.promise import PromisedThreshold, promised_threshold
from .abstention.scored import RiskAtThreshold
from .abstention.selective_risk import selective_risk_bounds, selective_risk_p_values
from .answers.cocoa import cocoa
from .answers.generation import (
    entropy_from_logprobs,
    mean_entropy,
    mean_logprob,
    min_logprob,
    sequence_logprob,
    top2_margin,
)
from .answers.lexical import answer_degree, lexical_overlap, lexical_similarity
from .answers.normal_form import normalize_answer, parse_yes_no
from .answers.self_consistency import (
    answer_agreement,
    discrete_semantic_entropy,
    majority_answer,
    majority_share,
    majority_share_at_k,
    n_distinct,
    pairwise_agreement,
)
from .answers.similarity_graph import eccentricity, laplacian_eigenvalue_sum
from .calibration.calibration_error import CalibrationError, calibration_error_estimate
from .calibration.differences import (
    paired_brier_difference,
    paired_calibration_error_difference,
)
from .calibration.estimates import CalibrationEstimates, calibration_estimates
from .calibration.miscalibration import MiscalibrationTest, miscalibration_test
from .calibration.reliability import (
    ReliabilityBins,
    brier_loss,
    brier_skill_score,
    expected_calibration_error,
    reliability_bins,
)
from .card.card import (
    CalibratedSignal,
    Card,
    CommonFigures,
    ConsistencyCard,
    Contrast,
    Fusion,
    SignalResult,
    evaluate_card,
)
from .card.consistency_by_k import (
    auroc_by_k,
    precision_at_full_agreement,
)
from .comparison.detectable import detectable_ranking_difference
from .comparison.differences import (
    Difference,
    benjamini_hochberg,
    holm,
    smallest_detectable_difference,
)
from .comparison.margins import beyond_margin
from .comparison.paired_proportions import (
    detectable_proportion_difference,
    paired_proportion_difference,
)
from .comparison.random_effects import RandomEffects, random_effects_mean
from .comparison.sample_size import images_for_difference
from .core.proportions import effective_sample_size, proportion_estimate, wilson_interval
from .errors import RecordError, UndefinedMetricError
from .fitting.controls import category_only_scores, question_only_scores
from .fitting.cross_fitting import (
    FusedScores,
    calibrated_probabilities,
    fused_scores,
    transferred_probabilities,
)
from .fitting.fit_spread import FitSpread, FittedScores, fit_spread
from .maps.attention import (
    EntropyEvolution,
    cluster_count,
    connected_component_count,
    entropy_by_layer,
    entropy_evolution,
    spatial_entropy,
)
from .maps.attention_features import attention_features
from .maps.cluster_grid import cluster_count_grid
from .maps.grounding import (
    center_prior_map,
    mass_inside,
    peak_weighted_iou,
    pointing_game,
    top_share_iou,
    uniform_map,
)
from .maps.grounding_maps import (
    boundary_filtered_map,
    context_free_activation,
    rank_gaussian_filter,
)
from .maps.image_mass import svar
from .record.records import RunManifest, SampleRecord
from .robustness.curves import (
    CriticalDose,
    control_gap,
    dose_at_drop,
    robustness_area,
    robustness_area_difference,
)
from .robustness.dose_response import DoseResponse, Flips, answer_flips, dose_response
from .scores.bootstrap import (
    Estimate,
    auroc_estimate,
    cluster_weights,
    error_average_precision_estimate,
    mean_estimate,
)
from .scores.correlation import fisher_interval, point_biserial, point_biserial_estimate
from .scores.discrimination import auroc, error_average_precision, within_kind_auroc
from .scores.paired_differences import (
    paired_augrc_difference,
    paired_auroc_difference,
    paired_mean_difference,
)
from .scores.ranks import RankInterval, auroc_replicates, mean_replicates, rank_intervals
from .scores.risk_coverage import RiskCoverageCurve, aurc, e_aurc, prr, risk_coverage_curve
from .scores.selective import SelectiveAccuracy, accuracy_at_coverage, augrc
from .scores.selective_estimates import Selective, selective_estimates
from .scores.validity import check_signal
from .signals import SIGNALS, Signal
from .states.fitted_probe import FittedProbe, fit_probe
from .states.logit_lens import MarginSummary, answer_margin, margin_summary, mlp_share
from .states.probe_controls import (
    LeakageReport,
    PaperProtocol,
    leakage_report,
    paper_protocol,
    shuffled_label_aurocs,
)
from .states.probe_l1 import SparseProbeScores, WeightedDimension, l1_probe
from .states.probe_mlp import mlp_probe
from .states.probe_panel import ProbePanel, probe_panel
from .states.probes import ProbeScores, cross_fit_probe, last_layers_probe
from .states.stress_tests import attention_feature_scores, attention_mlp_scores
from .states.transfer import TransferMatrix, transfer_matrix
from .states.unit_ranking import RankingVerdict, image_folds, probe_weights, ranking_verdict

__all__ = [
    "SIGNALS",
    "CalibratedSignal",
    "CalibrationError",
    "CalibrationEstimates",
    "Card",
    "CommonFigures",
    "ConsistencyCard",
    "Contrast",
    "CriticalDose",
    "Difference",
    "DoseResponse",
    "EntropyEvolution",
    "Estimate",
    "FitSpread",
    "FittedProbe",
    "FittedScores",
    "Flips",
    "FusedScores",
    "Fusion",
    "LeakageReport",
    "MarginSummary",
    "MiscalibrationTest",
    "PaperProtocol",
    "ProbePanel",
    "ProbeScores",
    "PromisedThreshold",
    "RandomEffects",
    "RankInterval",
    "RankingVerdict",
    "RecordError",
    "ReliabilityBins",
    "RiskAtThreshold",
    "RiskCoverageCurve",
    "RunManifest",
    "SampleRecord",
    "Selective",
    "SelectiveAccuracy",
    "Signal",
    "SignalResult",
    "SparseProbeScores",
    "TransferMatrix",
    "UndefinedMetricError",
    "WeightedDimension",
    "accuracy_at_coverage",
    "answer_agreement",
    "answer_degree",
    "answer_flips",
    "answer_margin",
    "attention_feature_scores",
    "attention_features",
    "attention_mlp_scores",
    "augrc",
    "aurc",
    "auroc",
    "auroc_by_k",
    "auroc_estimate",
    "auroc_replicates",
    "benjamini_hochberg",
    "beyond_margin",
    "boundary_filtered_map",
    "brier_loss",
    "brier_skill_score",
    "calibrated_probabilities",
    "calibration_error_estimate",
    "calibration_estimates",
    "category_only_scores",
    "center_prior_map",
    "check_signal",
    "cluster_count",
    "cluster_count_grid",
    "cluster_weights",
    "cocoa",
    "connected_component_count",
    "context_free_activation",
    "control_gap",
    "cross_fit_probe",
    "detectable_proportion_difference",
    "detectable_ranking_difference",
    "discrete_semantic_entropy",
    "dose_at_drop",
    "dose_response",
    "e_aurc",
    "eccentricity",
    "effective_sample_size",
    "entropy_by_layer",
    "entropy_evolution",
    "entropy_from_logprobs",
    "error_average_precision",
    "error_average_precision_estimate",
    "evaluate_card",
    "expected_calibration_error",
    "fisher_interval",
    "fit_probe",
    "fit_spread",
    "fused_scores",
    "holm",
    "image_folds",
    "images_for_difference",
    "l1_probe",
    "laplacian_eigenvalue_sum",
    "last_layers_probe",
    "leakage_report",
    "lexical_overlap",
    "lexical_similarity",
    "majority_answer",
    "majority_share",
    "majority_share_at_k",
    "margin_summary",
    "mass_inside",
    "mean_entropy",
    "mean_estimate",
    "mean_logprob",
    "mean_replicates",
    "min_logprob",
    "miscalibration_test",
    "mlp_probe",
    "mlp_share",
    "n_distinct",
    "normalize_answer",
    "paired_augrc_difference",
    "paired_auroc_difference",
    "paired_brier_difference",
    "paired_calibration_error_difference",
    "paired_mean_difference",
    "paired_proportion_difference",
    "pairwise_agreement",
    "paper_protocol",
    "parse_yes_no",
    "peak_weighted_iou",
    "point_biserial",
    "point_biserial_estimate",
    "pointing_game",
    "precision_at_full_agreement",
    "probe_panel",
    "probe_weights",
    "promise_verdict",
    "promised_threshold",
    "proportion_estimate",
    "prr",
    "question_only_scores",
    "random_effects_mean",
    "rank_gaussian_filter",
    "rank_intervals",
    "ranking_verdict",
    "reliability_bins",
    "risk_at_threshold",
    "risk_by_threshold",
    "risk_coverage_curve",
    "robustness_area",
    "robustness_area_difference",
    "selective_estimates",
    "selective_risk_bounds",
    "selective_risk_p_values",
    "sequence_logprob",
    "shuffled_label_aurocs",
    "smallest_detectable_difference",
    "spatial_entropy",
    "svar",
    "top2_margin",
    "top_share_iou",
    "transfer_matrix",
    "transferred_probabilities",
    "uniform_map",
    "wilson_interval",
    "within_kind_auroc",
]
