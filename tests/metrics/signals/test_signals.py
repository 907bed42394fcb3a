import numpy as np
import pytest

from metrics.card.of_records import STATED
from metrics.signals import BY_NAME
from metrics.signals.declaration import SURE

# what the model says of its answer when it is asked
ASKED = (
    *("p_true", "p_true_share", "p_true_with_samples"),
    *("stated_confidence_in_turn", "stated_confidence", "self_probing"),
)
COMPARED = ("answer_agreement_entailment", "answer_agreement_embeddings")


def test_which_signals_state_a_probability():
    assert {name: s.states for name, s in BY_NAME.items() if s.states} == {
        "token_confidence": "log-probability",
        "sequence_log_probability": "log-probability",
        "min_token_confidence": "log-probability",
        "first_token_probability": "probability",
        "loaded_probe": "probability",
        "answer_agreement": "share",
        **dict.fromkeys(ASKED, "probability"),
        **dict.fromkeys(COMPARED, "share"),
    }
    assert set(STATED) == {
        "first_token_probability",
        "answer_agreement",
        "loaded_probe",
        *ASKED,
        *COMPARED,
    }


def test_a_probability_and_its_logarithm_say_the_same():
    p = np.array([1e-4, 0.2, 0.5, 0.9, 1 - 1e-6])
    confidence, first = BY_NAME["token_confidence"], BY_NAME["first_token_probability"]
    assert confidence.probability(np.log(p)) == pytest.approx(p)
    assert first.probability(p) == pytest.approx(p)
    expected = np.log(p) - np.log1p(-p)
    assert confidence.odds(np.log(p)) == pytest.approx(expected)
    assert first.odds(p) == pytest.approx(expected)


def test_the_ends_are_finite_and_rounding_past_them_is_taken_back():
    assert BY_NAME["token_confidence"].odds(np.array([-np.inf, -1e300, 0.0, 1e-9])).tolist() == [
        -SURE, -SURE, SURE, SURE,
    ]  # fmt: skip
    first = BY_NAME["first_token_probability"]
    assert first.odds(np.array([0.0, 1.0, 1 + 1e-7])).tolist() == [-SURE, SURE, SURE]
    assert first.probability(np.array([1 + 1e-7])).tolist() == [1.0]
    # no last digits are lost close to 1
    assert BY_NAME["token_confidence"].odds(np.array([-1e-6])) == pytest.approx(np.log(1e6))


@pytest.mark.parametrize("name", ["answer_agreement", "spatial_entropy", "probe"])
def test_other_scores_stay_as_they_are(name):
    values = np.array([-3.0, 0.0, 0.1, 1.0])
    assert BY_NAME[name].odds(values) is values
