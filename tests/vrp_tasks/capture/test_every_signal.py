"""Every captured signal, sign and layer included, from numbers written by hand.

A signal that is declared and not recomputed here fails by name: give it a formula in
`plain_signals`. `test_every_signal_eager` does the same from a model's own attention and states.
"""

from dataclasses import replace

import numpy as np
import pytest

from metrics.signals import BOUNDS, BY_NAME
from tests.vrp_tasks.helpers.plain_further_signals import ASKED_FOR
from tests.vrp_tasks.helpers.plain_signals import (
    FITTED_ON_LABELS,
    FORMULAS,
    KEPT,
    Probe,
    Seen,
    layer_maps,
    layer_weights,
    margins,
    probabilities,
    step_entropies,
    token_logprobs,
    top_heads_map,
    top_two,
)
from tests.vrp_tasks.helpers.produced_signals import produced
from vrp_tasks.capture import Captured

GRID = (7, 9)
# thousandths of the attention of the last prompt token, by layer and head
PICTURES = """
000000000 111111111 | 000010000 002000000 | 010000040 000000000 | 100000000 300000002
035000080 122111171 | 047000000 038000000 | 069000050 088000000 | 056000070 024000080
046000000 112311111 | 039000000 047000000 | 078000000 097000000 | 048000000 035000020
000000000 111111111 | 000000000 000001000 | 000000000 000000000 | 000030000 000000000
000000000 141111111 | 000030000 000000000 | 000000000 001000000 | 000000000 000200000
000000540 111112311 | 000000670 000000450 | 000000890 000000770 | 000000240 000000650
000000300 111111411 | 100000500 000000860 | 000000700 000000980 | 002000500 010000400
"""
N_LAYERS, N_HEADS = 4, 2
SINKS = (((1, 1),), (), ((1, 1), (5, 7)), ((1, 2),))  # row and column, by layer
# by answer token; the words are yes, no, two, red, blue
DISTRIBUTIONS = ((0.50, 0.25, 0.15, 0.08, 0.02), (0.15, 0.10, 0.45, 0.10, 0.20))
TOKENS = (0, 4)  # the second is not the likeliest one
LENS = (  # embeddings first
    (0.2, 0.4, -0.2, 0.3, 0.0),
    (1.5, 0.9, 0.4, -1.0, 0.2),
    (0.7, 2.9, 0.3, 0.1, -0.5),
    (2.0, 1.2, 2.6, 0.2, 0.3),
    (3.1, 2.4, 1.7, 1.1, -0.4),
)
TRUTH = (2, 3)
CONTRIBUTIONS = ((0.9, -2.0), (0.1, 0.2), (-0.3, 1.3), (0.4, -1.1))
SAMPLES = (
    *("no", "yes", "no", "two red", "no"),
    *("yes", "yes two", "no", "two red", "yes"),
)
STATE = ((0.2, -0.1, 0.4), (1.0, 0.5, -0.3), (-0.7, 1.2, 0.6), (0.3, 0.8, -1.1), (2.0, 0.1, 0.9))
PROBE = Probe(
    layer=2,
    mean=(0.1, 0.2, -0.3),
    inverse_scale=(2.0, 0.5, 1.5),
    weight=(0.6, -0.4, 0.3),
    intercept=0.25,
    slope=0.8,
    offset=-0.1,
)


def pictures():
    """[layer][head], thousandths of each cell, row by row."""
    lines = [line.split("|") for line in PICTURES.strip().splitlines()]
    blocks = [[line[layer].split() for line in lines] for layer in range(N_LAYERS)]
    return [
        [[int(digit) for row in block for digit in row[head]] for head in range(N_HEADS)]
        for block in blocks
    ]


def rows():
    """The second position sees the same, less sharply, and gives the image more in all.

    So does the first layer.
    """
    return [
        [[[c / unit for c in own], [(c + 1) / unit for c in own]] for own in layer]
        for layer, unit in zip(pictures(), (900, 1000, 1000, 1000), strict=True)
    ]


def sinks():
    width = GRID[1]
    return [[divmod(i, width) in own for i in range(GRID[0] * width)] for own in SINKS]


SEEN = Seen(
    grid=GRID,
    rows=rows(),
    sinks=sinks(),
    logits=[[float(np.log(p)) for p in step] for step in DISTRIBUTIONS],
    tokens=TOKENS,
    lens=LENS,
    truth=TRUTH,
    contributions=CONTRIBUTIONS,
    top_heads=3,
    samples=SAMPLES,
    answer="yes",
    state=STATE,
    probe=PROBE,
)


