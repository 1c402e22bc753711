"""Laws of the ceilings: the largest run is the least limit, more of anything never hurts, contests are fair."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.catalogue.ceilings import Spread, spreads
from drivetrain.training.ceilings.claim import growth_claim
from drivetrain.training.ceilings.contest import Architecture, Cluster, Pair, contest
from drivetrain.training.ceilings.draws import Draws, changed, drawn
from drivetrain.training.ceilings.largest import paths

FEW = 400
# More of these allows a larger run; the first two groups are what money and time buy.
HELPFUL = ("spend.usd", "spend.flops_per_usd", "spend.most_usd", "spend.growth", "power.now", "power.campus",
           "power.network", "chips.stock", "chips.growth", "chips.share", "data.text", "data.all", "latency.wall",
           "run.duration", "run.duration_most", "run.utilisation", "hardware.energy_growth",
           "hardware.price_growth")  # fmt: skip


def powers(low, high):
    return st.floats(low, high).map(lambda x: 10.0**x)


def spread(low, mid, high, share):
    return Spread("x", "", "1", low, mid, high, share, spreads()["chips.stock"].stated)


@given(powers(-3.0, 3.0), st.floats(1.05, 20.0), st.floats(1.05, 20.0), st.floats(0.3, 0.95))
def test_a_spread_holds_its_share_between_its_ends(mid, below, above, share):
    one = spread(mid / below, mid, mid * above, share)
    values = drawn(one, np.random.default_rng(2).standard_normal(40_000))
    assert np.all(values > 0)
    for edge, expected in ((one.low, (1 - share) / 2), (mid, 0.5), (one.high, (1 + share) / 2)):
        assert np.mean(values <= edge) == pytest.approx(expected, abs=0.01)


@given(st.sampled_from(HELPFUL), st.floats(1.0, 3.0), st.integers(2026, 2035))
@settings(max_examples=40)
def test_more_of_anything_never_makes_a_limit_tighter(name, factor, year):
    """In every draw, the draws being the same ones (start-year consistency aside)."""
    from drivetrain.training.ceilings.limits import LIMITS

    before, after = Draws(changed(), FEW), Draws(changed({name: factor}), FEW)
    for limit in LIMITS.values():
        assert np.all(limit(after, year) >= limit(before, year) * (1 - 1e-9))


@given(st.integers(0, 2**20), st.lists(st.integers(2025, 2045), min_size=1, max_size=4, unique=True))
@settings(max_examples=15)
def test_the_largest_run_is_the_least_limit(seed, years):
    found = paths(years, n=FEW, seed=seed)
    least = found.least()
    for limit in found.limits.values():
        assert np.all(least <= limit)
    assert np.all(np.any([least == limit for limit in found.limits.values()], axis=0))
    again = paths(years, n=FEW, seed=seed)
    assert all(np.array_equal(found.limits[name], again.limits[name]) for name in found.limits)


@given(st.integers(0, 1000))
@settings(max_examples=10)
def test_a_year_does_not_depend_on_the_years_asked_beside_it(seed):
    alone, beside = paths([2030], n=FEW, seed=seed), paths([2028, 2030, 2033], n=FEW, seed=seed)
    for name in alone.limits:
        assert np.array_equal(alone.limits[name][:, 0], beside.limits[name][:, 1])


@given(st.floats(1.2, 6.0), st.floats(1.05, 2.0), st.integers(2027, 2033))
@settings(max_examples=15)
def test_faster_growth_meets_a_limit_sooner(growth, faster, year):
    slow, quick = (growth_claim(g, year, n=FEW) for g in (growth, growth * faster))
    assert quick.slows >= slow.slows
    assert quick.all_below >= slow.all_below
    assert all(quick.below_trend[name] >= slow.below_trend[name] for name in slow.below_trend)
    assert quick.slows >= quick.all_below
    assert (quick.stops, quick.physical) == (slow.stops, slow.physical)
    assert sum(quick.first.values()) == pytest.approx(1.0 if quick.slows else 0.0)


clusters = st.builds(Cluster, st.just("c"), powers(15.0, 19.0), powers(9.0, 13.0))
gains = st.floats(0.2, 20.0)


@given(clusters, clusters, gains, gains, powers(3.0, 10.0))
def test_the_better_pair_has_the_larger_product_of_gain_and_cluster(one, two, gain, other, usd):
    first = Pair(Architecture("a", compute_gain=gain), one)
    second = Pair(Architecture("b", compute_gain=other), two)
    found, turned = contest(first, second, usd=usd), contest(second, first, usd=usd)
    ahead = gain * one.flops_per_usd / (other * two.flops_per_usd)
    if abs(math.log(ahead)) > 1e-6:
        assert found.winner == ("a on c" if ahead > 1 else "b on c")
        assert found.to_tie == pytest.approx(max(ahead, 1 / ahead), rel=1e-3)
    assert found.lead == pytest.approx(-turned.lead, abs=1e-12)
    assert found.to_tie == pytest.approx(turned.to_tie, rel=1e-9)


@given(clusters, gains, powers(3.0, 10.0), st.floats(1.0, 100.0))
def test_more_money_never_raises_a_loss(one, gain, usd, factor):
    pair = Pair(Architecture("a", compute_gain=gain), one)
    less, more = (contest(pair, pair, usd=u) for u in (usd, usd * factor))
    assert more.first.loss <= less.first.loss * (1 + 1e-12)
    assert less.winner == "a tie"
    assert less.to_tie == pytest.approx(1.0, rel=1e-5)


@given(clusters, powers(6.0, 16.0))
def test_what_is_trained_costs_what_there_is(one, joules):
    found = contest(Pair(Architecture("a", compute_gain=4.0), one), Pair(Architecture("b"), one), energy_j=joules)
    for reached in (found.first, found.second):
        assert reached.flops == pytest.approx(joules * one.flops_per_joule)
        assert 6 * reached.params * reached.tokens == pytest.approx(reached.flops, rel=1e-9)
