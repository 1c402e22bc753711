"""The market of a quarter, by hand: steps, scarcity, power, rents."""

from dataclasses import replace

import numpy as np
import pytest

from drivetrain.demand import allocate, fleet, limits, vintage
from drivetrain.demand.merit import offered
from drivetrain.errors import BadInputError, InfeasibleError

PLENTY = np.array([1e12])


def offers(units, usd, watts=None):
    watts = np.ones(len(units)) if watts is None else watts
    return allocate.Offers(*(np.array(a, dtype=float)[:, None] for a in (units, usd, watts)))


def flat(units):
    return lambda price: np.full_like(price, units)


def test_the_marginal_step_sets_the_price():
    found = allocate.clear(offers([100, 100, 100], [1e3, 2e3, 5e3]), PLENTY, flat(150.0))
    assert found.price_usd_per_unit_year[0] == pytest.approx(2e3)
    assert found.active[:, 0] == pytest.approx([100.0, 50.0, 0.0])
    assert found.power_usd_per_w_year[0] == 0.0


def test_between_steps_demand_sets_the_price():
    found = allocate.clear(offers([100, 100], [1e3, 5e3]), PLENTY, lambda price: 3e5 / price)
    assert found.price_usd_per_unit_year[0] == pytest.approx(3e3)
    assert found.units[0] == pytest.approx(100.0)


def test_when_all_is_used_the_price_rises_above_every_cost():
    found = allocate.clear(offers([100, 100], [1e3, 2e3]), PLENTY, lambda price: 2e6 / price)
    assert found.price_usd_per_unit_year[0] == pytest.approx(1e4)
    assert found.units[0] == pytest.approx(200.0)


def test_power_goes_to_what_earns_most_per_watt():
    """Old ones cost less to run, but a new one gives three units where they give one: power moves to the new."""
    market = offers([100, 100], [1e3, 2e3], watts=[3.0, 1.0])
    found = allocate.clear(market, np.array([130.0]), lambda price: 1.1e6 / price)
    assert found.active[:, 0] == pytest.approx([10.0, 100.0])
    assert found.price_usd_per_unit_year[0] == pytest.approx(1e4)
    assert found.power_usd_per_w_year[0] == pytest.approx((1e4 - 1e3) / 3.0)


def test_no_demand_leaves_all_idle():
    found = allocate.clear(offers([100], [1e3]), PLENTY, flat(0.0))
    assert found.units[0] == 0.0
    assert found.active[0, 0] == 0.0


def test_draws_clear_each_by_itself():
    units = np.array([[100.0, 100.0], [50.0, 0.0]])
    market = allocate.Offers(units, np.array([[1e3], [2e3]]), np.ones((2, 1)))
    found = allocate.clear(market, PLENTY, lambda price: 4.5e5 / price)
    assert found.price_usd_per_unit_year == pytest.approx([3e3, 4.5e3])


def test_a_guess_far_off_does_not_matter():
    market = offers([100, 100], [1e3, 5e3])
    prices = [
        float(allocate.clear(market, PLENTY, lambda price: 3e5 / price, guess=np.array([g])).price_usd_per_unit_year[0])
        for g in (1e-3, 3e3, 1e9)
    ]
    assert prices == pytest.approx([3e3] * 3)


def test_demand_that_never_falls_says_by_how_much_supply_is_short():
    with pytest.raises(InfeasibleError, match="50 units short"):
        allocate.clear(offers([100], [1e3]), PLENTY, flat(150.0))


@pytest.mark.parametrize(("units", "usd"), [([-1.0], [1e3]), ([1.0], [np.nan])])
def test_offers_that_make_no_sense_are_refused(units, usd):
    with pytest.raises(BadInputError, match="finite and not negative"):
        allocate.clear(offers(units, usd), PLENTY, flat(1.0))


def test_batch_fills_the_trough_first():
    needed = allocate.needed_units(np.full(3, 100.0), np.array([0.0, 80.0, 100.0]), 1.8)
    assert needed.tolist() == [180.0, 180.0, 200.0]


def test_training_responds_to_its_price():
    asked = allocate.Training(np.array([100.0]), np.array([2e4]), np.array([0.5]))
    assert asked.at(np.array([2e4]))[0] == 100.0
    assert asked.at(np.array([8e4]))[0] == pytest.approx(50.0)


def test_rent_goes_to_the_limit_that_binds():
    market = offers([100, 40], [1e3, 5e3])
    found = allocate.clear(market, PLENTY, lambda price: 1.4e6 / price)  # all 140 units at 10,000
    room = limits.Room(
        {"packaging": np.array([20.0]), "hbm": np.array([10.0]), "budget": np.array([30.0])},
        {"packaging": np.array([0.1]), "hbm": np.array([3e11]), "budget": np.array([9e4])},
    )
    bound = allocate.bind(found, market, room, np.array([4.0]), np.array([0.25]))
    assert limits.LIMITS[bound.index[0]] == "hbm"
    assert bound.shadow_usd["hbm"][0] == pytest.approx((1e4 - 5e3) * 4.0 / 0.25 / 3e11)
    assert bound.shadow_usd["packaging"][0] == bound.shadow_usd["budget"][0] == bound.shadow_usd["power"][0] == 0.0