def captured_of(seen: Seen) -> Captured:
    """What the capture hands on of such an answer."""

    def array(values):
        return np.array(values, dtype=np.float32)

    return Captured(
        tokens=list(seen.tokens),
        sampled_tokens=[],
        logprobs=array(token_logprobs(seen)),
        entropies=array(step_entropies(seen)),
        first_probabilities=array(top_two(seen)),
        maps=array(layer_maps(seen)),
        image_mass=array([sum(own) for own in layer_weights(seen)]),
        grid=seen.grid,
        hidden={"last_prompt": array(seen.state)},
        extra={
            "answer_margin": array(margins(seen, [seen.tokens[0]])),
            "truth_margin": array(margins(seen, seen.truth)),
            "top_heads_map": array(top_heads_map(seen)),
            "sinks": np.array(seen.sinks),
            "update_norm": np.ones(len(seen.sinks)),
            "margin_from_attention": np.zeros(len(seen.sinks)),
            "margin_from_mlp": np.zeros(len(seen.sinks)),
        },
    )


def signals_of(seen: Seen):
    found, missing = produced(
        captured_of(seen), answer=seen.answer, samples=list(seen.samples), probe=seen.probe
    )
    assert missing == {}
    return found


def uncovered(declared):
    return sorted(set(declared) - set(FORMULAS) - FITTED_ON_LABELS - set(ASKED_FOR) - KEPT)


def test_every_declared_signal_is_recomputed():
    assert uncovered(BY_NAME) == []
    assert set(BY_NAME) == set(FORMULAS) | FITTED_ON_LABELS | set(ASKED_FOR) | KEPT


def test_a_declared_signal_without_a_formula_is_named():
    assert uncovered([*BY_NAME, "a_new_signal"]) == ["a_new_signal"]


def test_what_is_captured_is_what_is_recomputed():
    """So that no captured signal can pass as fitted on labels."""
    assert set(signals_of(SEEN)) == set(FORMULAS)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_signal_is_its_formula_on_hand_written_numbers(name):
    value = signals_of(SEEN)[name]
    assert value == pytest.approx(FORMULAS[name](SEEN), rel=1e-6, abs=1e-7)
    low, high = BOUNDS[name]
    assert low <= value <= high


@pytest.mark.parametrize("name", FORMULAS)
def test_the_numbers_can_tell_one_signal_from_another(name):
    """A flipped sign, or another signal's value in its place, would be seen."""
    values = {other: formula(SEEN) for other, formula in FORMULAS.items()}
    own = values.pop(name)
    assert abs(own) > 1e-3
    assert all(abs(abs(own) - abs(other)) > 1e-3 for other in values.values())


# worked out by hand from the numbers above
BY_HAND = {
    "cluster_count": -2,
    "component_count": -3,
    "cluster_count_top_heads": -1,
    "token_confidence": (np.log(0.5) + np.log(0.2)) / 2,
    "min_token_confidence": np.log(0.2),
    "first_token_probability": 0.50,
    "first_token_margin": 0.25,
    "self_consistency": 0.4,  # no, four of ten
    "answer_agreement": 0.3,
    "pairwise_agreement": (6 + 3 + 1) / 45,
    "distinct_answers": -4,
    "sequence_log_probability": np.log(0.5 * 0.2),
    "degree": (3 + 2 / 3) / 10,  # three are "yes", one is "yes two"
    "lexical_similarity": (6 + 3 + 1 + 3 * 2 / 3 + 2 * 1 / 2) / 45,
    "cocoa_msp": -0.9 * (10 - 3 - 2 / 3) / 10,
    "answer_margin": 3.1 - 2.4,
    "answer_margin_mean": (-0.2 + 0.6 - 2.2 - 0.6 + 0.7) / 5,
    "truth_margin": 1.7 - 3.1,
    "truth_margin_peak": 2.6 - 2.0,
}


@pytest.mark.parametrize("name", BY_HAND)
def test_the_formulas_give_what_was_worked_out_by_hand(name):
    assert FORMULAS[name](SEEN) == pytest.approx(BY_HAND[name])


def sharper(seen):
    """The same answer with all attention of the last layer on fewer cells."""
    last = [[[w**3 for w in row] for row in head] for head in seen.rows[-1]]
    return replace(seen, rows=[*seen.rows[:-1], last])


def test_orientation_of_the_attention_signals():
    """Sharper attention is more, as the method orients it."""
    before, after = signals_of(SEEN), signals_of(sharper(SEEN))
    for name in ("spatial_entropy", "spatial_entropy_normalized", "entropy_evolution",
                 "final_diffusion", "spatial_entropy_without_sinks"):  # fmt: skip
        assert after[name] > before[name]


def test_the_probabilities_are_those_written_down():
    for logits, step in zip(SEEN.logits, DISTRIBUTIONS, strict=True):
        assert probabilities(logits) == pytest.approx(step)
