import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.errors import UnitError
from drivetrain.units import GIB, number, parse, parse_usd_per_hour, show

DIMENSIONS = ["bytes", "bytes/s", "FLOP/s", "FLOP", "W", "J", "tok/s", "tok", "s", "1/s", "USD", "USD/h"]
sizes = st.floats(1e-9, 1e24)


@given(sizes, st.sampled_from(DIMENSIONS), st.integers(3, 6))
def test_what_is_shown_parses_back_within_its_digits(value, dimension, digits):
    assert parse(show(value, dimension, digits), dimension) == pytest.approx(value, rel=0.51 * 10 ** (1 - digits))


@given(sizes, st.sampled_from(["bytes", "W", "s"]))
def test_a_bare_number_is_si(value, dimension):
    assert parse(value, dimension) == parse(repr(value), dimension) == value


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("80GB", "bytes", 80e9),
        ("80 GiB", "bytes", 80 * GIB),
        ("400 Gb/s", "bytes/s", 50e9),
        ("400Gbps", "bytes/s", 50e9),
        ("989.5 TFLOP/s", "FLOP/s", 989.5e12),
        ("1,979 TOPS", "FLOP/s", 1979e12),
        ("0.7 kW", "W", 700.0),
        ("50ms", "s", 0.05),
        ("7 us", "s", 7e-6),
        ("7 µs", "s", 7e-6),
        ("1.5h", "s", 5400.0),
        ("2d", "s", 172800.0),
        ("120 req/min", "1/s", 2.0),
        ("1 kWh", "J", 3.6e6),
        ("19%", "1", 0.19),
        ("1_000 tok", "tok", 1000.0),
        ("3e3 W", "W", 3000.0),
    ],
)
def test_spellings_in_use(text, dimension, value):
    assert parse(text, dimension) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "dimension"),
    [("80 GB", "s"), ("fast", "s"), ("", "s"), ("3 parsec", "s"), ("nan", "s"), (math.inf, "s"), (math.nan, "W"),
     (True, "s"), ("5 ms ms", "s"), ("12 GiW", "W"), ("1e999 s", "s")],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_the_code(text, dimension):
    with pytest.raises(UnitError, match=r"^DT010"):
        parse(text, dimension)


@pytest.mark.parametrize(
    ("value", "dimension", "text"),
    [(0.0, "s", "0 s"), (999.7, "bytes", "1 kB"), (90.0, "s", "90 s"), (7200.0, "s", "2 h"), (5e-10, "s", "0.5 ns"),
     (math.inf, "W", "∞"), (math.nan, "s", "–"), (3.0, "USD", "3 USD")],
)  # fmt: skip
def test_how_people_read_it(value, dimension, text):
    assert show(value, dimension) == text


@given(st.floats(1e-4, 9e6), st.integers(2, 6))
def test_numbers_keep_their_digits(value, digits):
    assert float(number(value, digits).replace(",", "")) == pytest.approx(value, rel=0.51 * 10 ** (1 - digits))
    assert number(-value, digits) == "-" + number(value, digits)


@pytest.mark.parametrize(
    ("text", "usd_per_hour"),
    [
        ("$500/h", 500.0),
        ("500 USD/hour", 500.0),
        ("$36.5k/month", 50.0),
        ("$ 2.19 M / year", 250.0),
        ("2.19M$/yr", 250.0),
        ("$24 per day", 1.0),
        ("$1,200/h", 1200.0),
        ("$.5/h", 0.5),
        ("1B USD/year", 1e9 / 8760),
        ("$168/week", 1.0),
    ],
)
def test_money_over_time(text, usd_per_hour):
    assert parse_usd_per_hour(text) == pytest.approx(usd_per_hour)


@pytest.mark.parametrize(
    "text", ["", "$500", "500", "$/h", "-$5/h", "$5/fortnight", "EUR 5/h", "$5q/h", "$5/h/h", "nan/h"]
)
def test_what_is_no_money_over_time_is_refused(text):
    with pytest.raises(UnitError, match="month"):
        parse_usd_per_hour(text)


@given(st.floats(0.01, 1e9), st.sampled_from(["h", "day", "month", "year"]))
def test_money_is_proportional(usd, period):
    one = parse_usd_per_hour(f"$1/{period}")
    assert parse_usd_per_hour(f"${usd:.6f}/{period}") == pytest.approx(usd * one, rel=1e-4)
