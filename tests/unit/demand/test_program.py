"""The whole horizon: small plans by hand, foresight, regions, trough, infeasible contracts, bad input."""

from dataclasses import replace

import numpy as np
import pytest

from drivetrain.demand import fleet, limits, program, vintage
from drivetrain.errors import BadInputError, InfeasibleError

NEW = program.Kind("new", units=2.0, watts=2000.0, wafers=0.1, hbm_bytes=3e11, capex_usd=8e4,
                   running_usd_per_year=2000.0, life_years=1.0, from_year=2026.0, until_year=2030.0)  # fmt: skip
OLD = replace(NEW, name="old", units=1.0, watts=1500.0, from_year=2020.0, until_year=2025.0)
LOTS = 1e18


def one_load(units, worth, **more):
    units = np.asarray(units, dtype=float)
    return program.Load("load", units, np.broadcast_to(np.asarray(worth, dtype=float), units.shape).copy(), **more)


def make(loads, quarters=4, installed=0.0, power=1e12, regions=("here",), rate=0.0, **flows):
    there = np.zeros((2, len(regions), quarters))
    there[0] = installed
    flow = {name: np.full(quarters, flows.get(name, LOTS)) for name in ("packaging", "hbm", "budget")}
    watts = np.broadcast_to(np.asarray(power, dtype=float), (len(regions), quarters)).copy()
    return program.Problem(
        2026.0, 0.25, rate, tuple(regions), (OLD, NEW), tuple(loads), there, watts, flow["packaging"], flow["hbm"],
        flow["budget"],
    )  # fmt: skip


def test_worth_more_than_it_costs_is_bought_and_kept():
    """A new one costs 80,000 over four quarters and 2,000 a year to run, for two units: 41,000 USD a unit and year."""
    wanted = one_load(np.full((1, 1, 4), 1e5), 50_000.0)
    found = program.solve(make([wanted]))
    assert found.purchases[1, 0].tolist() == pytest.approx([5e4, 0, 0, 0], abs=1.0)
    assert found.objective_usd == pytest.approx(1e5 * (50_000.0 - 41_000.0))
    assert found.rental_usd_per_unit_year.mean() == pytest.approx(41_000.0)
    assert found.binding == ("demand",) * 4
    nothing = program.solve(make([one_load(np.full((1, 1, 4), 1e5), 40_000.0)]))
    assert nothing.purchases.sum() == 0.0


def test_a_limit_holds_purchases_and_carries_the_rent():
    """1,000 wafers a quarter are 10,000 accelerators; each is worth what two units earn over its cost."""
    wanted = one_load(np.full((1, 1, 1), 1e6), 250_000.0)
    found = program.solve(make([wanted], quarters=1, packaging=4000.0))
    assert found.purchases[1, 0, 0] == pytest.approx(10_000.0)
    payment = 8e4 / 4.0
    rent = (2.0 * 250_000.0 - 2000.0) * 0.25 - payment
    assert found.shadow["packaging"][0] == pytest.approx(rent * 10.0)
    assert found.binding == ("packaging",)
    assert found.shadow["hbm"][0] == found.shadow["budget"][0] == 0.0


def test_foresight_buys_before_the_limit_bites():
    """The last quarter's load takes more than its own purchases: the program buys ahead, where a myopic one cannot."""
    units = np.array([0.0, 1e4, 5e4])[None, None, :]
    found = program.solve(make([one_load(units, 300_000.0)], quarters=3, packaging=4000.0))
    assert found.purchases[1, 0].tolist() == pytest.approx([5e3, 1e4, 1e4], abs=1.0)
    assert found.served["load"][0, 0, 2] == pytest.approx(1.0)


def test_power_that_is_short_replaces_the_old():
    """An old one gives a unit on 1,500 W, a new one two on 2,000 W: with power for the old alone the new take over."""
    wanted = one_load(np.full((1, 1, 4), 1e6), 200_000.0)
    found = program.solve(make([wanted], installed=1e5, power=1.5e8))
    assert found.active[0].sum() == pytest.approx(0.0, abs=1.0)
    assert found.active[1, 0] == pytest.approx([7.5e4] * 4)
    assert set(found.binding) == {"power"}
    # for one quarter another watt wakes an old one; for all four it is worth what a new one earns on it
    assert found.shadow["power"][0, 0] == pytest.approx((200_000.0 - 2000.0) / 1500.0)
    assert found.shadow["power"][0].mean() == pytest.approx((2 * 200_000.0 - 2000.0 - 8e4) / 2000.0)


