"""Rows of the table, and the settings of a task."""

import numpy as np
import pytest

from metrics.maps.attention import spatial_entropy
from metrics.record.records import GROUNDING_FILE, GROUNDING_MAPS, REGION_MAP, TABLES
from vrp_tasks.errors import SetupError
from vrp_tasks.grounding.maps import GroundingMaps
from vrp_tasks.grounding.rows import grounding_rows, lost_rows
from vrp_tasks.grounding.settings import GroundingSettings, question_in, regions_of

IDENTITY = {"task": "t", "split": "test", "doc_id": "3", "group": "g", "correct": 1}


def planted():
    """Everything in one cell, and a region that holds half of it."""
    found = GroundingMaps()
    one = np.zeros((4, 5))
    one[1, 2] = 1.0
    found.maps["attention.answer"] = one
    found.lack("attention.prompt", "because")
    region = np.zeros((4, 5))
    region[1, 2] = 0.5
    return found, region


def by_map(rows):
    assert all(set(row) == set(TABLES[GROUNDING_FILE]) for row in rows)
    return {row["map"]: row for row in rows}


def test_a_planted_map_is_scored_exactly():
    found, region = planted()
    rows = by_map(grounding_rows(IDENTITY, found, region, (4, 5), keep_cells=False))
    assert list(rows) == list(GROUNDING_MAPS)
    answer = rows["attention.answer"]
    assert (answer["pointing"], answer["mass"], answer["peak_iou"]) == (0.5, 0.5, 0.5)
    assert answer["spatial_entropy"] == -spatial_entropy(found.maps["attention.answer"])
    assert answer["reason"] is None
    assert answer["region_share"] == pytest.approx(0.025)
    assert rows["uniform"]["mass"] == pytest.approx(0.025)
    assert rows["uniform"]["pointing"] == pytest.approx(0.025)
    assert rows["attention.prompt.filtered"]["reason"] == "because"
    assert rows["attention.prompt"]["mass"] is None
    assert rows["activation.answer"]["reason"] == "the map was not captured"
    assert all(row["cells"] is None for row in rows.values())


def test_without_a_region_entropy_stays_and_the_rest_says_why():
    found, _ = planted()
    rows = by_map(grounding_rows(IDENTITY, found, "no region", (4, 5), keep_cells=False))
    assert rows["attention.answer"]["spatial_entropy"] == pytest.approx(0, abs=1e-8)
    for name in ("attention.answer", "uniform", "center"):
        assert rows[name]["mass"] is rows[name]["region_share"] is None
        assert rows[name]["reason"] == "no region"


def test_kept_cells_are_the_map_and_the_region():
    found, region = planted()
    found.maps["attention.answer"][0, 0] = 0.5
    rows = by_map(grounding_rows(IDENTITY, found, region, (4, 5), keep_cells=True))
    assert list(rows["attention.answer"]["cells"])[:8] == [128, 0, 0, 0, 0, 0, 0, 255]
    assert max(rows[REGION_MAP]["cells"]) == 128
    assert rows[REGION_MAP]["region_share"] == pytest.approx(0.025)
    assert rows["uniform"]["cells"] is None


def test_lost_maps_are_null_with_the_reason():
    rows = by_map(lost_rows(IDENTITY, "stopped"))
    assert {row["mass"] for row in rows.values()} == {None}
    assert rows["attention.answer"]["reason"] == "stopped"


def test_settings():
    assert GroundingSettings.of(True, task="t") == GroundingSettings()
    assert GroundingSettings.of({"occlusion": False}, task="t").occlusion is False
    for odd, message in (
        ({"word": "x"}, "t: grounding has no setting word"),
        ({"words": "a(b"}, "no regular expression"),
        ({"words": 3}, "no regular expression"),
        ({"words": "ab"}, "must have one group, it has 0"),
        ("yes", "grounding must be true or a mapping of settings, got 'yes'"),
        ({"occlusion": "no"}, "occlusion must be true or false, got 'no'"),
        ({"examples": "many"}, "examples must be an integer >= 0, got 'many'"),
        ({"seed": -1}, "seed must be an integer >= 0, got -1"),
    ):
        with pytest.raises(SetupError, match=message):
            GroundingSettings.of(odd, task="t")


def test_regions_are_named_by_a_path():
    assert regions_of({}, task="t") is None
    found = regions_of({"regions": "vrp_tasks.tasks.shapes.docs:region"}, task="t")
    assert found({"evidence": []}) is None
    for path in ("nowhere:f", "vrp_tasks.tasks.shapes.docs:nothing", "docs", ""):
        with pytest.raises(SetupError, match="t: regions names"):
            regions_of({"regions": path}, task="t")


def test_the_part_of_a_prompt_that_counts():
    prompts = {"pre_prompt": "Look. ", "post_prompt": "\nAnswer with one word."}
    plain = GroundingSettings()
    assert question_in("Look. Is it red?\nAnswer with one word.", plain, prompts) == "Is it red?"
    assert question_in("Is it red?", plain, {"post_prompt": None}) == "Is it red?"
    pattern = GroundingSettings(words='describes "(.*)"')
    assert question_in('Find what describes "a red\ncat" now', pattern, prompts) == "a red\ncat"
    assert question_in("Find it", pattern, prompts) == ""
