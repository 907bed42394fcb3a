"""How a run asks for detectors that take passes of their own."""

import pytest

from vrp_tasks.capture.settings import EXTRAS
from vrp_tasks.errors import SetupError
from vrp_tasks.settings.run_settings import settings_of


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("ptrue", ("ptrue",)),
        ("blank+ptrue+verbalized+vauq+neurons+ccps+alternatives+perturb", tuple(EXTRAS)),
        ("[vauq, ptrue]", ("vauq", "ptrue")),
        (["ptrue", "vauq"], ("ptrue", "vauq")),
        ("PTrue+ptrue", ("ptrue",)),
        ("", ()),
        ("none", ()),
    ],
)
def test_names_are_joined_by_a_plus_or_stand_in_brackets(given, asked):
    settings = settings_of({"extra": given, "pretrained": "x"})
    assert settings.capture.extra == asked
    assert settings.capture.blank_image == ("blank" in asked)
    assert settings.described()["extra"] == list(asked)


def test_nothing_is_asked_for_by_default():
    assert settings_of({}).capture.extra == ()
    assert not settings_of({}).capture.blank_image
    assert settings_of({"blank_image": "true"}).capture.blank_image


def test_what_there_is_not_is_named_with_what_there_is():
    with pytest.raises(SetupError, match=r"extra=nosuch: .* blank, ptrue, verbalized, vauq, neur"):
        settings_of({"extra": "ptrue+nosuch"})
