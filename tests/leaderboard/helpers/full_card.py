"""A board whose one run has everything that a card and a manifest can say, figures by hand."""

from __future__ import annotations

from dataclasses import replace

from leaderboard.results.aggregate import Board
from leaderboard.results.profiles import Curve, LayerProfile
from metrics.calibration.reliability import reliability_bins
from metrics.card.card import CalibratedSignal, ConsistencyCard, Fusion, Selective
from tests.leaderboard.helpers.cards import SIGNALS, common_of, estimate, make_board, signal

BINS = reliability_bins([0, 1, 1], [0.2, 0.4, 0.9], n_bins=2)
SELECTIVE = Selective(
    aurc=estimate(0.2),
    e_aurc=estimate(0.1),
    augrc=estimate(0.125),
    prr=estimate(0.5),
    accuracy_at_80=estimate(0.75),
    accuracy_at_90=estimate(0.725),
    coverage=(0.5, 1.0),
    risk=(0.1, 0.3),
    reached_80=0.9,
    reached_90=0.905,
)
MANIFEST = {
    "probe": {
        "shapes": {
            "probe": {"layer_per_fold": [1, 2]},
            "leakage": {
                "row_split": 0.82,
                "row_split_sd": 0.01,
                "grouped_split": 0.61,
                "grouped_split_mean": 0.609,
                "grouped_split_sd": 0.02,
                "difference": 0.211,
                "difference_sd": 0.022,
                "n_repeats": 20,
                "line": "…",
            },
            "shuffled_label_aurocs": [0.48, 0.52, 0.53],
            "paper": {
                "auroc": 0.91,
                "auroc_sd": 0.03,
                "n_splits": 20,
                "layer": 3,
                "note": "for comparison only",
            },
        }
    },
    "fits": {
        "shapes:probe": {
            "repeats": 20,
            "stderr": 0.02,
            "stderr_within_kind": 0.03,
            "stderr_within_answer": 0.03,
            "p": 0.25,
        }
    },
    "transfer": {
        "tasks": ["shapes", "pope"],
        "auroc": [[0.8, None], [0.55, 0.7]],
        "reasons": {"shapes → pope": "one class only on pope"},
    },
}


def calibrated(name: str = "token_confidence", reason: str | None = None) -> CalibratedSignal:
    figures = [estimate(None if reason else v, 0.01) for v in (0.2, 0.1, 0.04, 0.05)]
    bare = [None if reason else v for v in (0.06, 0.03, 0.0123)]
    label = name.replace("_", " ")
    n = 0 if reason else 200
    return CalibratedSignal(
        name, label, "platt", *figures, *bare, reason, BINS, BINS, n, reason
    )  # fmt: skip


def fused(reason: str | None = None) -> Fusion:
    made = signal("fusion", 0.92, 0.85, n=190, family="fusion", access="deployable")
    result = replace(made, selective=SELECTIVE)
    return Fusion(
        name="fusion",
        label="all signals",
        members=("token_confidence", "self_consistency"),
        weights=(0.5, -0.25),
        weight_spread=(0.1, 0.05),
        result=result,
        n_dropped=10,
        reason=reason,
        left_out=(("spatial_entropy", "INVALID"),),
    )


def curve(*values: float, n: int) -> Curve:
    return Curve(values, values, values, n)


PROFILES = (
    LayerProfile("answer_margin", curve(0, 0, 4, 3, n=30), curve(0, 0, 0, 1, n=10), 0),
    LayerProfile("truth_margin", curve(0, 1, 2, 3, n=40), None, 0),
    LayerProfile("margin_from_mlp", curve(1, 1, 1, n=40), None, 0),
    LayerProfile("margin_from_attention", curve(0, 1, 0, n=40), None, 0),
)


def full_board(label: str = "m", **card) -> Board:
    board = make_board(label)
    (run,), (result,) = board.runs, board.runs[0].tasks
    signals = tuple(s if s.invalid else replace(s, selective=SELECTIVE) for s in SIGNALS)
    fields = {
        "signals": signals,
        "probabilities": (calibrated(), calibrated("probe", "one class only")),
        "fusion": (fused(),),
        "consistency": ConsistencyCard(
            ((2, estimate(0.6)), (10, estimate(0.7))), estimate(0.9), 120
        ),
    }
    fusions = [f.result for f in (fields | card)["fusion"] if f.reason is None]
    fields["common"] = common_of(*(fields | card)["signals"], *fusions)
    result = replace(result, card=replace(result.card, **fields | card), profiles=PROFILES)
    manifest = replace(run.manifest, **MANIFEST)
    return replace(board, runs=(replace(run, manifest=manifest, tasks=(result,)),))
