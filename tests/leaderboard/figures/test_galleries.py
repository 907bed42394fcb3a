import re
from dataclasses import replace

import pytest

from leaderboard.figures.galleries import Gallery, gallery_view, grounding_galleries
from leaderboard.report.browser import album_of
from leaderboard.report.html import make_environment, to_html
from leaderboard.results.aggregate import Board
from leaderboard.results.overlays import Look, Overlay
from leaderboard.runs.images import Picture
from tests.leaderboard.helpers.cards import make_board
from tests.leaderboard.helpers.html_checker import check

HOSTILE = "</svg><script>alert(1)</script>\u202e"


class Kept:
    """As much of a `leaderboard.results.grounding.Grounding` as a gallery needs."""

    def __init__(self, *looks):
        self.looks = looks


def look(jpeg: str = "aaaa") -> Look:
    return Look(
        prompt=HOSTILE,
        answer=HOSTILE,
        target=HOSTILE,
        correct=0,
        picture=Picture(jpeg, 80, 40) if jpeg else Picture.absent("none was kept"),
        area=(20.0, 0.0, 40.0, 40.0),
        outline="M1 1h1M1 2h1M1 1v1M2 1v1",
        grid=(4, 8),
        overlays=(Overlay("attention.answer", "bbbb", "50 % inside, peak 1"),),
    )


def board_with(*looks: Look) -> Board:
    (run,) = make_board(HOSTILE).runs
    (result,) = run.tasks
    return Board((replace(run, tasks=(replace(result, grounding=Kept(*looks)),)),))


@pytest.mark.parametrize(
    ("held", "size", "to_area"),
    [
        # 8 columns on 40 pixels that begin at 20, 4 rows on 40 pixels
        ({"aaaa": "picture-7"}, (80, 40), "translate(20 0) scale(5 10)"),
        ({}, (8, 4), "translate(0 0) scale(1 1)"),
    ],
)
def test_cells_lie_on_the_part_of_the_picture_that_the_grid_covers(held, size, to_area):
    (view,) = gallery_view(Gallery("m", (look(),)), held).looks
    assert (view.width, view.height) == size
    assert view.to_area == to_area


def test_each_run_with_kept_maps_has_its_gallery_and_its_pictures_in_the_album():
    board = board_with(look(), look(""))
    (gallery,) = grounding_galleries(board, "shapes")
    assert len(gallery.looks) == 2
    assert list(album_of(board).ids) == ["aaaa"]
    assert grounding_galleries(make_board("m"), "shapes") == []
    assert grounding_galleries(board_with(), "shapes") == []


def test_a_gallery_is_valid_and_its_text_stays_text():
    view = gallery_view(Gallery(HOSTILE, (look(), look(""))), {"aaaa": "picture-0"})
    module = make_environment().get_template("samples.html.j2").module
    html = str(module.gallery(view))
    page = to_html(make_board("m")).replace("</main>", html + "</main>")
    page = page.replace("<defs>", '<defs><image id="picture-0"/>')
    checker = check(page)
    assert "\u202e" not in html
    assert html.count('class="region"') == 3  # region alone, one map, one map without picture
    assert "No image: none was kept." in "".join(checker.text)
    assert re.search(r"wrong,\s+reference", "".join(checker.text))
