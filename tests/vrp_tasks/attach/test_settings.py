"""Keys of metadata.vrp: mistakes are named before anything runs."""

import pytest

from metrics.answers.normal_form import normalize_answer
from vrp_tasks.attach.settings import attach_settings, column_reader
from vrp_tasks.errors import SetupError


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"scroe": "acc"}, "unknown key 'scroe'. Did you mean score"),
        ({"colour": 1}, "unknown key 'colour'. Known: base, score"),
        ({"threshold": 0}, r"threshold must be a number in \(0, 1\], got 0"),
        ({"threshold": True}, "threshold must be a number"),
        ({"parser": "letters"}, "parser must be one of yes_no, got 'letters'"),
        ({"score": False}, "score must be text, or several, got False"),
        ({"kind": 3}, "kind must be text, got 3"),
        ({"aggregate": "no"}, "aggregate must be true or false, got 'no'"),
        ({"label": "mine"}, "label must be one of stock, parser, repope, got 'mine'"),
        ({"label": "parser"}, "label: parser needs parser: yes_no"),
        ({"group": "no.such:place"}, "no function no.such:place"),
        (
            {"normalize": "metrics:nothing"},
            "no function metrics:nothing",
        ),
    ],
)
def test_a_mistake_is_one_clear_line(keys, message):
    with pytest.raises(SetupError, match=message) as error:
        attach_settings("vrp_mine", {"base": "mine", **keys})
    assert str(error.value).startswith("task vrp_mine: ")
    assert "\n" not in str(error.value)


def test_defaults_and_keys_of_others():
    settings = attach_settings("vrp_mine", {"base": "mine", "robustness": True})
    assert settings.threshold == 0.5
    assert settings.normalizer is normalize_answer
    assert settings.others == {"robustness": True}


def test_columns_and_functions_read_documents():
    assert column_reader("image_id")({"image_id": 7}) == 7
    assert column_reader("metrics.answers.normal_form:normalize_answer")("The Cat.") == "cat"
