from dataclasses import replace
from pathlib import Path

import pytest

from leaderboard.report.browser import TOO_MANY, album_of, shelf_of
from leaderboard.results.aggregate import Board, RunResult, TaskResult
from leaderboard.runs.images import HeatMap, Picture
from leaderboard.runs.samples import Example, Showcase, SignalValue
from tests.leaderboard.helpers.cards import make_card
from tests.leaderboard.helpers.golden import make_manifest, make_records

NO_MAP = HeatMap.absent("no map was kept")
MAP = HeatMap(2, 2, (31, 0, 10, 5), 0.5, None)
SCORE = SignalValue("token_confidence", "token confidence", "deployable", True, -0.5, 0.9, "")
OTHER = SignalValue("cluster_count", "−C_k", "deployable", False, None, None, "no map")


def example(jpeg: str, *, heat: HeatMap = NO_MAP) -> Example:
    picture = Picture(jpeg, 20, 20) if jpeg else Picture.absent("none was kept")
    return Example("t/s/0", "g", "k", "q", "a", "b", (("a", 10),), (SCORE, OTHER), picture, heat)


def board_of(*sides: tuple[str, ...]) -> Board:
    manifest = make_manifest(make_records(4))
    runs = []
    for number, side in enumerate(sides):
        showcase = Showcase("token_confidence", "token confidence", tuple(map(example, side)), ())
        result = TaskResult("shapes", ("all",), make_card(), showcase=showcase)
        runs.append(RunResult(f"m{number}", Path("out"), manifest, (result,)))
    return Board(tuple(runs))


def test_models_share_a_picture():
    album = album_of(board_of(("aa", "bb"), ("bb", "", "aa")))
    assert sorted(album.ids) == ["aa", "bb"]
    assert sorted(album.ids.values()) == ["picture-0", "picture-1"]
    assert album.n_left_out == 0


def test_every_run_keeps_its_first_pictures_when_there_is_no_room_for_all():
    album = album_of(board_of(("a1", "a2", "a3"), ("b1", "b2", "b3")), limit=8)
    assert list(album.ids) == ["a1", "b1", "a2", "b2"]
    assert album.n_left_out == 2


@pytest.mark.parametrize(
    ("jpeg", "heat", "absent"),
    [
        ("aa", MAP, ()),
        ("", MAP, ("No image: none was kept.",)),
        ("aa", NO_MAP, ("No attention map: no map was kept.",)),
        ("left out", MAP, (f"No image: {TOO_MANY}.",)),
        (
            "aa",
            replace(MAP, width=4, levels=MAP.levels * 2),
            ("No attention map: the run does not say which part of the image its grid covers.",),
        ),
    ],
)
def test_a_sample_shows_what_there_is_and_says_what_is_not(jpeg, heat, absent):
    album = album_of(board_of(("aa",)))
    shown = Showcase("token_confidence", "token confidence", (example(jpeg, heat=heat),), ())
    shelf = shelf_of("m", shown, album)
    (view,) = shelf.confident_errors
    assert view.absent == absent
    assert bool(view.picture_id) == (jpeg == "aa")
    assert view.score.value == -0.5
    assert [s.name for s in view.headline] == ["token_confidence"]
    assert [s.name for s in view.others] == ["cluster_count"]
    (name,) = shelf.names
    assert name.startswith(view.others[0].label)
    number, *told = shelf.lines(view).split("\t")
    assert number == str(shelf.names[name])
    assert len(told) == (1 if view.others[0].value is None else 2)


def test_a_map_alone_fills_its_own_figure():
    shown = Showcase("token_confidence", "token confidence", (), (example("", heat=MAP),))
    (view,) = shelf_of("m", shown, album_of(board_of(()))).doubted_right
    assert (view.width, view.height) == (view.overlay.width, view.overlay.height) == (2.0, 2.0)
    assert "50 % of the attention to the image (even: 25 %)" in view.overlay.text
