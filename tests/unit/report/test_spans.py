"""Ranges of text on a logarithmic axis."""

from hypothesis import given
from hypothesis import strategies as st

from drivetrain.report.spans import Row, log_ranges

SPANS = st.lists(st.floats(-5.0, 30.0), min_size=3, max_size=3, unique=True).map(
    lambda logs: dict(zip(("p10", "p50", "p90"), (10.0**x for x in sorted(logs)), strict=True))
)


@given(st.lists(SPANS, min_size=1, max_size=5), st.integers(70, 120))
def test_lines_fit_and_the_half_lies_between_the_ends(spans, width):
    lines = [line.plain for line in log_ranges([Row(str(i), span) for i, span in enumerate(spans)], width)]
    assert max(map(len, lines)) <= width + 5
    for line in lines[:-2]:
        assert line.count("●") == 1
        left, right = line.find("├"), line.find("┤")
        assert left <= line.index("●") or left < 0
        assert right >= line.index("●") or right < 0


def test_a_trend_lies_over_the_range_and_decades_are_named():
    lines = log_ranges([Row("a", {"p10": 1.0, "p50": 10.0, "p90": 100.0}, trend=1000.0)], 30)
    assert lines[0].plain.endswith("×")
    assert lines[-1].plain.split() == ["1e0", "1e1", "1e2", "1e3"]