def test_interactive_load_stays_in_its_region_and_batch_goes_where_there_is_room():
    near = replace(one_load(np.array([[[1e5]], [[1e5]]]), 300_000.0, peak=1.5), name="near")
    batch = replace(one_load(np.full((1, 1, 1), 4e5), 290_000.0, peak=0.0, anywhere=True), name="batch")
    problem = make([near, batch], quarters=1, power=[[1e8], [1e9]], regions=("full", "empty"))
    found = program.solve(problem)
    assert found.served["near"][:, 0, 0] == pytest.approx([1e5 / 1.5 / 1e5, 1.0])  # 5e4 new ones give 1e5 at the peak
    assert found.served["batch"][0, 0, 0] == pytest.approx(1.0)
    assert found.peak_usd_per_unit_year[0, 0] > 0.0
    assert found.rental_usd_per_unit_year[0, 0] > found.rental_usd_per_unit_year[1, 0]


def test_batch_fills_the_trough_for_nothing():
    near = replace(one_load(np.full((1, 1, 1), 1e5), 300_000.0, peak=1.5), name="near")
    batch = replace(one_load(np.full((1, 1, 1), 5e4), 10.0, peak=0.0, anywhere=True), name="batch")
    found = program.solve(make([near, batch], quarters=1))
    assert found.served["batch"][0, 0, 0] == pytest.approx(1.0)
    assert found.purchases.sum() == pytest.approx(7.5e4)
    more = replace(batch, units=batch.units * 2)
    assert program.solve(make([near, more], quarters=1)).served["batch"][0, 0, 0] == pytest.approx(0.5)


def test_discounting_makes_later_years_count_for_less():
    units = np.full((1, 1, 4), 1e5)
    plain, less = (program.solve(make([one_load(units, 90_000.0)], rate=rate)).value_usd for rate in (0.0, 0.2))
    assert plain == pytest.approx(4 * 0.25 * 1e5 * 90_000.0)
    assert less == pytest.approx(0.25 * 1e5 * 90_000.0 * sum(1.2 ** (-0.25 * t) for t in range(4)))


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (
            {"packaging": 10_000.0},
            r"packaging is short by 2,500 wafers \(100\.0% of what there is\) in 2026Q1",
        ),
        ({"hbm": 3.6e16}, r"hbm is short by 6 PB"),
        ({"budget": 8e9}, r"budget is short by 2 billion USD \(100\.0%"),
    ],
)
def test_a_contract_beyond_a_limit_names_it_and_by_how_much(more, text):
    contract = one_load(np.full((1, 1, 2), 1e5), 50_000.0, contracted_frac=1.0)
    with pytest.raises(InfeasibleError, match=f"contracted load cannot be served: {text}"):
        program.solve(make([contract], quarters=2, **more))


def test_the_shortage_that_is_told_is_what_is_missing():
    contract = one_load(np.full((1, 1, 2), 1e5), 50_000.0, contracted_frac=1.0)
    short = make([contract], quarters=2, packaging=10_000.0)  # 2,500 a quarter, 5,000 needed at once
    with pytest.raises(
        InfeasibleError, match=r"packaging is short by 2,500 wafers \(100\.0% of what there is\) in 2026Q1"
    ):
        program.solve(short)
    enough = short.packaging_wafers_per_year + np.array([2500.0 / 0.25 + 1e-3, 0.0])
    assert program.solve(replace(short, packaging_wafers_per_year=enough)).served["load"].min() == pytest.approx(1.0)
    weak = make([contract], quarters=2, power=9e7)
    with pytest.raises(InfeasibleError, match=r"power in here is short by 0\.01 GW \(11\.1%"):
        program.solve(weak)