@pytest.mark.parametrize(("power", "binds"), [(139.0, "hbm"), (30.0, "power")])
def test_where_two_limits_bind_the_larger_rent_is_named(power, binds):
    """139 W are short for 140 units on a watt each, so both have a rent; with 30 W nothing is left for the new."""
    market = offers([100, 40], [3e3, 1e3], watts=[1.0, 1.0]) if binds == "hbm" else offers([100, 40], [1e3, 3e3])
    found = allocate.clear(market, np.array([power]), lambda price: 3.2e3 * 139.0 / price)
    room = limits.Room({"packaging": np.array([20.0]), "hbm": np.array([10.0]), "budget": np.array([30.0])},
                       dict.fromkeys(limits.LIMITS[:3], np.ones(1)))  # fmt: skip
    bound = allocate.bind(found, market, room, np.array([4.0]), np.array([0.25]))
    assert bound.shadow_usd["power"][0] > 0
    assert (bound.shadow_usd["hbm"][0] > 0) == (binds == "hbm")
    assert limits.LIMITS[bound.index[0]] == binds


def test_no_limit_binds_while_the_new_sets_the_price():
    market = offers([100, 40], [1e3, 5e3])
    found = allocate.clear(market, PLENTY, flat(120.0))
    room = limits.Room(dict.fromkeys(limits.LIMITS[:3], np.array([10.0])), dict.fromkeys(limits.LIMITS[:3], np.ones(1)))
    bound = allocate.bind(found, market, room, np.array([4.0]), np.array([0.25]))
    assert bound.index[0] == allocate.NONE
    assert all(value[0] == 0.0 for value in bound.shadow_usd.values())


def test_the_compiled_loop_is_the_greedy_knapsack():
    random = np.random.default_rng(5)
    units, usd, watts = (random.uniform(0.0, 10.0, (6, 50)) for _ in range(3))
    power, price = (units * watts).sum(axis=0) * random.uniform(0.1, 1.2, 50), random.uniform(0.0, 12.0, 50)
    total, worth, active = np.empty(50), np.empty(50), np.empty((6, 50))
    offered(price, units, usd, watts, power, total, worth, active)
    for i in range(50):
        left, expected, last = power[i], np.zeros(6), 0.0
        for s in sorted(range(6), key=lambda s, i=i: -(price[i] - usd[s, i]) / watts[s, i]):
            if price[i] > usd[s, i] and left > 0:
                expected[s] = min(units[s, i], left / watts[s, i])
                left -= expected[s] * watts[s, i]
                last = (price[i] - usd[s, i]) / watts[s, i] if expected[s] < units[s, i] else 0.0
        assert active[:, i] == pytest.approx(expected)
        assert total[i] == pytest.approx(expected.sum())
        assert worth[i] == pytest.approx(last)


def test_a_quarter_buys_what_its_mix_and_limits_say():
    at = vintage.mids()
    made = vintage.known(at, {name: np.full(1, 1.0 + i) for i, name in enumerate(vintage.names())})
    supply = limits.of(at, 2026.0 + 0.25 * np.arange(8))
    now = fleet.start(at, made)
    counts = now.by_vintage(len(made))
    rules = {"rate": at["finance.rate"], "fall_per_year": at["finance.fall"]}
    scarce = allocate.quarter(counts, made, supply, 5, lambda price: 5e8 * (price / 2e4) ** -1.0, **rules)
    shares = vintage.mix(made, 2026.0 + 5.5 * 0.25)
    assert scarce.bought / scarce.bought.sum(axis=0) == pytest.approx(shares)
    assert scarce.bought.sum(axis=0) <= scarce.room.most * (1 + 1e-9)
    assert scarce.binding.index[0] != allocate.NONE
    assert scarce.cleared.price_usd_per_unit_year > scarce.new_usd_per_unit_year
    enough = allocate.quarter(counts, made, supply, 5, lambda price: 1e6 * (price / 2e4) ** -1.0, **rules)
    assert enough.bought.sum() == 0.0
    assert enough.idle.sum() > 0.4 * counts.sum()
    assert enough.cleared.price_usd_per_unit_year < enough.new_usd_per_unit_year


def test_fixed_demand_beyond_supply_names_the_limit_and_by_how_much():
    at = vintage.mids()
    made = vintage.known(at, {name: np.full(1, 2.0) for name in vintage.names()})
    supply = limits.of(at, 2026.0 + 0.25 * np.arange(8))
    counts = fleet.start(at, made).by_vintage(len(made))
    rules = {"rate": at["finance.rate"], "fall_per_year": at["finance.fall"]}
    enough = supply.power_w * 1e4
    with pytest.raises(InfeasibleError, match=r"units short.* in 2027\.25: short of budget by [\d.,e+]+ USDs"):
        allocate.quarter(counts, made, replace(supply, power_w=enough), 5, flat(1e9), **rules)
    with pytest.raises(InfeasibleError, match=r"in 2027\.25: short of power by [\d.,e+]+ GW and budget"):
        allocate.quarter(counts, made, replace(supply, power_w=supply.power_w * 0.1), 5, flat(1e9), **rules)
    try:
        allocate.quarter(counts, made, replace(supply, power_w=enough), 5, flat(1e9), **rules)
    except allocate.ShortError as error:
        usd = float(str(error).split("budget by ")[1].split(" ")[0].replace(",", ""))
        richer = replace(supply, power_w=enough, budget_usd_per_year=supply.budget_usd_per_year + 1.02 * usd / 0.25,
                         packaging_wafers_per_year=supply.packaging_wafers_per_year * 1e6,
                         hbm_bytes_per_year=supply.hbm_bytes_per_year * 1e6)  # fmt: skip
        cleared = allocate.quarter(counts, made, richer, 5, flat(1e9), **rules)
        assert cleared.cleared.units[0] == pytest.approx(1e9)
    else:
        pytest.fail("a demand beyond supply cleared")
