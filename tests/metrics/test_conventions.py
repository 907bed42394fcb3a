"""A new metric fails here until it complies with the house style."""

import ast
import inspect
import re
from pathlib import Path

import pytest

import metrics

FOLDER = Path(metrics.__file__).parent
FILES = sorted(path for path in FOLDER.rglob("*.py") if path.stem != "__init__")

# Every public function is in exactly one of these.
HIGHER_IS_BETTER = {
    "auroc_by_k", "precision_at_full_agreement", "proportion_estimate",
    "question_only_scores",
    "auroc_replicates",
    "attention_feature_scores", "attention_mlp_scores", "fit_probe", "l1_probe",
    "last_layers_probe", "mlp_probe", "probe_panel", "transfer_matrix",
    "mass_inside", "peak_weighted_iou", "pointing_game", "top_share_iou",
    "control_gap", "dose_at_drop", "robustness_area",
    "answer_margin", "calibrated_probabilities", "fused_scores", "transferred_probabilities",
    "accuracy_at_coverage", "brier_skill_score", "point_biserial", "point_biserial_estimate", "prr",
    "answer_agreement", "auroc", "auroc_estimate", "category_only_scores", "cross_fit_probe",
    "effective_sample_size", "error_average_precision", "error_average_precision_estimate",
    "evaluate_card", "majority_share", "majority_share_at_k", "mean_logprob", "min_logprob",
    "answer_degree", "lexical_overlap", "lexical_similarity", "sequence_logprob", "svar",
    "pairwise_agreement", "top2_margin", "within_kind_auroc",
}  # fmt: skip
LOWER_IS_BETTER = {
    "images_for_difference", "promised_threshold", "risk_at_threshold",
    "augrc", "aurc", "brier_loss", "calibration_error_estimate", "e_aurc",
    "expected_calibration_error",
    "detectable_proportion_difference", "detectable_ranking_difference",
    "smallest_detectable_difference",
    "cocoa", "eccentricity", "laplacian_eigenvalue_sum",
    "cluster_count", "cluster_count_grid", "connected_component_count",
    "discrete_semantic_entropy", "entropy_by_layer",
    "entropy_from_logprobs", "mean_entropy", "n_distinct", "spatial_entropy",
}  # fmt: skip
NO_DIRECTION = {
    "random_effects_mean", "risk_by_threshold", "selective_risk_bounds", "selective_risk_p_values",
    "calibration_estimates", "miscalibration_test", "selective_estimates",
    "attention_features", "paper_protocol",
    "boundary_filtered_map", "center_prior_map", "context_free_activation", "rank_gaussian_filter",
    "uniform_map",
    "answer_flips", "dose_response", "image_folds", "probe_weights", "ranking_verdict",
    "robustness_area_difference",
    "fit_spread", "leakage_report", "margin_summary", "mlp_share", "shuffled_label_aurocs",
    "benjamini_hochberg", "fisher_interval", "holm", "reliability_bins",
    "paired_augrc_difference", "paired_auroc_difference", "paired_brier_difference",
    "paired_calibration_error_difference",
    "beyond_margin", "mean_replicates", "paired_mean_difference", "paired_proportion_difference",
    "rank_intervals",
    "risk_coverage_curve",
    "cluster_weights", "entropy_evolution", "majority_answer", "mean_estimate", "wilson_interval",
}  # fmt: skip
TOOLS = {"check_signal", "normalize_answer", "parse_yes_no", "promise_verdict"}
SETS = (HIGHER_IS_BETTER, LOWER_IS_BETTER, NO_DIRECTION, TOOLS)

FACE = {
    node.module: {alias.name for alias in node.names}
    for node in ast.parse((FOLDER / "__init__.pyi").read_text()).body
    if isinstance(node, ast.ImportFrom)
}
PUBLIC = {name: getattr(metrics, name) for name in metrics.__all__}
FUNCTIONS = {name: f for name, f in PUBLIC.items() if inspect.isfunction(f)}
QUANTITIES = sorted(set(FUNCTIONS) - TOOLS)


