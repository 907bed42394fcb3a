import numpy as np
import pytest

from metrics import UndefinedMetricError
from metrics.answers.candidates import NONE_GIVEN, candidate_masses
from metrics.record.channels import CandidateMasses
from metrics.signals import BY_NAME

MASSES = np.array([0.5, 0.2, 0.1, 0.05, *[0.01] * 8], np.float32)


def seen(given):
    return CandidateMasses(MASSES, np.array([given], np.int8))


def test_words_stand_against_each_other_and_letters_too():
    own, others = candidate_masses(MASSES, 0, n_words=2)
    assert (own, others.tolist()) == (pytest.approx(0.5), pytest.approx([0.2]))
    own, others = candidate_masses(MASSES, 3, n_words=2)
    assert own == pytest.approx(0.05)
    assert sorted(others) == pytest.approx([0.01] * 8 + [0.1])
    assert BY_NAME["candidate_margin"].compute(seen(3)) == pytest.approx(-0.05)
    assert BY_NAME["candidate_share"].compute(seen(1)) == pytest.approx(0.2 / 0.7)


def test_an_answer_that_is_no_candidate_and_one_that_stands_alone():
    with pytest.raises(UndefinedMetricError, match=NONE_GIVEN):
        candidate_masses(MASSES, -1, n_words=2)
    alone = np.array([0.5, np.nan, *[np.nan] * 10])
    with pytest.raises(UndefinedMetricError, match="no other"):
        candidate_masses(alone, 0, n_words=2)
