import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import norm, t

from metrics.answers.normal_form import normalize_answer
from metrics.card.card import evaluate_card
from metrics.card.fitted_interval import with_fit, without_repeats
from metrics.core.proportions import effective_sample_size, wilson_interval
from metrics.fitting.fit_spread import FitSpread
from metrics.scores.bootstrap import auroc_estimate
from metrics.scores.discrimination import auroc, error_average_precision, within_kind_auroc
from tests.metrics.helpers.planted import planted_run
from tests.signal_values import in_range


def _card(run, **changes):
    arguments = {
        "correct": run.correct, "groups": run.groups, "kinds": run.kinds, "signals": run.signals,
        "rng": np.random.default_rng(0),
    } | changes  # fmt: skip
    return evaluate_card(**arguments)


@pytest.fixture(scope="module")
def run():
    return planted_run(np.random.default_rng(9), n_images=80)


def test_figures_are_those_of_the_single_functions(run):
    card = _card(run)
    names = [result.name for result in card.signals]
    assert names == ["token_confidence", "self_consistency", "probe", "kind_only"]
    for result in card.signals[:3]:
        score = run.signals[result.name]
        # of a probe without its repeats the note says that it is frozen
        found = replace(result.auroc, note=None)
        assert found == replace(auroc_estimate(run.correct, score, groups=run.groups), note=None)
        assert result.auroc.value == auroc(run.correct, score)
        assert result.within_kind_auroc.value == within_kind_auroc(run.correct, score, run.kinds)
        precision = error_average_precision(run.correct, score)
        assert result.error_average_precision.value == precision
        assert (result.n, result.n_groups, result.n_missing) == (320, 80, 0)
        assert result.warning is None
    assert card.n_errors == (run.correct == 0).sum()
    assert card.error_rate == card.n_errors / 320
    assert card.signals[2].label == "hidden-state probe (L2)"


def test_accuracy_is_wilson_with_the_effective_size(run):
    effective = effective_sample_size(run.correct, run.groups)
    by_t = 2 * norm.cdf(t.ppf(0.975, 79)) - 1  # the effective size is of 80 images
    ends = wilson_interval(run.correct.sum(), 320, effective_n=effective, level=by_t)
    found = _card(run).accuracy
    assert (found.value, found.low, found.high) == pytest.approx((run.correct.mean(), *ends))


def test_unlabelled_samples_are_left_out_and_counted(run):
    correct = run.correct.copy()
    correct[:20] = np.nan
    kept = {name: values[20:] for name, values in run.signals.items()}
    card = _card(run, correct=correct)
    assert (card.n, card.n_unlabelled) == (300, 20)
    alone = _card(
        run, correct=correct[20:], groups=run.groups[20:], kinds=run.kinds[20:], signals=kept
    )
    assert card.signals == alone.signals


def test_missing_values_are_counted_per_signal(run):
    values = run.signals["probe"].copy()
    values[:7] = np.nan
    card = _card(run, signals={"probe": values, "probe_l1": run.signals["probe"]})
    probe, whole = card.signals[:2]
    assert (probe.n, probe.n_missing, whole.n_missing) == (313, 7, 0)
    assert probe.auroc.value == auroc(run.correct[7:], values[7:])
    assert probe.n_errors == (run.correct[7:] == 0).sum()


def test_broken_signals_are_invalid_and_never_half(run):
    flat = np.full(320, -6.356)
    card = _card(
        run,
        signals={"spatial_entropy": flat, "probe": run.signals["probe"]},
        invalid={"probe": "vrp_shapes: rows do not sum to 1", "cluster_count": "no hook fired"},
    )
    by_name = {result.name: result for result in card.signals}
    assert by_name["spatial_entropy"].invalid.startswith("constant over the run: -6.356")
    assert by_name["probe"].invalid == "vrp_shapes: rows do not sum to 1"
    assert by_name["cluster_count"].invalid == "no hook fired"
    for name in ("spatial_entropy", "probe", "cluster_count"):
        assert by_name[name].auroc.value is None
        assert by_name[name].auroc.reason == by_name[name].invalid
        assert by_name[name].n_missing == 320


