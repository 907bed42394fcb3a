"""No public function makes a number up: extremes are computed, or refused with a word.

Arguments are made by their names, so that a new function is tried here without being listed, as
long as it calls its arguments as the others do.
"""

import contextlib
import dataclasses
import inspect
from collections.abc import Mapping

import numpy as np
import pytest

import metrics
from metrics import DoseResponse, Estimate, UndefinedMetricError
from metrics.comparison.differences import Difference

N = 60
GROUPS = np.arange(N) // 2
_RNG = np.random.default_rng(0)
Y = (_RNG.random(N) < 0.6).astype(float)
S = _RNG.normal(size=N) + Y
T = _RNG.normal(size=N) + 0.5 * Y
P = 1 / (1 + np.exp(-S))
MAP = _RNG.random((6, 6))
MAPS = _RNG.random((4, 6, 6))
REGION = np.zeros((6, 6))
REGION[1:4, 2:5] = 1.0
ALIKE = np.array([[1, 0.9, 0.2], [0.9, 1, 0.3], [0.2, 0.3, 1]])
CURVE = DoseResponse(
    np.array([0.2, 0.6]), np.stack([Y * (S > -0.5), Y * (S > 1)], axis=1), Y.copy()
)
OTHER = DoseResponse(CURVE.doses, np.stack([Y, Y * (T > 0)], axis=1), Y.copy())
WORDS = ["cat", "dog", "cat", "cow"]
DIFFERENCE = Difference(Estimate(0.1, 0.0, 0.2, 0.05, None), 0.05, 0.14)

