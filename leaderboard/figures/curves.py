"""Which curves are drawn of a card and a manifest: risk, calibration, consistency and layers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from leaderboard.figures.charts import N_COLOURS, Chart, Series, chart
from leaderboard.results.aggregate import RunResult, TaskResult
from leaderboard.results.profiles import Curve, LayerProfile
from metrics.card.card import CalibratedSignal, SignalResult
from metrics.errors import UndefinedMetricError
from metrics.scores.bootstrap import Estimate
from metrics.signals import BY_NAME
from metrics.states.logit_lens import mlp_share

MAX_MODELS = N_COLOURS
RISK_FAMILIES = ("confidence", "consistency", "attention", "probe")
METHODS = {
    "platt": "Platt scaling, cross-fitted by image, mean of 20 splits.",
    "as stated": "As stated by the model.",
}
BRANCHES = ("margin_from_mlp", "margin_from_attention")
COVERAGE, RISK = "coverage", "risk"

Pairs = Sequence[tuple[RunResult, TaskResult]]


def run_charts(run: RunResult, result: TaskResult) -> tuple[Chart, ...]:
    """Curves of one run on one benchmark; what is undefined is left out.

    Parameters
    ----------
    run, result
        The run and its result on the benchmark.

    Returns
    -------
    tuple of Chart
    """
    charts = [
        _risk_by_signal(result),
        *(_reliability(signal) for signal in result.card.probabilities),
        _agreement_by_k([(run, result)], "AUROC of self-consistency by number of samples"),
        _probe_by_layer([(run, result)], "Probe AUROC by layer"),
        *(_layers(p) for p in result.profiles if p.name not in BRANCHES),
        _branches(result.profiles),
    ]
    return _present(charts)


def model_charts(pairs: Pairs) -> tuple[Chart, ...]:
    """Curves that compare at most eight models on one benchmark; empty for a single one.

    Parameters
    ----------
    pairs : sequence of (RunResult, TaskResult)
        Of one benchmark.

    Returns
    -------
    tuple of Chart
    """
    shown = pairs[:MAX_MODELS]
    if len(shown) < 2:
        return ()
    risks = [_risk_by_model(shown, family) for family in RISK_FAMILIES]
    by_k = _agreement_by_k(shown, "AUROC of self-consistency by number of samples")
    return _present([*risks, by_k, _probe_by_layer(shown, "Probe AUROC by layer")])


def headline_of(result: TaskResult, family: str) -> SignalResult | None:
    """The signal that stands for a family, if it is scored and valid."""
    for signal in result.card.signals:
        declared = BY_NAME.get(signal.name)
        if declared and declared.headline and declared.family == family and not signal.invalid:
            return signal
    return None


def _present(charts: Iterable[Chart | None]) -> tuple[Chart, ...]:
    return tuple(c for c in charts if c is not None)


def _risk_by_signal(result: TaskResult) -> Chart | None:
    signals = [headline_of(result, family) for family in RISK_FAMILIES]
    series = [_risk_series(s, s.label, number) for number, s in enumerate(signals) if s is not None]
    rate = result.card.error_rate
    return _risk_chart(
        "Risk against coverage",
        series,
        "Share of wrong answers among those kept, when the lowest signals are refused first.",
        None if rate is None else (rate, "all answers"),
    )


def _risk_by_model(pairs: Pairs, family: str) -> Chart | None:
    series, label = [], ""
    for number, (run, result) in enumerate(pairs):
        signal = headline_of(result, family)
        if signal is not None:
            label = signal.label
            series.append(_risk_series(signal, run.label, number))
    caption = "Share of wrong answers among those kept."
    return _risk_chart(f"Risk against coverage: {label}", series, caption, None)


def _risk_series(signal: SignalResult, name: str, colour: int) -> Series:
    if signal.selective is None:
        return Series(name, (), ())
    x, y = signal.selective.coverage, signal.selective.risk
    hints = [f"risk {r:.3f} at coverage {c:.2f}" for c, r in zip(x, y, strict=True)]
    return Series(name, x, y, hints, colour=colour, dots=False)


def _risk_chart(
    title: str, series: list[Series], caption: str, reference: tuple[float, str] | None
) -> Chart | None:
    ceiling = max((v for s in series for v in s.y if v is not None), default=0.0)
    ceiling = max(ceiling, reference[0] if reference else 0.0)
    top = min(1.0, math.ceil(ceiling * 10 + 0.2) / 10)
    return chart(
        title,
        series,
        x_label=COVERAGE,
        y_label=RISK,
        caption=caption,
        x_range=(0, 1),
        y_range=(0, top),
        reference=reference,
    )


def _reliability(signal: CalibratedSignal) -> Chart | None:
    bins = signal.bins
    rows = [
        (stated, share, count)
        for stated, share, count in zip(bins.mean_prob, bins.accuracy, bins.count, strict=True)
        if stated is not None and share is not None
    ]
    most = max((count for *_, count in rows), default=0)
    points = Series(
        signal.label,
        [stated for stated, *_ in rows],
        [share for _, share, _ in rows],
        [f"stated {p:.2f}, right {share:.2f}, n {count}" for p, share, count in rows],
        sizes=[count / most for *_, count in rows],
    )
    figures = [
        ("Brier skill", signal.brier_skill.value),
        ("debiased ECE", signal.ece.value),
        ("its noise floor", signal.ece_floor),
    ]
    stated = [f"{name} {value:.3f}" for name, value in figures if value is not None]
    caption = [METHODS.get(signal.method, signal.method)]
    caption += [f"{', '.join(stated)}."] if stated else []
    caption.append("The larger a point, the more answers; on the diagonal they are calibrated.")
    return chart(
        f"Reliability: {signal.label}",
        [points],
        x_label="stated probability",
        y_label="share right",
        caption=" ".join(caption),
        x_range=(0, 1),
        y_range=(0, 1),
        diagonal=True,
    )


def _agreement_by_k(pairs: Pairs, title: str) -> Chart | None:
    series = []
    for number, (run, result) in enumerate(pairs):
        consistency = result.card.consistency
        if consistency is not None:
            ks, estimates = zip(*consistency.at_k, strict=True) if consistency.at_k else ((), ())
            series.append(_estimates(run.label, ks, estimates, number, "k"))
    return chart(
        title,
        series,
        x_label="samples k",
        y_label="AUROC",
        caption="Had only k of the samples been drawn: mean of the AUROC over all ways to pick k; "
        "band: 95 % interval.",
        whole_x=True,
        reference=(0.5, "chance"),
    )


def _estimates(
    name: str, x: Sequence[float], estimates: Sequence[Estimate], colour: int, what: str
) -> Series:
    hints = [
        ""
        if e.value is None
        else f"{what} {at:g}: {e.value:.3f}"
        + ("" if e.low is None or e.high is None else f" [{e.low:.3f}, {e.high:.3f}]")
        for at, e in zip(x, estimates, strict=True)
    ]
    values, lows, highs = ([getattr(e, f) for e in estimates] for f in ("value", "low", "high"))
    return Series(name, x, values, hints, lows, highs, colour=colour)


def _probe_by_layer(pairs: Pairs, title: str) -> Chart | None:
    series = []
    for number, (run, result) in enumerate(pairs):
        probe = run.manifest.probe.get(result.task, {})
        values = probe.get("probe", probe).get("auroc_by_layer") or []
        hints = [
            f"layer {i}: {'–' if v is None else format(v, '.3f')}" for i, v in enumerate(values)
        ]
        series.append(Series(run.label, range(len(values)), values, hints, colour=number))
    return chart(
        title,
        series,
        x_label="layer (0: embeddings)",
        y_label="AUROC",
        caption="Out-of-fold, each layer by itself. Not a choice of layer: that is made inside the "
        "training folds.",
        whole_x=True,
        reference=(0.5, "chance"),
    )


def _layers(profile: LayerProfile) -> Chart | None:
    curves = [("right answers", profile.right, False), ("wrong answers", profile.wrong, True)]
    first = profile.quantity.first
    series = [
        _curve(f"{name} (n {curve.n})", curve, first, int(dashed), dashed=dashed)
        for name, curve, dashed in curves
        if curve is not None
    ]
    caption = "Mean, and band from the first to the third quartile."
    if profile.n_missing:
        caption += f" {profile.n_missing} answers have none."
    if profile.quantity.oracle:
        caption += " Needs the true answer."
    mark = " (oracle)" if profile.quantity.oracle else ""
    return chart(
        profile.label + mark,
        series,
        x_label="layer (0: embeddings)" if first == 0 else "layer",
        y_label=profile.quantity.unit,
        caption=caption,
        whole_x=True,
    )


def _branches(profiles: Sequence[LayerProfile]) -> Chart | None:
    """What MLP and attention of each layer add to the last margin, and the share of the MLPs."""
    found = {profile.name: profile for profile in profiles if profile.name in BRANCHES}
    if len(found) < len(BRANCHES):
        return None
    series, shares = [], []
    for wrong, kind in enumerate(("right", "wrong")):
        curves = [getattr(found[name], kind) for name in BRANCHES]
        for colour, (part, curve) in enumerate(zip(("MLP", "attention"), curves, strict=True)):
            if curve is not None:
                name = f"{part}, {kind} answers"
                series.append(_curve(name, curve, 1, 2 + colour, dashed=bool(wrong), band=False))
        if None not in curves:
            shares.append(f"{_share(*curves)} ({kind} answers)")
    caption = "Direct logit attribution, the final norm's scale frozen; means."
    if shares:
        caption += f" Share of the MLPs in the growth: {', '.join(shares)}."
    return chart(
        "Added to the margin of the given answer",
        series,
        x_label="layer",
        y_label="logits",
        caption=caption,
        whole_x=True,
        reference=(0.0, ""),
    )


def _share(mlp: Curve, attention: Curve) -> str:
    try:
        return f"{100 * mlp_share(mlp.values, attention.values):.0f} %"
    except UndefinedMetricError as undefined:
        return f"undefined, {undefined}"


def _curve(
    name: str, curve: Curve, first: int, colour: int, *, dashed: bool, band: bool = True
) -> Series:
    x = range(first, first + len(curve.values))
    hints = [f"layer {at}: {value:.4g}" for at, value in zip(x, curve.values, strict=True)]
    low, high = (curve.low, curve.high) if band else ((), ())
    return Series(name, x, curve.values, hints, low, high, colour=colour, dashed=dashed)
