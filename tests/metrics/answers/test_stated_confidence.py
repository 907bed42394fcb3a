"""What can be read of a stated confidence, and what cannot."""

import math

import pytest

from metrics.answers.stated_confidence import stated_confidence


@pytest.mark.parametrize(
    ("text", "share"),
    [
        *(
            ("85", 0.85),
            ("85%", 0.85),
            (" 85 %.", 0.85),
            ("**90**", 0.9),
            ("100%!", 1.0),
            ("0", 0.0),
        ),
        *(("0.85", 0.85), (".85", 0.85), ("1.0", 1.0), ("1", 0.01), ("0.5 %", 0.005)),
        *(("85/100", 0.85), ("8 out of 10", 0.8), ("about 95 % (95/100)", 0.95)),
        *(("80-90%", 0.85), ("80 to 90", 0.85), ("between 80% and 90%", 0.85), ("0.8–0.9", 0.85)),
        *(("I am 90% sure there are 2 dogs", 0.9), ("2 to 3 dogs, 80%", 0.8), ("85,5%", 0.855)),
        *(("Confidence (0-100): 90", 0.9), ("on a scale of 0 to 1: 0.7", 0.7)),
        *(("85 percent", 0.85), ("90\n\nUSER: and you?", 0.9)),
    ],
)
def test_a_confidence_is_read_in_the_forms_that_models_state_it_in(text, share):
    assert math.isclose(stated_confidence(text), share)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "yes",
            "very sure",
            "-5",
            "101",
            "1,000",
            "3.14.15",
            "7e3",
            "1/0",
            "0-100",
            "9" * 5000,
        ),
        *("2 dogs, 90", "70% or 80%", "Qwen2", "three", "12/10"),
    ],
)
def test_what_is_no_confidence_is_not_guessed(text):
    assert stated_confidence(text) is None


def test_what_is_no_text_is_refused():
    with pytest.raises(ValueError, match="stated_confidence"):
        stated_confidence(85)
