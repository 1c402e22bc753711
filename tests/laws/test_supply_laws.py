"""Laws of supply: the program's duals are prices, the merit order is its optimum, fleets and money are conserved."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.demand import allocate, chain, fleet, limits, program, vintage
from drivetrain.demand.limits import LIMITS

seeds = st.integers(0, 10_000)
YEARS = 2026.0 + 0.25 * np.arange(8)


def kinds(random, n, life=3.0, sold=(True,)):
    """Made-up kinds: later ones give more units; those not sold are only installed."""
    return tuple(
        program.Kind(
            f"k{i}", units=float(random.uniform(0.5, 2.0) * 1.6**i), watts=float(random.uniform(800, 3000)),
            wafers=float(random.uniform(0.03, 0.1)), hbm_bytes=float(random.uniform(8e10, 3e11)),
            capex_usd=float(random.uniform(2e4, 9e4)), running_usd_per_year=float(random.uniform(500, 4000)),
            life_years=life, from_year=2026.0 if sold[i % len(sold)] else 2040.0, until_year=2040.0,
        )
        for i in range(n)
    )  # fmt: skip


def load(random, name, regions, quarters, scale, **more):
    worth = np.sort(random.uniform(500.0, 60_000.0, (4, 1)), axis=0)[::-1] * np.ones(quarters)
    units = random.uniform(0.2, 1.0, (regions, 4, quarters)) * scale
    return program.Load(name, units, np.broadcast_to(worth, units.shape).copy(), **more)


def some_problem(seed, quarters=4, rate=0.1):
    random = np.random.default_rng(seed)
    there = kinds(random, 3, sold=(False, True, True))
    installed = random.uniform(0.0, 3e5, (3, 2, 1)) * np.array([[[1.0]], [[1.0]], [[0.0]]]) * np.ones(quarters)
    loads = (
        load(random, "chat", 2, quarters, 3e5, peak=1.8),
        load(random, "batch", 1, quarters, 4e5, peak=0.0, anywhere=True),
        load(random, "training", 1, quarters, 5e5, peak=1.25, mean=1.25, anywhere=True),
    )
    grow = 1.2 ** np.arange(quarters)
    return program.Problem(
        2026.0, 0.25, rate, ("east", "west"), there, loads, installed, random.uniform(2e8, 2e9, (2, 1)) * grow,
        random.uniform(1e4, 2e5) * grow, random.uniform(2e16, 6e17) * grow, random.uniform(5e9, 1e11) * grow,
        None if seed % 2 else np.array([[0.0], [0.7], [1.0]]) * np.ones(quarters),
    )  # fmt: skip


FIELD = {"packaging": "packaging_wafers_per_year", "hbm": "hbm_bytes_per_year", "budget": "budget_usd_per_year"}


def moved(problem, name, quarter, region, amount):
    """The problem with ``amount`` more of a limit in one quarter (wafers, bytes, dollars; watts)."""
    if name == "power":
        power = problem.power_w.copy()
        power[region, quarter] += amount
        return replace(problem, power_w=power)
    flow = problem.flow(name).copy()
    flow[quarter] += amount / problem.dt_years
    return replace(problem, **{FIELD[name]: flow})


@settings(max_examples=25)
@given(seeds)
def test_duals_are_not_negative_and_only_where_a_limit_is_used_up(seed):
    problem = some_problem(seed)
    found = program.solve(problem)
    for name in LIMITS:
        shadow, slack = found.shadow[name], found.slack[name]
        whole = problem.power_w if name == "power" else problem.flow(name) * problem.dt_years
        assert np.all(shadow >= 0)
        assert np.all(slack >= -1e-6 * whole)
        assert np.all(shadow[slack > 1e-6 * whole] == 0)
    assert np.all(found.rental_usd_per_unit_year >= 0)
    rents = [found.shadow[name].max() > 0 for name in LIMITS]
    assert any(rents) == any(name != "demand" for name in found.binding)


@settings(max_examples=12)
@given(seeds, st.sampled_from(LIMITS), st.integers(0, 3), st.integers(0, 1))
def test_a_dual_is_what_one_more_unit_is_worth(seed, name, quarter, region):
    problem = some_problem(seed)
    found = program.solve(problem)
    if name == "power":
        whole, price = problem.power_w[region, quarter], found.shadow[name][region, quarter] * problem.dt_years
    else:
        whole, price = problem.flow(name)[quarter] * problem.dt_years, found.shadow[name][quarter]
    step, price = 1e-4 * whole, price * problem.discounts[quarter]
    more = program.solve(moved(problem, name, quarter, region, step)).objective_usd - found.objective_usd
    less = found.objective_usd - program.solve(moved(problem, name, quarter, region, -step)).objective_usd
    near = 1e-9 * abs(found.objective_usd)
    # the objective is concave in a limit: the dual lies between what one more brings and what one less costs
    assert more - near <= price * step <= less + near
    if less - more <= near:
        assert price * step == pytest.approx(more, abs=2 * near)


@settings(max_examples=15)
@given(seeds, st.sampled_from(LIMITS), st.floats(1.0, 3.0))
def test_more_supply_never_serves_less_value(seed, name, factor):
    problem = some_problem(seed)
    more = (replace(problem, power_w=problem.power_w * factor) if name == "power"
            else replace(problem, **{FIELD[name]: problem.flow(name) * factor}))  # fmt: skip
    before, after = program.solve(problem).objective_usd, program.solve(more).objective_usd
    assert after >= before * (1 - 1e-9)


@settings(max_examples=15)
@given(seeds)
def test_no_limit_is_passed_and_nobody_is_served_by_nothing(seed):
    problem = some_problem(seed)
    found = program.solve(problem)
    watts, units = (np.array([getattr(k, key) for k in problem.kinds])[:, None, None] for key in ("watts", "units"))
    assert np.all((watts * found.active).sum(axis=0) <= problem.power_w * (1 + 1e-7))
    for name, key in zip(LIMITS[:3], ("wafers", "hbm_bytes", "capex_usd"), strict=True):
        takes = np.array([getattr(k, key) for k in problem.kinds])[:, None, None]
        allowed = problem.flow(name) * problem.dt_years
        assert np.all((takes * found.purchases).sum(axis=(0, 1)) <= allowed * (1 + 1e-7))
    bought = np.cumsum(found.purchases, axis=2)  # none is worn out within this horizon
    assert np.all(found.active <= (problem.installed + bought) * (1 + 1e-7) + 1.0)
    asked = sum((one.units * found.served[one.name]).sum(axis=(0, 1)) * one.mean for one in problem.loads)
    assert np.all(asked <= (units * found.active).sum(axis=(0, 1)) * (1 + 1e-7) + 1.0)
    chat = problem.loads[0]
    busiest = (chat.units * found.served["chat"]).sum(axis=1) * chat.peak
    assert np.all(busiest <= (units * found.active).sum(axis=0) * (1 + 1e-7) + 1.0)


@settings(max_examples=15)
@given(seeds)
def test_without_discounting_the_objective_is_a_plain_sum(seed):
    problem = some_problem(seed, rate=0.0)
    found = program.solve(problem)
    dt, quarters = problem.dt_years, problem.n_quarters
    value = sum((one.units * one.usd_per_unit_year * found.served[one.name]).sum() for one in problem.loads) * dt
    running = sum(k.running_usd_per_year * found.active[i].sum() for i, k in enumerate(problem.kinds)) * dt
    paid = np.minimum(quarters - np.arange(quarters), 12) / 12  # of three years' payments, those within the horizon
    payments = sum(k.capex_usd * (found.purchases[i] * paid).sum() for i, k in enumerate(problem.kinds))
    assert found.value_usd == pytest.approx(value, rel=1e-7)
    assert found.running_usd == pytest.approx(running, rel=1e-7, abs=1.0)
    assert found.payments_usd == pytest.approx(payments, rel=1e-7, abs=1.0)
    assert found.objective_usd == pytest.approx(value - running - payments, rel=1e-7)


def merit(problem, quarter):
    """One quarter of a problem of one region by merit order, in a form that can be set beside the program."""
    sold = next((k for k in problem.kinds if k.from_year <= 2026.0), problem.kinds[0])
    dt, flat = problem.dt_years, problem.loads[0]
    installed = problem.installed[:, 0, quarter]
    most = min(
        problem.flow(name)[quarter] * dt / getattr(sold, key)
        for name, key in zip(LIMITS[:3], ("wafers", "hbm_bytes", "capex_usd"), strict=True)
    )
    most *= sold.from_year <= 2026.0
    # a life of one quarter: all of the price is paid in it
    cost = (sold.capex_usd / dt + sold.running_usd_per_year) / sold.units
    every = (*problem.kinds, sold)
    units = np.array([*(k.units * n for k, n in zip(problem.kinds, installed, strict=True)), most * sold.units])
    usd = np.array([*(k.running_usd_per_year / k.units for k in problem.kinds), cost])
    offers = allocate.Offers(units[:, None], usd[:, None], np.array([[k.watts / k.units] for k in every]))
    worth, wanted = flat.usd_per_unit_year[0, :, quarter], flat.units[0, :, quarter]

    def demand(price):
        return (wanted[:, None] * (worth[:, None] > price)).sum(axis=0)

    found = allocate.clear(offers, problem.power_w[:, quarter], demand, tolerance=1e-12)
    served, left = 0.0, float(found.units[0])
    for value, n in zip(worth, wanted, strict=True):
        served += value * min(n, left)
        left -= min(n, left)
    takes = {"packaging": sold.wafers, "hbm": sold.hbm_bytes, "budget": sold.capex_usd}
    allowed = limits.Room(
        {name: np.array([problem.flow(name)[quarter] * dt / x]) for name, x in takes.items()},
        {name: np.array([x]) for name, x in takes.items()},
    )
    rents = allocate.bind(found, offers, allowed, np.array([sold.units]), np.array([1.0 / dt]))
    return found, (served - float((usd * found.active[:, 0]).sum())) * dt, rents


def independent_quarters(seed, quarters, sold):
    """A problem of one region and a flat load whose quarters have nothing to do with each other: a life of one."""
    random = np.random.default_rng(seed)
    there = kinds(random, 3, life=0.25, sold=(False, False, sold))
    there = tuple(replace(k, capex_usd=k.capex_usd / 12.0) for k in there)
    installed = random.uniform(0.0, 3e5, (3, 1, quarters)) * np.array([1.0, 1.0, 0.0])[:, None, None]
    return program.Problem(
        2026.0, 0.25, 0.0, ("here",), there, (load(random, "flat", 1, quarters, 4e5),), installed,
        random.uniform(1e8, 2e9, (1, quarters)), random.uniform(5e3, 1e5, quarters),
        random.uniform(2e16, 4e17, quarters), random.uniform(1e9, 5e10, quarters),
    )  # fmt: skip


@settings(max_examples=40)
@given(seeds, st.integers(1, 3), st.booleans())
def test_the_merit_order_is_the_optimum_of_the_program(seed, quarters, sold):
    problem = independent_quarters(seed, quarters, sold)
    best = program.solve(problem)
    ours = [merit(problem, t) for t in range(quarters)]
    assert sum(value for _, value, _ in ours) == pytest.approx(best.objective_usd, rel=1e-6)
    for t, (found, _, rents) in enumerate(ours):
        price = found.price_usd_per_unit_year[0]
        assert price == pytest.approx(best.rental_usd_per_unit_year[0, t], rel=1e-6)
        assert found.power_usd_per_w_year[0] == pytest.approx(best.shadow["power"][0, t], rel=1e-5, abs=1e-7)
        assert found.active[-1, 0] == pytest.approx(
            best.purchases[:, 0, t].sum() * problem.kinds[2].units, rel=1e-6, abs=1.0
        )
        for name in LIMITS if sold else ("power",):
            expected = best.shadow[name][0, t] if name == "power" else best.shadow[name][t]
            assert rents.shadow_usd[name][0] == pytest.approx(expected, rel=1e-4, abs=1e-9)
        named = allocate.NONE if best.binding[t] == "demand" else LIMITS.index(best.binding[t])
        assert rents.index[0] == named


@given(seeds, st.floats(0.2, 3.0), st.floats(0.0, 1.0))
def test_a_market_clears_within_its_power_and_at_one_price(seed, elasticity, scarce):
    random = np.random.default_rng(seed)
    n = 7
    units, usd = random.uniform(0.0, 100.0, (5, n)), random.uniform(1.0, 50.0, (5, n))
    watts = random.uniform(0.0, 3.0, (5, n))
    power = (units * watts).sum(axis=0) * (0.1 + scarce)
    scale = random.uniform(10.0, 5000.0, n)
    offers = allocate.Offers(units, usd, watts)
    found = allocate.clear(offers, power, lambda price: scale * price**-elasticity)
    price, worth = found.price_usd_per_unit_year, found.power_usd_per_w_year
    assert found.active.sum(axis=0) == pytest.approx(found.units, rel=1e-6)
    assert found.units == pytest.approx(scale * price**-elasticity, rel=1e-6)
    assert np.all((found.active * watts).sum(axis=0) <= power * (1 + 1e-9))
    gain = price - usd - watts * worth
    assert np.all(found.active[gain > 1e-6 * price] >= units[gain > 1e-6 * price] * (1 - 1e-6))
    assert np.all(found.active[gain < -1e-6 * price] <= 1e-6)
    assert np.all(worth[(found.active * watts).sum(axis=0) < power * (1 - 1e-5)] == 0)
    more = allocate.clear(allocate.Offers(units * 1.5, usd, watts), power, lambda price: scale * price**-elasticity)
    assert np.all(more.price_usd_per_unit_year <= price * (1 + 1e-6))


def drawn(n, seed=3):
    from drivetrain.catalogue.spreads import spreads
    from drivetrain.training.ceilings.draws import Draws

    known = spreads(vintage.STEM)
    every = Draws(known, n, seed)
    return {name: every[name] for name in known}


@settings(max_examples=10)
@given(seeds)
def test_a_fleet_is_conserved_quarter_by_quarter(seed):
    random, at = np.random.default_rng(seed), drawn(3, seed)
    units = {name: random.uniform(0.5, 8.0, 3) for name in vintage.names()}
    made = vintage.known(at, units)
    supply = limits.of(at, YEARS)
    now, before = fleet.start(at, made), None
    for t, year in enumerate(YEARS):
        before = now.by_vintage(len(made))
        now, retired = fleet.retire(now, made, year)
        total = float(random.uniform(1e6, 1e9))
        cleared = allocate.quarter(
            now.by_vintage(len(made)), made, supply, t, lambda price, total=total: total * (price / 2e4) ** -0.8,
            rate=at["finance.rate"], fall_per_year=at["finance.fall"],
        )  # fmt: skip
        now = fleet.buy(now, cleared.bought, year)
        now, scrapped = fleet.scrap(now, cleared.idle, at["fleet.scrap_frac"] * 0.25)
        after = now.by_vintage(len(made))
        assert after == pytest.approx(before + cleared.bought - retired - scrapped, rel=1e-9, abs=1e-3)
        assert np.all(after >= 0)
        watts = np.stack([one.watts / one.units for one in made])
        used = (cleared.cleared.active[:-1] * watts).sum(axis=0)
        assert np.all(used <= supply.power_w[t] * (1 + 1e-9))
        takes = {"packaging": "wafers", "hbm": "hbm_bytes", "budget": "capex_usd"}
        for name, key in takes.items():
            spent = sum(getattr(v, key) * b for v, b in zip(made, cleared.bought, strict=True))
            assert np.all(spent <= supply.flow(name)[t] * 0.25 * (1 + 1e-9))


@given(seeds, st.floats(0.0, 0.2))
def test_money_of_both_ledgers_sums_to_what_is_spent(seed, rate):
    random, at = np.random.default_rng(seed), drawn(2, seed)
    made = vintage.known(at, {name: random.uniform(0.5, 8.0, 2) for name in vintage.names()})
    counts = random.uniform(0.0, 1e6, (len(made), 2))
    bought = chain.capital(made, counts)
    assert chain.total(bought) == pytest.approx(sum(v.capex_usd * n for v, n in zip(made, counts, strict=True)))
    active, rented, price = counts * random.uniform(0, 1, counts.shape), random.uniform(1e5, 1e7, 2), np.full(2, 2e4)
    parts = chain.rent(made, counts, active, rented, price, rate=np.full(2, rate), dt_years=0.25)
    assert set(parts) == set(chain.RENT)
    assert chain.total(parts) == pytest.approx(price * rented * 0.25, rel=1e-9)
    charges = sum(parts[name] for name in chain.CAPITAL)
    expected = sum(
        v.capex_usd * n * vintage.annuity(np.full(2, rate), v.life_years) for v, n in zip(made, counts, strict=True)
    )
    assert charges == pytest.approx(0.25 * expected)
    if rate == 0.0:
        assert charges == pytest.approx(
            0.25 * sum(v.capex_usd * n / v.life_years for v, n in zip(made, counts, strict=True))
        )


@given(st.floats(0.0, 0.3), st.integers(1, 30), st.floats(0.0, 0.6))
def test_payments_of_an_annuity_repay_the_dollar(rate, years, fall):
    first = vintage.annuity(np.array([rate]), np.array([float(years)]), fall)[0]
    paid = sum(first * (1 - fall) ** (k - 1) / (1 + rate) ** k for k in range(1, years + 1))
    assert paid == pytest.approx(1.0, rel=1e-9)
