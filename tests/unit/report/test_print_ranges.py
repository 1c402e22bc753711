"""Ranges as people read them: in the unit of their figure, never past it, short."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.report.ranges import range_line, ranged, ranking_line, with_range
from drivetrain.units import number, parse, show
from drivetrain.verbs.moves import NO_END

values = st.floats(1e-4, 1e4)


@given(values, st.floats(0.05, 1.0), st.floats(1.0, 20.0))
def test_the_shown_ends_enclose_the_value_in_its_own_unit(value, down, up):
    text = with_range(show(value, "s"), value, value * down, value * up, "s")
    found = re.fullmatch(r"([\d.,e+-]+ \S+)(?: \(([\d.,e+-]+)–([\d.,e+-]+)\))?", text)
    assert found, text
    if down < 1.0 < up:
        low, high = (parse(f"{end} {found[1].split()[1]}", "s") for end in found.groups()[1:])
        assert low <= value * 1.01
        assert high >= value * 0.99
        assert low == pytest.approx(value * down, rel=0.06)


def test_no_upper_end_and_nothing_to_say():
    assert with_range("$1", 1.0, 0.5, None) == "$1 (0.5 or more)"
    assert with_range("–", None, None, None) == "–"
    assert ranged({"x": None}, "x") == "–"
    assert ranged({"x": 1234.0}, "x") == number(1234.0)  # an answer without ranges is shown without


def test_why_ranges_are_wide_is_one_line():
    assert range_line({"range_kind": "known", "range_notes": []}) == "ranges    80 %, settings like those measured"
    many = range_line({"range_kind": "assumed", "range_notes": ["a", "b", "c", "d"]})
    assert many == "ranges    80 %, a; b; 2 more in the JSON"
    endless = range_line({"range_kind": "assumed", "range_notes": ["a", "b", NO_END]})
    assert endless == f"ranges    80 %, {NO_END}; 2 more in the JSON", "why there is no end comes before all else"
    assert len(range_line({"range_kind": "assumed", "range_notes": [NO_END]})) <= 100


@pytest.mark.parametrize(
    ("probability", "often"), [(0.999, "nearly all worlds"), (0.71, "about 7 of 10 worlds"), (0.5, "about 5 of 10")]
)
def test_the_ranking_is_said_in_tens(probability, often):
    found = {"metric": "joules_per_output_token", "runner_up": "b", "probability": probability}
    assert often in ranking_line(found)
    assert ranking_line(found).startswith("ranking     least energy in ")
    assert ranking_line({**found, "metric": "provisioned_power_w"}).startswith(
        "ranking     most tokens per megawatt in"
    )
    assert ranking_line(None) == ""
