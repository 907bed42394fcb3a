"""Steps are told once before the first, and after each."""

import numpy as np

from metrics.card.card import evaluate_card
from metrics.core.steps import Steps


def test_every_step_is_told_after_it_is_done():
    told, work = [], []
    step = Steps(lambda done, of: told.append((done, of, len(work))), 3)
    for item in step.after_each("ab"):
        work.append(item)
    step()
    assert told == [(0, 3, 0), (1, 3, 1), (2, 3, 2), (3, 3, 2)]


def test_a_card_tells_all_of_its_steps():
    rng, told = np.random.default_rng(0), []
    correct = rng.random(60) < 0.6
    evaluate_card(
        correct=correct,
        groups=list(map(str, range(60))),
        kinds=["all"] * 60,
        signals={"probe": rng.random(60), "svar": rng.random(60)},
        rng=rng,
        progress=lambda done, of: told.append((done, of)),
    )
    assert told == [(done, 5) for done in range(6)]