BY_NAME = {
    "y_true": Y, "correct": Y, "y_score": S, "y_prob": P, "groups": GROUPS, "kinds": GROUPS % 3,
    "y": Y, "values": S, "weights": metrics.cluster_weights(
        GROUPS, n_resamples=40, rng=np.random.default_rng(1)),
    "level": 0.95, "attention": MAP, "boundary": MAP[::-1], "region": REGION, "layer_maps": MAPS,
    "activation": MAP, "context": MAPS.reshape(4, 36)[:, :6], "relevance": MAP[0, :4],
    "entropies": np.array([3.0, 1.0, 2.0, 1.5, 2.5]), "margins": np.array([0.0, 0.1, 4.0, 3.0]),
    "from_mlp": np.array([1.0, 2.0]), "from_attention": np.array([0.5, 1.0]),
    "logits_by_layer": MAP, "token": 2, "logprobs": -MAP[0], "samples": WORDS, "answer": "cat",
    "probabilities": np.array([0.5, 0.3, 0.2]), "p_values": np.array([0.01, 0.2, 0.5]),
    "logprobs_over_vocabulary": np.log([[0.5, 0.5], [0.25, 0.75]]), "response": CURVE,
    "chosen": CURVE, "control": OTHER, "coverage": 0.8, "image_mass": 0.3, "stderr": 0.02,
    "r": 0.4, "n": 50, "successes": 12, "height": 5, "width": 4, "features": MAPS.reshape(4, 36),
    "replicates": _RNG.normal(size=(N, 50)), "shares": np.minimum(1, np.abs(S)), "n_resamples": 20,
    "text": "The cat.", "strata": GROUPS % 3, "categories": GROUPS % 3, "margin": 0.05,
    "prompts": ["what", "where", "who"] * 20, "signals": {"a": S, "b": T}, "n_groups": 30,
    "n_correct": 40, "n_errors": 35, "drop": DIFFERENCE.estimate, "gap": DIFFERENCE.estimate,
    "old_score": S, "new_score": T, "old_correct": Y, "difference": DIFFERENCE,
    "uncertainty": 0.4, "mass_by_layer": MAP[0], "first": "a cat", "second": "a dog",
    "without_core": np.array([3.5, 1.0, 2.5, 1.5, 2.0]), "labels": np.array([0, 0, 1, 2]),
    "similarity": ALIKE, "entails": ALIKE * 0.6, "contradicts": 0.3 - ALIKE * 0.2,
    "supports": ALIKE, "risk": 0.3, "confidence": 0.9, "threshold": 0.0,
    "stderrs": np.abs(T) + 0.1, "shown": S > 0, "selected": S > 0,
}  # fmt: skip
# where one name means several things
OF_FUNCTION = {
    "dose_response": {
        "samples": ["a", "b"], "sample": ["a", "a", "b", "b"], "dose": np.array([1.0, 2, 1, 2]),
        "correct": np.array([1.0, 0, 1, 1]), "clean": np.array([1.0, 1, 0, 0]),
    },
    "attention_feature_scores": {"features": np.column_stack([S, T])},
    "attention_mlp_scores": {"layer_maps": _RNG.random((N, 2, 3, 3))},
    "auroc_by_k": {
        "shares": np.column_stack([np.abs(np.sin(S)), np.abs(np.cos(S))]),
        "samples": [WORDS, WORDS[:2] * 2, ["cat"] * 4] * 20,
    },
    "boundary_filtered_map": {"attention": MAP[0], "boundary": MAP[1]},
    "core_of": {"weights": MAP},
    "images_for_difference": {"difference": 0.03},
    "promised_threshold": {"risk": 0.6},
    "context_free_activation": {"activation": MAP[0]},
    "dose_at_drop": {"drop": 0.05},
    "evaluate_card": {"kinds": (GROUPS % 3).astype(str).tolist(), "samples": None,
                      "groups": GROUPS.astype(str).tolist()},
    "majority_shares_by_k": {"samples": [WORDS, ["cat"] * 4]},
    "paired_auroc_difference": {"first": (Y, S), "second": (Y, T)},
    "paired_augrc_difference": {"first": (Y, S), "second": (Y, T)},
    "detectable_ranking_difference": {"first": (Y, S), "second": (Y, T)},
    "paired_calibration_error_difference": {"first": (Y, P), "second": (Y, 1 - P)},
    "paired_brier_difference": {"first": (Y, P), "second": (Y, 1 - P)},
    "paired_mean_difference": {"first": S, "second": T},
    "paired_proportion_difference": {"first": Y, "second": (S > 0) + 0.0},
    "detectable_proportion_difference": {"first": Y, "second": (S > 0) + 0.0},
    "robustness_area_difference": {"first": CURVE, "second": OTHER},
}  # fmt: skip
FUNCTIONS = {n: getattr(metrics, n) for n in metrics.__all__}
FUNCTIONS = {n: f for n, f in FUNCTIONS.items() if inspect.isfunction(f)}
# of hidden states, in float32: see the tests of probes; or of names
OF_STATES = {
    n for n, f in FUNCTIONS.items() if {"hidden", "states"} & set(inspect.signature(f).parameters)
}
OF_NAMES = {
    *("check_signal", "normalize_answer", "parse_yes_no", "stated_confidence", "fit_spread"),
    "promise_verdict",
}
SLOW = {"attention_mlp_scores", "attention_feature_scores", "evaluate_card"}
TRIED = sorted(set(FUNCTIONS) - OF_STATES - OF_NAMES)

# a number that is not finite has a meaning there
MEANT = {
    ("svar", "mass_by_layer"), ("core_of", "weights"), ("cluster_entropy", "labels"),
    *((n, "y_score") for n in ("promised_threshold", "risk_at_threshold", "risk_by_threshold")),
    ("evaluate_card", "correct"), ("evaluate_card", "signals"), ("rank_intervals", "replicates"),
    ("attention_feature_scores", "features"), ("auroc_by_k", "shares"),
    ("entropy_from_logprobs", "logprobs_over_vocabulary"),
}  # fmt: skip


