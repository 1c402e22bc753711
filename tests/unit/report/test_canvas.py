import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.report.bars import legend, stacked
from drivetrain.report.canvas import Mark, Scatter, _Axis, scatter, ticks

COORDINATE = st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda v: round(v, 3))
POINTS = st.lists(st.tuples(COORDINATE, COORDINATE), min_size=1, max_size=12)


@given(POINTS, st.integers(40, 100), st.integers(4, 14), st.booleans())
def test_a_plot_never_exceeds_its_width_and_loses_no_lone_mark(points, width, height, percent):
    marks = [Mark(x, y, "A") for x, y in points[:-1]] + [Mark(*points[-1], "Z")]
    lines = scatter(Scatter(marks, lines=[points], percent_x=percent), width, height)
    assert len(lines) == height + 2
    assert max(line.cell_len for line in lines) <= width
    assert sum(line.plain.count("Z") for line in lines) == 1  # the last mark lies on top


@given(st.lists(st.tuples(COORDINATE, st.floats(1e-3, 1e6)), min_size=2, max_size=12))
def test_a_logarithmic_plot_keeps_higher_above_lower(points):
    low, high = min(points, key=lambda p: p[1]), max(points, key=lambda p: p[1])
    lines = scatter(Scatter([Mark(*low, "l"), Mark(*high, "h")], log_y=True), 60, 8)
    rows = {c: next(i for i, line in enumerate(lines) if c in line.plain) for c in "h"}
    below = [i for i, line in enumerate(lines) if "l" in line.plain]
    assert all(rows["h"] <= i for i in below)


@given(st.floats(0, 1e6), st.floats(0.01, 1e6), st.integers(3, 8))
def test_ticks_are_round_and_inside(low, span, n):
    axis = _Axis(low, low + span, False)
    found = ticks(axis, n)
    assert all(low - 1e-6 * span <= v <= low + span * (1 + 1e-6) for v in found)
    assert len(found) <= n + 1


def test_a_wall_is_drawn_through_the_plot():
    lines = scatter(Scatter([Mark(0, 0, "A"), Mark(10, 10, "B")], wall=5.0), 60, 8)
    assert sum("┊" in line.plain for line in lines) == 8


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=6), st.floats(0, 1e9), st.floats(0, 1e9))
def test_a_bar_has_its_width_whatever_fills_it(parts, free, kept):
    total = sum(parts) + free + kept
    bar = stacked({str(i): v for i, v in enumerate(parts)}, total, 60, kept=kept)
    assert bar.cell_len == 60
    if total > 0:
        assert bar.plain.count("·") == pytest.approx(60 * kept / total, abs=1)


def test_what_is_free_and_what_may_not_be_taken_are_in_the_legend():
    lines = legend({"weights": "10 GB"}, 40, free="free 60 GB", kept="beyond its share 10 GB")
    text = " ".join(line.plain for line in lines)
    assert "■ weights 10 GB" in text
    assert "░ free 60 GB" in text
    assert "· beyond its share 10 GB" in text
    assert max(line.cell_len for line in lines) <= 40
