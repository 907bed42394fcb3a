"""What every intervention declares."""

import pytest

from leaderboard.runs.sweep_words import SILENT
from metrics.record.interventions import InterventionWords
from vrp_tasks.interventions.kinds import INTERVENTIONS
from vrp_tasks.interventions.settings import SweepSettings


@pytest.mark.parametrize("name", INTERVENTIONS)
def test_words_cover_every_variant_and_survive_a_manifest(name):
    own = INTERVENTIONS[name]
    words = own.words
    assert InterventionWords.from_json(words.to_json(), f"words.{name}") == words
    for layer in own.layers(SweepSettings(), (4,)):
        variants = list(own.variants(SweepSettings(pixel_fills=("mean", "blur")), layer))
        assert variants
        for variant in variants:
            assert variant.intervention == name
            assert variant.choice in (*words.choices, "all")
            assert not words.fills or variant.fill in words.fills
    assert (own.site or "") == words.units
    assert own.does


def test_folders_that_say_nothing_are_called_the_same():
    """So a run of before and one of today stand in the same rows."""
    assert {name: INTERVENTIONS[name].words for name in SILENT} == SILENT