def arguments(name, **changes):
    found = {}
    for parameter in inspect.signature(FUNCTIONS[name]).parameters.values():
        own = OF_FUNCTION.get(name, {})
        if parameter.name == "rng":
            found["rng"] = np.random.default_rng(3)
        elif parameter.name in own or (
            parameter.default is inspect.Parameter.empty or parameter.name == "level"
        ):
            found[parameter.name] = own.get(parameter.name, BY_NAME.get(parameter.name))
            assert found[parameter.name] is not None or parameter.name in own, (
                f"{name}: the argument {parameter.name} has no value here; give it one in BY_NAME"
            )
    return found | changes


def called(name, given):
    signature = inspect.signature(FUNCTIONS[name])
    positional = [given[p.name] for p in signature.parameters.values() if p.kind != p.KEYWORD_ONLY]
    keyword = {
        p.name: given[p.name]
        for p in signature.parameters.values()
        if p.kind == p.KEYWORD_ONLY and p.name in given
    }
    return FUNCTIONS[name](*positional, **keyword)


def numbers(result):
    """Every number in a result; none where it is undefined."""
    if dataclasses.is_dataclass(result):
        result = [getattr(result, field.name) for field in dataclasses.fields(result)]
    if isinstance(result, Mapping):
        result = list(result.values())
    if isinstance(result, np.ndarray):
        return result.astype(np.float64).ravel().tolist()
    if isinstance(result, (list, tuple)):
        return [number for part in result for number in numbers(part)]
    if isinstance(result, (bool, int, float, np.generic)) and not isinstance(result, np.str_):
        return [float(result)]
    return []


def arrays_of(given):
    return [
        key for key, value in given.items()
        if isinstance(value, np.ndarray) and value.dtype.kind == "f"
    ]  # fmt: skip


@pytest.mark.parametrize("name", TRIED)
def test_the_plain_call_gives_finite_numbers(name):
    assert np.isfinite(numbers(called(name, arguments(name)))).all()


CASES = [(name, key) for name in TRIED for key in arrays_of(arguments(name))]


@pytest.mark.parametrize(("name", "key"), [case for case in CASES if case not in MEANT])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused(name, key, bad):
    given = arguments(name)
    poisoned = given[key].copy()
    poisoned.flat[1] = bad
    with pytest.raises((ValueError, UndefinedMetricError), match=r"\w"):
        called(name, given | {key: poisoned})


@pytest.mark.parametrize(("name", "key"), CASES)
def test_nothing_is_made_of_nothing(name, key):
    given = arguments(name)
    found = []
    with contextlib.suppress(ValueError, UndefinedMetricError):  # refused
        found = numbers(called(name, given | {key: given[key][:0]}))
    assert np.isfinite(found).all()


SCALARS = [
    (name, p.name)
    for name in TRIED
    for p in inspect.signature(FUNCTIONS[name]).parameters.values()
    if isinstance(p.default, float) or isinstance(arguments(name).get(p.name), float)
]


