"""80 % ranges: order, scale, width, and how errors of time, power and price combine."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.econ.pricing import HourlyPrice
from drivetrain.measure.spread import Z80
from drivetrain.measure.uncertainty import Uncertainty
from drivetrain.verbs.ranges import SURE, Ends, Moves, independent, lognormal, price_ends, stretched, with_ranges

FIELDS = {
    "n_accelerators": 8, "ttft_s": {"mean": 0.5, "p95": 1.0}, "tpot_s": {"mean": 0.02, "p95": 0.03},
    "itl_s": {"mean": 0.02, "p95": 0.03}, "e2e_s": {"mean": 2.5, "p95": 3.0}, "tokens_per_s_per_user": 50.0,
    "output_tokens_per_s": 4000.0, "output_tokens_per_s_per_accelerator": 500.0, "max_rate_per_s": 40.0,
    "usd_per_hour": 20.0, "usd_per_million_output_tokens": 0.6, "usd_per_million_tokens_full_load": 0.4,
    "joules_per_output_token": 1.2, "power_w": 6900.0, "carbon_g_per_million_output_tokens": 120.0, "layout": "tp4",
}  # fmt: skip
FIGURES = [name for name, value in FIELDS.items() if isinstance(value, (int, float))]
KNOWN = Uncertainty("known", 0.1, 0.3, 0.2, 0.0, ("why",))

factors = st.tuples(st.floats(0.05, 1.0), st.floats(1.0, 20.0)).map(lambda ends: Ends(*ends))
sigmas = st.floats(0.0, 1.0)
moves = st.one_of(
    st.builds(Moves, capacity=factors, fleet=factors, price=factors),
    st.builds(Moves, capacity=factors, flow=factors, price=factors),
)


def ends(fields, name):
    return fields[f"{name}_p10"], fields[f"{name}_p90"]


@given(moves, sigmas, sigmas, sigmas)
def test_every_figure_lies_between_its_ends(moved, tpot, ttft, power):
    found = with_ranges(FIELDS, replace(KNOWN, tpot=tpot, ttft=ttft, power=power), moved)
    for name in FIGURES:
        if name == "n_accelerators" and moved.flow is not None:
            assert f"{name}_p10" not in found  # a configuration that stands has as many as it has
            continue
        low, high = ends(found, name)
        assert low <= FIELDS[name] * (1 + 1e-12), name
        assert high >= FIELDS[name] * (1 - 1e-12), name
    for name in ("ttft_s", "tpot_s", "itl_s", "e2e_s"):
        assert found[name]["mean_p10"] <= FIELDS[name]["mean"] <= found[name]["mean_p90"]
        assert found[name]["p95"] == FIELDS[name]["p95"]


@given(moves, sigmas, st.sampled_from(["tpot", "ttft", "power"]), st.floats(0.0, 1.0))
def test_more_uncertain_is_never_narrower(moved, sigma, name, more):
    before = replace(KNOWN, **{name: sigma})
    one, other = (with_ranges(FIELDS, u, moved) for u in (before, replace(before, **{name: sigma + more})))
    for figure in FIGURES:
        if f"{figure}_p10" in one:
            assert other[f"{figure}_p10"] <= one[f"{figure}_p10"] * (1 + 1e-12)
            assert other[f"{figure}_p90"] >= one[f"{figure}_p90"] * (1 - 1e-12)
    for latency in ("ttft_s", "tpot_s", "e2e_s"):
        assert other[latency]["mean_p10"] <= one[latency]["mean_p10"] + 1e-12
        assert other[latency]["mean_p90"] >= one[latency]["mean_p90"] - 1e-12


@given(moves, st.floats(0.01, 100.0))
def test_ranges_scale_with_their_figure(moved, scale):
    def times(x):
        if isinstance(x, dict):
            return {name: times(value) for name, value in x.items()}
        return x * scale if isinstance(x, float) else x

    scaled = times(FIELDS)
    one, other = (with_ranges(fields, KNOWN, moved) for fields in (FIELDS, scaled))
    for name in set(FIGURES) - {"n_accelerators"}:
        assert ends(other, name) == pytest.approx(tuple(end * scale for end in ends(one, name)))
    assert other["e2e_s"]["mean_p90"] == pytest.approx(one["e2e_s"]["mean_p90"] * scale)


def test_the_interval_is_80_percent_of_a_normal_error_in_the_logarithm():
    found = with_ranges(FIELDS, KNOWN, Moves())
    assert found["tpot_s"]["mean_p90"] == pytest.approx(0.02 * math.exp(Z80 * 0.1))
    assert found["ttft_s"]["mean_p10"] == pytest.approx(0.5 * math.exp(-Z80 * 0.3))
    # first token and the rest are slow together
    assert found["e2e_s"]["mean_p90"] == pytest.approx(0.5 * math.exp(Z80 * 0.3) + 2.0 * math.exp(Z80 * 0.1))
    assert found["tokens_per_s_per_user_p10"] == pytest.approx(50.0 * math.exp(-Z80 * 0.1))


def test_a_plan_pays_for_the_accelerators_it_would_need():
    found = with_ranges(FIELDS, KNOWN, Moves(Ends(0.5, 1.5), fleet=Ends(0.75, 2.0), price=Ends(0.8, 1.5)))
    assert ends(found, "n_accelerators") == (6, 16)
    usd = math.exp(math.hypot(math.log(2.0), math.log(1.5)))
    assert found["usd_per_million_output_tokens_p90"] == pytest.approx(0.6 * usd)
    assert found["usd_per_hour_p90"] == pytest.approx(20.0 * usd)
    # at full load a token costs what capacity leaves of it, however many accelerators there are
    assert found["usd_per_million_tokens_full_load_p90"] == pytest.approx(
        0.4 * math.exp(math.hypot(math.log(2.0), math.log(1.5)))
    )
    joules = math.exp(math.hypot(math.log(2.0), Z80 * 0.2))
    assert found["joules_per_output_token_p90"] == pytest.approx(1.2 * joules)
    assert found["power_w_p90"] == pytest.approx(6900.0 * joules)
    assert ends(found, "output_tokens_per_s") == pytest.approx((2000.0, 6000.0))


def test_a_configuration_that_stands_costs_the_same_and_serves_more_or_less():
    found = with_ranges(FIELDS, KNOWN, Moves(Ends(0.5, 1.5), flow=Ends(0.8, 1.25)))
    assert ends(found, "usd_per_hour") == (20.0, 20.0)
    assert ends(found, "usd_per_million_output_tokens") == pytest.approx((0.48, 0.75))
    assert ends(found, "output_tokens_per_s") == pytest.approx((3200.0, 5000.0))
    assert ends(found, "power_w") == pytest.approx((6900.0 * math.exp(-Z80 * 0.2), 6900.0 * math.exp(Z80 * 0.2)))


def test_where_nothing_keeps_the_targets_there_is_no_upper_end():
    found = with_ranges(FIELDS, KNOWN, Moves(Ends(0.0, 1.5), fleet=Ends(1.0, math.inf), notes=("no end",)))
    assert found["output_tokens_per_s_p10"] == 0.0
    for name in ("n_accelerators", "usd_per_hour", "usd_per_million_output_tokens", "joules_per_output_token",
                 "usd_per_million_tokens_full_load"):  # fmt: skip
        low, high = ends(found, name)
        assert low <= FIELDS[name]
        assert high is None
    assert found["range_notes"] == ["why", "no end"]


def test_what_is_unknown_has_no_ends():
    fields = FIELDS | {"usd_per_hour": None, "e2e_s": {"mean": None}, "tpot_s": {"mean": None}, "itl_s": {"mean": None}}
    found = with_ranges(fields, KNOWN, Moves())
    assert ends(found, "usd_per_hour") == (None, None)
    assert found["e2e_s"] == {"mean": None, "mean_p10": None, "mean_p90": None}


def test_fields_stand_beside_their_ends_and_can_be_ranged_again():
    found = with_ranges(FIELDS, KNOWN, Moves(Ends(0.5, 2.0)))
    names = list(found)
    assert names.index("power_w_p10") == names.index("power_w") + 1
    assert with_ranges(found, KNOWN, Moves(Ends(0.5, 2.0))) == found


@given(factors, factors)
def test_independent_errors_are_wider_than_each_and_narrower_than_both_together(one, other):
    both = independent(one, other)
    assert both.low <= min(one.low, other.low) * (1 + 1e-9)
    assert both.high >= max(one.high, other.high) * (1 - 1e-9)
    assert both.low >= one.low * other.low * (1 - 1e-9)
    assert both.high <= one.high * other.high * (1 + 1e-9)
    assert independent(one).low == pytest.approx(one.low)


@given(factors)
def test_one_over_an_error_swaps_its_ends(factor):
    twice = factor.inverse.inverse
    assert (twice.low, twice.high) == pytest.approx((factor.low, factor.high))


@given(st.floats(0.0, 10.0), st.floats(0.0, 10.0), sigmas, sigmas)
def test_a_sum_moves_between_its_parts(ttft, rest, first, step):
    whole = stretched(ttft, ttft + rest, lognormal(first), lognormal(step))
    low, high = sorted((math.exp(Z80 * first), math.exp(Z80 * step)))
    assert low * (1 - 1e-9) <= whole.high <= high * (1 + 1e-9)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(2.0, 5.0, Ends(0.5, 1.25)), (None, 5.0, Ends(1.0, 1.25)), (None, None, SURE), (4.5, 5.0, Ends(1.0, 1.25))],
)
def test_low_and_high_of_a_price_bound_it(low, high, expected):
    assert price_ends(HourlyPrice(4.0, "on demand", "list", False, low, high)) == expected


def test_no_price_has_no_range():
    assert price_ends(None) == SURE
