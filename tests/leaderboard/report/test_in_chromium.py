"""What only a browser can tell of the report: mouse, keyboard, colours, small screens."""

from dataclasses import replace

import pytest

from leaderboard.report.html import to_html
from leaderboard.results.aggregate import build_board
from leaderboard.runs.read import read_runs
from tests.leaderboard.helpers.chromium import Page, needs_chromium
from tests.leaderboard.helpers.golden import make_records, write_run
from tests.leaderboard.helpers.pictures import write_pictured_run

pytestmark = needs_chromium

HOSTILE = (
    "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
)
BY_LAYER = ".run svg.chart[aria-label*=' by layer.']"  # of right and of wrong answers


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    write_pictured_run(folder / "a", model={"name": "zero" + HOSTILE, "center_crop": 0.0})
    write_run(folder / "b", make_records(120, seed=1), model={"name": "other", "family": "x"})
    file = folder / "report.html"
    file.write_text(to_html(build_board(read_runs([folder]))), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Page(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(browser, file):
    browser.console.clear()
    browser.requests.clear()
    browser.show(width=1200, height=900)
    browser.open(file)
    yield browser
    assert browser.console == []
    assert [url for url in browser.requests if not url.startswith("data:")] == [file.as_uri()]
    assert browser.run("document.title") == "Reliability of vision-language models"


def rows(page: Page, table: str) -> list[str]:
    return page.run(
        f"[...document.querySelectorAll('#{table} tbody tr:not(.block)')]"
        ".filter((row) => !row.hidden).map((row) => row.cells[0].textContent.trim())"
    )


def tip(page: Page) -> str:
    """What the one tip says, or nothing."""
    return page.run("(({ hidden, textContent }) => hidden ? '' : textContent)(document.all.tip)")


def focus(page: Page, selector: str) -> None:
    """Focus as the keyboard would: the selector's element and no mouse before it."""
    page.press("Tab")
    page.run(f"document.querySelector({selector!r}).focus({{ focusVisible: true }})")


def test_a_column_is_sorted_by_mouse_and_keyboard(page):
    zero, other = rows(page, "overview")
    page.run("document.querySelector('#overview thead button').click()")
    assert rows(page, "overview") == [other, zero]
    assert page.run("document.querySelector('#overview th').ariaSort") == "ascending"
    focus(page, "#overview thead button")
    page.press("Enter")
    assert page.run("document.querySelector('#overview th').ariaSort") == "descending"
    page.press(" ")
    assert rows(page, "overview") == [zero, other]
    assert page.run("document.querySelector('#overview th').ariaSort") is None


def test_rows_stay_in_their_block_when_sorted(page):
    blocks = (
        "[...document.querySelectorAll('#card-run-0-0 tbody')].map((body) =>"
        " [...body.rows].filter((row) => !row.matches('.block')).map((row) =>"
        " row.cells[1].matches('.undefined, .invalid') ? null : Number(row.cells[1].dataset.sort)))"
    )
    before = page.run(blocks)
    page.run("document.querySelectorAll('#card-run-0-0 thead button')[1].click()")
    after = page.run(blocks)
    assert [sorted(filter(None, block), reverse=True) for block in before] == [
        list(filter(None, block)) for block in after
    ]
    first = (
        "[...document.querySelectorAll('#card-run-0-0 .block')].every((h) => !h.sectionRowIndex)"
    )
    assert page.run(first)


def test_a_filter_hides_rows_and_headings_and_says_how_many_are_left(page):
    n_all = len(rows(page, "signals-0"))
    focus(page, "input[data-filter='signals-0']")
    page.call("Input.insertText", text="CONFID")
    assert rows(page, "signals-0") == ["token confidence"]
    assert page.run("document.querySelector('[data-count=signals-0]').value") == f"1 of {n_all}"
    headings = "[...document.querySelectorAll('#signals-0 .block')].filter((h) => !h.hidden).length"
    assert page.run(headings) == 1


def test_pointing_at_a_chart_says_the_nearest_value(page):
    box = page.scroll_to(BY_LAYER)
    page.point(box["x"] + 0.97 * box["width"], box["y"] + box["height"] / 2)
    assert "layer 4: " in tip(page)
    page.point(box["x"] + 0.12 * box["width"], box["y"] + box["height"] / 2)
    assert "layer 1: " in tip(page)
    page.point(1, 1)
    assert tip(page) == ""


def test_arrow_keys_walk_through_the_points_of_a_chart(page):
    focus(page, BY_LAYER)
    assert "right answers" in tip(page)
    said = [tip(page)]
    for key in ("ArrowRight", "ArrowDown", "End", "Home"):
        page.press(key)
        said.append(tip(page))
    assert [text.split(": ", 1)[1].split(":")[0] for text in said] == [
        f"layer {layer}" for layer in (1, 2, 2, 4, 1)
    ]
    assert ["right" in text for text in said] == [True, True, False, False, False]
    page.press("Escape")
    assert tip(page) == ""


def test_a_footnote_shows_its_text_on_focus_and_on_hover(page):
    note = page.run(
        "document.querySelector(document.querySelector('sup > a').getAttribute('href'))"
        ".querySelector('span').textContent"
    )
    focus(page, "sup > a")
    assert tip(page) == note
    page.run("document.activeElement.blur()")
    assert tip(page) == ""
    box = page.scroll_to("sup > a")
    page.point(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert tip(page) == note


def test_a_name_says_what_it_means_in_every_table(page):
    """The text stands in the file once for each benchmark; pointing at another row brings it."""
    row = "[...document.querySelectorAll('#card-run-0-0 th[scope=row]')].find("
    row += "(head) => head.textContent.startsWith('token confidence'))"
    assert page.run(f"{row}.title") == ""
    page.run(f"{row}.dispatchEvent(new Event('pointerover', {{ bubbles: true }}))")
    assert page.run(f"{row}.title").startswith("Mean log-probability of the answer's tokens")


def test_samples_are_browsed_by_keyboard(page):
    examples = "[...document.querySelectorAll('.example')]"
    here = f"{examples}.findIndex((e) => e.contains(document.activeElement))"
    focus(page, ".example summary")
    page.press("ArrowDown")
    assert page.run(here) == 1
    page.press("Enter")
    opened = f"{examples}.map((e) => e.open).indexOf(true)"
    assert page.run(opened) == 1
    page.run("document.querySelector('.example[open] [data-step=\"1\"]').focus()")
    page.press("Enter")
    assert page.run(opened) == page.run(here) == 2
    page.press("ArrowUp")
    assert page.run(here) == 1


def test_the_map_lies_over_the_picture_when_asked_for(page):
    page.run("document.querySelector('.example').open = true")
    box = "document.querySelector('.look {}').getBoundingClientRect().toJSON()"
    assert page.run(box.format("image.map"))["width"] == 0
    focus(page, "input[data-map]")
    page.press(" ")
    overlay, picture = page.run(box.format("image.map")), page.run(box.format("use"))
    assert overlay["width"] > 100
    for side in ("x", "y", "width", "height"):
        assert overlay[side] == pytest.approx(picture[side], abs=1)
    assert page.run("[...document.querySelectorAll('[data-map]')].every((box) => box.checked)")


def test_samples_are_filtered(page):
    focus(page, "input[data-samples]")
    page.call("Input.insertText", text="no such question")
    shown = "[...document.querySelectorAll('#run-0-0 .example')].filter((e) => !e.hidden).length"
    assert page.run(shown) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(page, scheme):
    page.show(width=1200, height=900, scheme=scheme)
    page.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    ratios = page.run(
        """(() => {
          const light = (text) => {
            const [r, g, b] = text.match(/[\\d.]+/g).map(Number).map((v) => {
              v /= 255;
              return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
            });
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const page = light(getComputedStyle(document.body).backgroundColor);
          const of = (e) => {
            const own = getComputedStyle(e);
            const text = light(e.ownerSVGElement ? own.fill : own.color);
            return (Math.max(page, text) + 0.05) / (Math.min(page, text) + 0.05);
          };
          const chosen = 'p, td, th, li, dt, dd, summary, figcaption, svg text, a';
          return [...document.querySelectorAll(chosen)].map(of);
        })()"""
    )
    assert len(ratios) > 500
    assert min(ratios) >= 4.5
    dark = page.run("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
    assert dark == (scheme == "dark")


@pytest.mark.parametrize("width", [320, 390, 768])
def test_a_small_screen_does_not_scroll_sideways(page, width):
    page.show(width=width, height=800)
    page.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert page.run("document.documentElement.scrollWidth") <= width


def test_links_land_on_their_part(page):
    """Although what is out of view has an estimated height."""
    targets = page.run("[...document.querySelectorAll('nav a')].map((link) => link.hash.slice(1))")
    assert len(targets) > 10
    settled = (  # frames, not seconds: a busy machine draws fewer
        "new Promise((done) => { let n = 30;"
        " const next = () => (n-- ? requestAnimationFrame(next) : done()); next(); })"
    )
    bar = page.run("document.querySelector('nav.contents').offsetHeight")
    for target in ("runs-section", *targets[::4]):
        page.run(f"location.hash = '#{target}'")
        page.run(settled)
        top = page.run(f"Math.round(document.getElementById('{target}').getBoundingClientRect().y)")
        left = page.run("document.documentElement.scrollHeight - innerHeight - scrollY")
        # right below the contents, which stay in view
        assert abs(top - bar) <= 30 or (top > 0 and left < 1), target


def test_the_first_stop_of_the_keyboard_skips_to_the_answer(page):
    page.press("Tab")
    assert page.run("document.activeElement.className") == "skip"
    assert page.run("document.activeElement.getBoundingClientRect().left") >= 0
    page.press("Enter")
    page.press("Tab")
    assert page.run("document.activeElement.closest('#answer-section') !== null")


def test_every_stop_of_the_keyboard_is_in_view_and_marked(page):
    """In the order of the page, never under the contents that stay at the top."""
    stop = """(() => {
      const own = document.activeElement, box = own.getBoundingClientRect();
      const bar = document.querySelector('nav.contents').getBoundingClientRect();
      const place = [...document.querySelectorAll('*')].indexOf(own);
      const clear = box.bottom > bar.bottom - 1 && box.top < innerHeight;
      const seen = clear || own.closest('.contents, .skip') !== null;
      return [place, own.matches(':focus-visible'), getComputedStyle(own).outlineStyle, seen];
    })()"""
    stops = []
    for _ in range(40):
        page.press("Tab")
        stops.append(page.run(stop))
    places = [place for place, *_ in stops]
    assert places == sorted(set(places))
    assert [stop for stop in stops if stop[1:] != [True, "solid", True]] == []


def test_paper_is_light_and_cuts_nothing(page):
    """A landscape A4 page is 1040 CSS pixels wide between its margins."""
    page.show(width=1040, height=718, scheme="dark")
    dark = {"name": "prefers-color-scheme", "value": "dark"}
    page.call("Emulation.setEmulatedMedia", media="print", features=[dark])
    page.run("document.querySelector('details:not([open])').classList.add('more')")
    closed = "document.querySelectorAll('details.more:not([open])').length"
    assert page.run(closed) == 1
    page.run("dispatchEvent(new Event('beforeprint'))")
    assert page.run(closed) == 0
    assert page.run("getComputedStyle(document.body).color") == "rgb(28, 31, 35)"
    beyond = "[...document.querySelectorAll('table, svg, pre')].filter((e) =>"
    beyond += " e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.id || e.className)"
    assert page.run(beyond) == []
    page.run("dispatchEvent(new Event('afterprint'))")
    assert page.run(closed) == 1
    page.call("Emulation.setEmulatedMedia", media="")


def test_heads_and_first_columns_stay_in_view(page):
    page.show(width=390, height=800)
    page.run("document.querySelector('#overview').scrollIntoView()")
    page.run("document.querySelector('#overview').parentElement.scrollLeft = 300")
    left = "document.querySelector('#overview {}').getBoundingClientRect().left"
    for cell in ("tbody th", "thead th"):
        assert 0 <= page.run(left.format(cell)) < 30
    assert page.run(left.format("tbody td")) < 0
    page.run("document.querySelector('#signals-0').parentElement.scrollTop = 400")
    top = "document.querySelector('#signals-0 thead th').getBoundingClientRect().top"
    box = "document.querySelector('#signals-0').parentElement.getBoundingClientRect().top"
    assert page.run(top + " - " + box) == pytest.approx(1, abs=1.5)


def test_an_opened_sample_names_its_signals(browser, tmp_path):
    """They stand in the file once for each run."""
    records = [
        replace(own, signals={**own.signals, "renyi_entropy": -i / 100, "rauq": None},
                missing={**own.missing, "rauq": "no layer attends"})
        for i, own in enumerate(make_records(120, seed=1))
    ]  # fmt: skip
    write_run(tmp_path / "run", records)
    file = tmp_path / "report.html"
    file.write_text(to_html(build_board(read_runs([tmp_path]))), encoding="utf-8")
    browser.console.clear()
    browser.open(file)
    texts = browser.run(
        "(async () => { const list = document.querySelector('pre[data-names]');"
        "const names = document.getElementById(list.dataset.names).textContent.split('\\n');"
        "const before = list.textContent; list.parentElement.open = true;"
        "await new Promise((done) => setTimeout(done, 300));"
        "return [names, before, list.textContent]; })()"
    )
    names, before, after = texts
    assert browser.console == []
    assert len(names) >= 2
    lines = [line.split("\t") for line in before.split("\n")]
    for (number, *told), line in zip(lines, after.split("\n"), strict=True):
        name = names[int(number)]
        if len(told) == 1:
            assert line == f"{name}: {told[0]}"
        else:
            value, above = (own.strip() for own in line.split(" above "))
            assert (value, above) == (told[0], f"{told[1]} %  {name}")
