from leaderboard.figures.charts import BOTTOM, LEFT, RIGHT, TOP, Series, chart


def drawn(*series, **options):
    fields = {"x_label": "layer", "y_label": "AUROC"}
    return chart("a title", series, **fields | options)


def test_ends_of_the_axes_are_ends_of_the_box():
    line = drawn(Series("s", [0, 1, 2], [0.0, 0.5, 1.0])).lines[0]
    middle = f"L{(LEFT + RIGHT) / 2:g} {(TOP + BOTTOM) / 2:g}"
    assert line.path == f"M{LEFT:g} {BOTTOM:g} {middle} L{RIGHT:g} {TOP:g}"
    assert line.dots.count("h0") == 3
    assert line.tips == (
        "layer 0, AUROC 0",
        "layer 1, AUROC 0.5",
        "layer 2, AUROC 1",
    )


def test_a_missing_point_is_a_gap_and_has_no_tip():
    line = drawn(Series("s", [0, 1, 2, 3], [0.1, None, 0.2, 0.3])).lines[0]
    assert [part[0] for part in line.path.split(" ")[::2]] == ["M", "M", "L"]
    assert len(line.tips) == 3


def test_without_a_point_there_is_no_chart():
    assert drawn() is None
    assert drawn(Series("s", [0, 1], [None, None]), Series("t", (), ())) is None


def test_a_constant_lies_in_the_middle():
    plot = drawn(Series("s", [3], [0.0]))
    x, y = map(float, plot.lines[0].path[1:].split())
    assert x == (LEFT + RIGHT) / 2
    assert TOP < y < BOTTOM


def test_the_band_runs_along_the_low_ends_and_back_along_the_high_ends():
    series = Series("s", [0, 1], [0.5, 0.5], low=[0.0, 0.25], high=[1.0, 0.75])
    band = drawn(series, y_range=(0, 1)).lines[0].band
    quarter = (BOTTOM - TOP) / 4
    corners = [(LEFT, BOTTOM), (RIGHT, BOTTOM - quarter), (RIGHT, TOP + quarter), (LEFT, TOP)]
    assert band == "M" + " L".join(f"{x:g} {y:g}" for x, y in corners) + "Z"


def test_a_scatter_has_circles_of_their_share_and_no_line_dots():
    line = drawn(Series("s", [0, 1], [0, 1], sizes=[1.0, 0.25])).lines[0]
    (*_, large), (*_, small) = line.circles
    assert large == 2 * small
    assert line.dots == ""
    assert "scatter" in line.style


def test_the_reference_is_within_the_axis_and_texts_are_clean():
    plot = drawn(
        Series("a\u202eb", [0, 1], [0.7, 0.9]), reference=(0.5, "chance"), caption="x\x1by"
    )
    assert TOP <= plot.reference.at <= BOTTOM
    assert plot.lines[0].name == "a⟨U+202E⟩b"
    assert plot.caption == "x⟨U+001B⟩y"
    assert plot.title == "A title"


def test_whole_numbers_only_where_layers_are_counted():
    plot = drawn(Series("s", [1, 2, 3], [0, 1, 2]), whole_x=True)
    assert [tick.text for tick in plot.x_ticks] == ["1", "2", "3"]