def test_one_class_is_undefined_with_a_reason(run):
    card = _card(run, correct=np.ones(320), answers=["yes", "no"] * 160)
    for result in card.signals:
        assert result.auroc.value is None
        assert "320 answers are correct" in result.auroc.reason
        assert result.invalid is None
        assert result.warning == "0 wrong answers only: no verdict below 30"
    assert card.accuracy.value == 1
    assert card.accuracy.low < 0.96  # 80 images, not 320 samples


def test_few_errors_warn():
    rng = np.random.default_rng(1)
    correct = np.r_[np.zeros(29), np.ones(171)]
    card = evaluate_card(
        correct=correct, groups=[str(i) for i in range(200)], kinds=["all"] * 200,
        signals={"mine": rng.normal(size=200)}, rng=rng,
    )  # fmt: skip
    (mine,) = card.signals
    assert mine.warning == "29 wrong answers only: no verdict below 30"
    assert (mine.family, mine.access, mine.label) == ("other", "deployable", "mine")
    assert mine.within_kind_auroc.reason == "one question kind only"


def test_controls(run):
    answers = [("Yes.", "yes", "No")[i % 3] for i in range(320)]
    correct = np.array([normalize_answer(a) == "yes" for a in answers], float)
    correct[::10] = 1 - correct[::10]
    card = _card(
        run, correct=correct, answers=answers, controls={"probe_shuffled": run.signals["probe"]}
    )
    shuffled, answer, kind = card.signals[-3:]
    assert [c.name for c in (shuffled, answer, kind)] == [
        "probe_shuffled", "answer_only", "kind_only",
    ]  # fmt: skip
    assert {c.access for c in (shuffled, answer, kind)} == {"control"}
    assert {c.family for c in (shuffled, answer, kind)} == {"control"}
    assert answer.auroc.value > 0.85  # "Yes." and "yes" are one answer
    assert kind.within_kind_auroc.value is None


def test_nothing_labelled(run):
    card = _card(run, correct=np.full(320, np.nan), answers=["yes"] * 320)
    assert (card.n, card.error_rate, card.accuracy.value) == (0, None, None)
    assert all(result.auroc.value is None for result in card.signals)
    assert all(result.auroc.reason for result in card.signals)


def test_a_card_is_plain_data(run):
    plain = asdict(_card(run))
    allowed = (str, int, float, type(None))

    def walk(value):
        if isinstance(value, dict):
            return all(walk(v) for v in value.values())
        if isinstance(value, (tuple, list)):
            return all(walk(v) for v in value)
        return type(value) in allowed and value == value

    assert walk(plain)


def test_refusals(run):
    with pytest.raises(ValueError, match="`groups` must be of length 320"):
        _card(run, groups=["a"])
    with pytest.raises(ValueError, match=r"`correct` must be .* got 0.5"):
        _card(run, correct=np.full(320, 0.5))
    with pytest.raises(ValueError, match=r"`signals\[probe\]` must be of length 320.*length 2"):
        _card(run, signals={"probe": [1.0, 2.0]})


def test_a_probability_outside_its_range_is_invalid_instead_of_ending_the_card(run):
    values = {"first_token_probability": run.signals["probe"]}
    card = _card(run, signals=values, probabilities=values)
    assert card.signals[0].invalid.startswith("outside its range [0, 1]: ")
    assert card.probabilities == ()


def test_what_was_fitted_on_labels_does_not_enter_a_fusion(run):
    """Its score of a training row has seen labels of the test fold."""
    values = run.signals["probe"]
    names = ("token_confidence", "answer_margin", "first_token_entropy", "probe", "probe_l1")
    card = _card(run, signals={name: in_range(name, values) for name in names})
    members = {name for fusion in card.fusion for name in fusion.members}
    assert members == {"token_confidence", "answer_margin", "first_token_entropy"}


def test_a_signal_is_found_by_name(run):
    card = _card(run)
    assert card.signal("probe") is card.signals[[s.name for s in card.signals].index("probe")]
    with pytest.raises(KeyError, match=r"no signal 'prob'\. It has: .*probe"):
        card.signal("prob")