@pytest.mark.parametrize(("name", "key"), SCALARS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_setting_that_is_no_number_is_refused(name, key, bad):
    with pytest.raises((ValueError, UndefinedMetricError), match=r"\w"):
        called(name, arguments(name, **{key: bad}))


@pytest.mark.parametrize("name", [n for n, key in SCALARS if key == "level" and n not in SLOW])
@pytest.mark.parametrize("level", [0, 1, -0.5, 1.5])
def test_a_level_is_inside_nought_and_one(name, level):
    with pytest.raises(ValueError, match="level"):
        called(name, arguments(name, level=level))


# argument -> how the result follows when its unit changes
INVARIANT = {
    "accuracy_at_coverage": "y_score", "augrc": "y_score", "aurc": "y_score", "auroc": "y_score",
    "auroc_estimate": "y_score", "auroc_replicates": "y_score", "boundary_filtered_map": "boundary",
    "cluster_count": "attention", "cluster_count_grid": "attention",
    "connected_component_count": "attention", "calibrated_probabilities": "y_score",
    "context_free_activation": "context", "e_aurc": "y_score", "effective_sample_size": "y",
    "entropy_by_layer": "layer_maps", "error_average_precision": "y_score",
    "error_average_precision_estimate": "y_score", "mass_inside": "attention",
    "peak_weighted_iou": "attention", "point_biserial": "y_score",
    "point_biserial_estimate": "y_score", "pointing_game": "attention", "prr": "y_score",
    "risk_coverage_curve": "y_score", "selective_estimates": "y_score",
    "spatial_entropy": "attention", "top_share_iou": "attention", "within_kind_auroc": "y_score",
    "attention_features": "layer_maps",
}  # fmt: skip
EQUIVARIANT = {
    "answer_margin": "logits_by_layer", "context_free_activation": "activation",
    "mean_entropy": "entropies", "mean_estimate": "values", "mean_logprob": "logprobs",
    "mean_replicates": "values", "min_logprob": "logprobs", "rank_gaussian_filter": "activation",
}  # fmt: skip
# what the largest entry becomes; the smallest numbers have few digits
UNITS = [1e-305, 1e-170, 1e170, 1.7e308]


@pytest.mark.parametrize("name", sorted(INVARIANT))
@pytest.mark.parametrize("unit", UNITS)
def test_the_unit_does_not_matter(name, unit):
    given, key = arguments(name), INVARIANT[name]
    expected = numbers(called(name, arguments(name)))
    scaled = given[key] / np.abs(given[key]).max() * unit
    found = numbers(called(name, given | {key: scaled}))
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", sorted(EQUIVARIANT))
@pytest.mark.parametrize("unit", UNITS)
def test_the_result_has_the_unit_of_its_argument(name, unit):
    given, key = arguments(name), EQUIVARIANT[name]
    largest = np.abs(given[key]).max()
    expected = np.array(numbers(called(name, arguments(name))))
    found = np.array(numbers(called(name, given | {key: given[key] / largest * unit})))
    assert found / unit == pytest.approx(expected / largest, rel=1e-6, abs=1e-9)


def test_fused_scores_do_not_depend_on_units():
    given = arguments("fused_scores")
    expected = called("fused_scores", given)
    for a, b in ((1e300, 1e-300), (1e-310, 1e300), (1e170, 1e170)):
        found = called("fused_scores", arguments("fused_scores", signals={"a": S * a, "b": T * b}))
        assert found.scores == pytest.approx(expected.scores, rel=1e-4)


@pytest.mark.parametrize(("name", "key"), [c for c in CASES if c[0] not in SLOW])
@pytest.mark.parametrize("huge", [1e308, -1e308, 5e-324])
def test_one_huge_entry_is_computed_or_refused(name, key, huge):
    given = arguments(name)
    odd = given[key].copy()
    odd.flat[1] = huge
    found = []
    with contextlib.suppress(ValueError, UndefinedMetricError):  # refused
        found = numbers(called(name, given | {key: odd}))
    assert np.isfinite(found).all()


# what printed a number that nothing stands behind
def test_entropy_of_a_huge_map_is_that_of_its_shape():
    assert metrics.spatial_entropy([[1e308, 1e308]]) == pytest.approx(np.log(2))
    found = metrics.entropy_by_layer([[1e308, 1e308], [1e-300, 3e-300]])
    assert found == pytest.approx(metrics.entropy_by_layer([[1, 1], [1, 3]]))


def test_the_mass_of_a_huge_map_is_a_share():
    assert metrics.mass_inside([[1e308, 1e308]], [[1.0, 0.0]]) == pytest.approx(0.5)


def test_the_mean_of_huge_logprobs_is_finite():
    assert metrics.mean_logprob([-1e308, -1e308, -1e308]) == pytest.approx(-1e308)


def test_the_attention_on_an_image_is_a_share():
    for mass in (np.inf, np.nan, -0.1, 1.5):
        with pytest.raises(ValueError, match="`image_mass` must be in"):
            metrics.attention_features(MAPS, image_mass=mass)


def test_a_power_below_alpha_is_none():
    with pytest.raises(ValueError, match="`power` must be in"):
        metrics.smallest_detectable_difference(0.01, power=0.001, alpha=0.999)


def test_a_difference_of_what_is_no_number_says_so():
    with pytest.raises(ValueError, match="`first` must be finite, got 1 non-finite of 3"):
        metrics.paired_mean_difference([np.nan, 1, 2], [0, 1, 2], groups="abc")


def test_constant_replicates_order_nothing():
    # 0.1 + 0.2 is not 0.3, and a mean over resamples rounds
    values = np.array([0.1 + 0.2, 0.3, 0.7])
    rounded = values[:, None] + np.random.default_rng(0).integers(-1, 2, (3, 200)) * 2.0**-54
    for replicates in (np.repeat(values[:, None], 200, axis=1), rounded):
        ranks = metrics.rank_intervals(values, replicates)
        assert [(rank.low, rank.high) for rank in ranks] == [(1, 3)] * 3


@pytest.mark.parametrize("unit", [1e-305, 1e-170, 1e170, 1e305])
def test_ranks_do_not_depend_on_the_unit(unit):
    values = np.array([9.0, 0.1, 0.0])
    noise = values[:, None] + np.random.default_rng(0).normal(size=(3, 200))
    found = metrics.rank_intervals(values * unit, noise * unit)
    assert found == metrics.rank_intervals(values, noise)
    assert (found[0].low, found[0].high) == (1, 1)


def test_groups_may_be_any_sequence():
    as_array = metrics.auroc_estimate(Y, S, groups=GROUPS)
    as_list = metrics.auroc_estimate(Y.tolist(), S.tolist(), groups=GROUPS.tolist())
    as_text = metrics.auroc_estimate(Y, S, groups=[f"image {g}" for g in GROUPS])
    assert as_array == as_list == as_text


def test_a_narrow_centre_prior_is_the_middle():
    found = metrics.center_prior_map(4, 5, sigma=1e-300)
    assert found.sum() == pytest.approx(1)
    assert found[1:3, 2] == pytest.approx(0.5)


def test_thresholds_between_the_largest_numbers():
    sign, correct = np.where(np.arange(100) % 2, 1.0, -1.0), np.arange(100) % 4 > 0
    small, huge = (
        metrics.accuracy_at_coverage(
            correct, sign * size, range(100), coverage=0.5, rng=np.random.default_rng(0)
        )
        for size in (1.0, 1.7e308)
    )
    assert small == huge


def test_a_curve_without_a_start_is_refused():
    with pytest.raises(ValueError, match="`clean` must be finite"):
        DoseResponse(np.ones(1), np.ones((2, 1)), np.array([1.0, np.nan]))


def test_weights_of_units_need_finite_states():
    states = np.random.default_rng(0).normal(size=(80, 3))
    states[4, 1] = np.nan
    with pytest.raises(ValueError, match="`states` must be finite"):
        metrics.probe_weights(states, Y.tolist() + [0, 1] * 10)


@pytest.mark.parametrize("seed", range(4))
def test_two_images_with_errors_still_give_ends_inside_the_range(seed):
    rng = np.random.default_rng(seed)
    correct = np.ones(80, bool)
    correct[[0, 79]] = False
    score = rng.normal(size=80) + 2 * correct
    found = metrics.selective_estimates(correct, score, np.arange(80) // 2, rng=rng)
    worst = metrics.prr(correct, -correct.astype(float))
    assert worst <= found.prr.low <= found.prr.value <= found.prr.high <= 1
    for figure in (found.aurc, found.e_aurc, found.augrc):
        assert 0 <= figure.low <= figure.value <= figure.high <= 1