def _module(path):
    return ".".join(path.relative_to(FOLDER).with_suffix("").parts)


def test_every_function_is_in_exactly_one_set():
    assert sum(map(len, SETS)) == len(set().union(*SETS))
    assert set().union(*SETS) == set(FUNCTIONS)


def test_all_is_sorted_and_is_what_is_visible():
    stub = ast.parse((FOLDER / "__init__.pyi").read_text()).body[-1]
    listed = ast.literal_eval(stub.value)
    assert listed == sorted(
        listed, key=lambda n: (0 if n.isupper() else 1 if n[0].isupper() else 2, n)
    )
    assert set(listed) == set(metrics.__all__)
    assert set(metrics.__all__) == {name for names in FACE.values() for name in names}


def test_every_public_name_of_a_file_is_exported():
    own = {
        node.name
        for path in FILES
        if _module(path) in FACE  # a file that the face takes nothing from is the room's own
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }
    assert own == set(FUNCTIONS)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_docstring_sections(name):
    doc = inspect.getdoc(FUNCTIONS[name])
    needed = ["Parameters", "Returns", "References", "Examples"]
    if name in QUANTITIES and "raise " in inspect.getsource(FUNCTIONS[name]):
        needed.append("Raises")
    for section in needed:
        assert re.search(rf"^{section}\n-+$", doc, re.M), section
    assert ">>>" in doc


@pytest.mark.parametrize("name", QUANTITIES)
def test_quantities_state_equation_direction_and_range(name):
    doc = inspect.getdoc(FUNCTIONS[name])
    words = " ".join(doc.split())
    assert ".. math::" in doc
    assert "Range:" in words
    said = {
        "Higher means": HIGHER_IS_BETTER,
        "Lower means": LOWER_IS_BETTER,
        "No direction": NO_DIRECTION,
    }
    assert [name in where for phrase, where in said.items() if phrase in words] == [True]


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_parameter_is_documented_and_annotated(name):
    doc, signature = inspect.getdoc(FUNCTIONS[name]), inspect.signature(FUNCTIONS[name])
    listed = doc.split("Parameters\n----------\n")[1].split("\n\n")[0]
    for parameter in signature.parameters.values():
        assert re.search(rf"^[\w, ]*\b{parameter.name}\b[\w, ]* : ", listed, re.M), parameter.name
        assert parameter.annotation is not inspect.Parameter.empty
        if parameter.default is not inspect.Parameter.empty:
            assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, parameter.name
    assert signature.return_annotation is not inspect.Signature.empty


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_randomness_is_a_required_keyword(name):
    rng = inspect.signature(FUNCTIONS[name]).parameters.get("rng")
    if rng is not None:
        assert rng.kind is inspect.Parameter.KEYWORD_ONLY
        assert rng.default is inspect.Parameter.empty


@pytest.mark.parametrize("path", FILES, ids=_module)
def test_files_are_short_and_pure(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    banned = ("torch", "lmms_eval", "matplotlib", "pandas", "open(", "print(", "np.random.seed")
    code = "\n".join(
        line for line in text.splitlines() if not line.lstrip().startswith((">>>", "#"))
    )
    for word in banned[:4]:
        assert not re.search(rf"^\s*(import|from) {word}", code, re.M)
    for word in banned[4:]:
        assert not re.search(rf"(?<![\w.]){re.escape(word)}", code)


@pytest.mark.parametrize("path", FILES, ids=_module)
def test_every_file_has_its_tests(path):
    if _module(path) not in FACE or path.stem in {"errors", "records"}:
        pytest.skip("the room's own, or plain data: tested through what uses it")
    room = Path(__file__).parent / path.parent.relative_to(FOLDER)
    assert (room / f"test_{path.stem}.py").exists()