def test_a_contract_before_anything_is_sold_lacks_capacity():
    contract = one_load(np.full((1, 1, 2), 1e5), 50_000.0, contracted_frac=1.0)
    problem = make([contract], quarters=2)
    later = replace(problem, kinds=(OLD, replace(NEW, from_year=2026.25)))
    with pytest.raises(InfeasibleError, match=r"capacity in here is short by 0\.1 million units in 2026Q1"):
        program.solve(later)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"discount_rate": -0.1}, "discount rate is negative"),
        ({"power_w": np.array([[1.0, np.nan]])}, "negative or infinite"),
        ({"hbm_bytes_per_year": np.ones(3)}, "hbm is given for"),
        ({"installed": np.zeros((1, 1, 2))}, "installed accelerators are given as"),
        ({"kinds": (OLD, replace(NEW, units=0.0))}, "units must be above 0"),
        ({"loads": (one_load(np.full((1, 1, 2), -1.0), 1.0),)}, "load load holds a negative"),
        ({"loads": (one_load(np.ones((2, 1, 2)), 1.0),)}, r"units are \(2, 1, 2\)"),
        ({"loads": (one_load(np.ones((1, 1, 2)), 1.0, contracted_frac=2.0),)}, "contracted_frac must be from 0 to 1"),
    ],
)
def test_a_problem_that_makes_no_sense_is_refused(change, says):
    with pytest.raises(BadInputError, match=says):
        replace(make([one_load(np.ones((1, 1, 2)), 1.0)], quarters=2), **change)


def test_the_fleet_of_the_start_is_spread_and_wears_out():
    at = vintage.mids()
    made = vintage.known(at, {name: np.ones(1) for name in vintage.names()})
    years = 2026.0 + 0.25 * np.arange(28)
    supply, now = limits.of(at, years), fleet.start(at, made)
    problem = program.problem(made, now, supply, [], 0.1)
    assert problem.installed[:, :, 0].sum() == pytest.approx(
        now.count.sum() - now.count[2026.0 - now.bought_year >= 6.0].sum()
    )
    assert np.all(np.diff(problem.installed, axis=2) <= 1e-9)
    assert problem.installed[:, :, 24].sum() < 1e-6  # all of it older than six years
    share = problem.installed[:, 0, 0].sum() / problem.installed[:, :, 0].sum()
    assert share == pytest.approx(float(supply.power_region_w["americas"][0, 0] / supply.power_w[0, 0]))
    assert problem.label(5) == "2027Q2"


def test_no_kind_sells_more_than_its_share():
    """Better on every count, the second kind would have all: half of the purchases is what it may have."""
    better = replace(NEW, name="better", capex_usd=4e4)
    wanted = one_load(np.full((1, 1, 2), 1e5), 60_000.0)
    free = replace(make([wanted], quarters=2), kinds=(NEW, better))
    assert program.solve(free).purchases[0].sum() == pytest.approx(0.0, abs=1.0)
    held = replace(free, share_most=np.array([[1.0, 1.0], [0.5, 0.5]]))
    found = program.solve(held)
    assert found.purchases[:, 0, 0].tolist() == pytest.approx([2.5e4, 2.5e4])
    assert found.objective_usd < program.solve(free).objective_usd
    gone = replace(free, share_most=np.array([[1.0, 1.0], [0.0, 0.0]]))
    assert program.solve(gone).purchases[1].sum() == 0.0


@pytest.mark.parametrize(
    ("shares", "says"), [(np.ones((1, 2)), "by kind and quarter"), (np.full((2, 2), 0.4), "sums to less")]
)
def test_shares_that_leave_no_purchase_possible_are_refused(shares, says):
    with pytest.raises(BadInputError, match=says):
        replace(make([one_load(np.ones((1, 1, 2)), 1.0)], quarters=2), share_most=shares)


def test_shares_of_sales_come_from_the_mix():
    at = vintage.mids()
    made = vintage.known(at, {name: np.ones(1) for name in vintage.names()})
    supply = limits.of(at, 2026.0 + 0.25 * np.arange(8))
    held = program.problem(made, fleet.start(at, made), supply, [], 0.1).share_most
    sold = vintage.mix(made, 2027.125)[:, 0]
    assert held[:, 4] == pytest.approx(np.minimum(1.5 * sold, 1.0))
    assert np.all(held.sum(axis=0) >= 1.0)