def test_a_fitted_signal_carries_what_fitting_adds(run):
    fit = FitSpread(20, 0.05, 0.04, 0.03, p=0.01)
    answers = ["yes" if i % 3 else "no" for i in range(320)]
    frozen, card = (_card(run, answers=answers, fits=fits) for fits in (None, {"probe": fit}))
    before, after = (one.signal("probe") for one in (frozen, card))
    assert after.fit == fit
    for name, added in (
        ("auroc", 0.05), ("within_kind_auroc", 0.04), ("within_answer_auroc", 0.03)
    ):  # fmt: skip
        old, new = getattr(before, name), getattr(after, name)
        stderr = math.hypot(old.stderr, added)
        assert (new.value, new.stderr) == (old.value, pytest.approx(stderr))
        half = t.ppf(0.975, 79) * stderr / (new.value * (1 - new.value))
        assert (new.low, new.high) == pytest.approx(
            tuple(expit(logit(new.value) + sign * half) for sign in (-1, 1))
        )
        assert "about the whole cross-fit, from 20 splits" in new.note
        assert ("permutation p 0.01" in new.note) == (name == "auroc")
    assert "the run kept no repeats" in before.auroc.note
    assert "what another split would change" in after.error_average_precision.note
    assert "what another split would change" in after.selective.aurc.note
    assert after.selective.aurc.value == before.selective.aurc.value
    direct = card.signal("token_confidence")
    assert (direct.auroc.note, direct.fit) == (None, None)


def test_the_p_value_of_a_fitted_signal_has_its_variance_too(run):
    result = _card(run).signal("token_confidence")
    claimed = replace(result, p_value=1e-9)
    found = with_fit(claimed, FitSpread(10, 0.2, 0.1, 0.1))
    within = found.within_kind_auroc
    assert found.p_value == pytest.approx(2 * t.sf(abs(within.value - 0.5) / within.stderr, 79))
    assert found.p_value > 0.05
    assert without_repeats(claimed).p_value is None  # frozen scores carry no verdict


def test_figures_at_the_edge_are_not_widened_beyond_it(run):
    perfect = np.where(run.correct == 1, 1.0, -1.0)
    card = _card(run, signals={"probe": perfect}, fits={"probe": FitSpread(20, 0.05, 0.05, 0.05)})
    probe = card.signals[0]
    assert (probe.auroc.value, probe.auroc.high) == (1.0, 1.0)
    broken = _card(run, signals={"probe": np.ones(320)}, fits={"probe": FitSpread(20, 0.1, 0, 0)})
    assert broken.signals[0].invalid is not None


def test_fusions_and_controls_of_the_card_are_repeated(run):
    answers = ["yes" if c != (i % 5 == 0) else "no" for i, c in enumerate(run.correct)]
    prompts = [
        f"what is {'red' if i % 2 else 'blue'} {'left' if i % 3 else ''}" for i in range(320)
    ]
    card = _card(run, answers=answers, prompts=prompts)
    controls = {s.name: s for s in card.signals if s.access == "control"}
    fused = card.fusion[1].result
    for found in (*controls.values(), fused):
        assert found.fit.repeats == 10
        assert found.auroc.stderr >= found.fit.stderr
    assert set(controls) == {"answer_only", "kind_only", "question_only"}
    assert controls["answer_only"].fit.p == fused.fit.p == 0.01  # both are planted
    assert controls["kind_only"].fit.p > 0.05


def test_permutation_p_is_uniform_where_there_is_nothing():
    """Every control, on labels that are correlated within images and know nothing."""
    below = {"answer_only": 0, "kind_only": 0, "question_only": 0, "fused_single_pass": 0}
    for seed in range(40):
        rng = np.random.default_rng(seed)
        image = np.repeat(np.arange(30), 4)
        correct = (rng.normal(size=30)[image] + rng.normal(size=120) > -0.5).astype(float)
        names = ("token_confidence", "min_token_confidence", "logit_entropy")
        card = evaluate_card(
            correct=correct, groups=[str(i) for i in image],
            kinds=rng.choice(["count", "colour", "place"], 120).tolist(),
            signals={name: in_range(name, rng.normal(size=120)) for name in names},
            answers=rng.choice(["yes", "no", "two"], 120).tolist(),
            prompts=[" ".join(rng.choice(list("abcdefgh"), 3)) for _ in range(120)],
            rng=rng,
        )  # fmt: skip
        results = {s.name: s for s in card.signals} | {f.name: f.result for f in card.fusion}
        for name in below:
            below[name] += results[name].fit.p <= 0.2
    # 40 draws at 0.2: 8 expected; more than 16 has a chance of 0.001, none at all of 0.0001
    assert max(below.values()) <= 16
    assert min(below.values()) >= 1
