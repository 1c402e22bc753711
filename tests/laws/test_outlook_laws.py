"""Laws of the outlook: parts sum, quarters add up to years, draws are common, the identity of Jevons in the engine."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.demand import question
from drivetrain.demand.classes import ClassValues, State
from drivetrain.demand.horizon import asked
from drivetrain.demand.outlook import run
from drivetrain.demand.program import solve
from drivetrain.demand.world import QUARTER, central, drawn, quantities, world
from drivetrain.demand.yearly import years_of
from drivetrain.report.output import as_json
from drivetrain.verbs.outlook import outlook
from drivetrain.verbs.outlook_file import OutlookQuestion
from drivetrain.verbs.outlook_set import set_quantity

JOULES_PER_KWH = 3.6e6
seeds = st.integers(0, 10_000)


def sampled(seed, end=2027.5, n=8):
    return world(drawn(quantities(), n, seed), end)


@settings(max_examples=8)
@given(seeds)
def test_parts_sum_and_quarters_add_up_to_years(seed):
    sample = sampled(seed)
    quarters = run(sample)
    years = years_of(quarters)
    bought = [sum(one.capex_usd * n for one, n in zip(sample.vintages, row.bought, strict=True)) for row in quarters]
    assert sum(one.capex_usd for one in years) == pytest.approx(sum(bought), rel=1e-9)
    rented = [row.rent_usd_per_unit_year * QUARTER for row in quarters]
    for one in years:
        mine = [k for k, row in enumerate(quarters) if int(row.year + 1e-9) == one.year]
        tokens = sum(quarters[k].asked.tokens.sum(axis=0) * QUARTER for k in mine)
        assert one.tokens.sum(axis=0) == pytest.approx(tokens, rel=1e-12)
        assert one.cost_usd + one.rent_usd["margin"] == pytest.approx(one.spend_usd, rel=1e-12)
        paid = sum(rented[k] * quarters[k].asked.capacity for k in mine)
        assert one.spend_usd == pytest.approx(
            paid, rel=1e-3
        )  # what is asked for is rented, to the clearing's tolerance
        kwh = one.rent_usd["electricity"] / sample.at["cost.usd_per_kwh"]
        assert one.energy_j == pytest.approx(kwh * JOULES_PER_KWH, rel=1e-12)
        hours = sum(quarters[k].power_w * QUARTER * 8760.0 * 3600.0 for k in mine)
        assert one.energy_j == pytest.approx(hours * np.minimum(sample.at["cost.load_frac"], 1.0), rel=1e-9)
        flop = sum(sum(quarters[k].peak_flops.values()) * QUARTER * 8760.0 * 3600.0 for k in mine)
        assert one.total_flop == pytest.approx(flop, rel=1e-12)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not():
    def text(seed):
        answer = outlook(OutlookQuestion(end_year=2027, draws=12, seed=seed))
        return as_json({name: value for name, value in answer.items() if name not in ("meta", "elapsed_s")})

    assert text(7) == text(7)
    assert json.loads(text(7))["years"] != json.loads(text(8))["years"]


@settings(max_examples=10)
@given(seeds, st.sampled_from(["training.growth", "agents.tokens_eta", "packaging.wafers"]))
def test_a_changed_quantity_leaves_all_other_draws_alone(seed, name):
    known = quantities()
    other = quantities({name: set_quantity(name, known[name].low)})
    before, after = drawn(known, 16, seed), drawn(other, 16, seed)
    assert np.all(after[name] == known[name].low)
    for key in known:
        if key != name:
            assert np.array_equal(before[key], after[key])


@settings(max_examples=6)
@given(seeds)
def test_frozen_efficiency_is_one_in_every_quarter(seed):
    assert all(np.all(one.efficiency == 1.0) for one in run(sampled(seed, 2027.0), frozen=True))


@pytest.fixture(scope="module")
def path():
    middle = world(central(quantities()), 2028.0)
    return middle, run(middle)


@pytest.mark.parametrize("name", ["packaging", "hbm", "budget", "power"])
def test_more_of_any_limit_never_lowers_what_is_served(path, name):
    middle, quarters = path
    if name == "budget":
        more, rows = middle, [replace(one, budget_usd_per_year=1.3 * one.budget_usd_per_year) for one in quarters]
    else:
        flow = {"packaging": "packaging_wafers_per_year", "hbm": "hbm_bytes_per_year", "power": "power_w"}[name]
        grown = {flow: 1.3 * getattr(middle.limits, flow)}
        if name == "power":
            grown["power_region_w"] = {key: 1.3 * watts for key, watts in middle.limits.power_region_w.items()}
        more, rows = replace(middle, limits=replace(middle.limits, **grown)), quarters
    less, plenty = solve(asked(middle, quarters)), solve(asked(more, rows))
    assert plenty.objective_usd >= less.objective_usd * (1 - 1e-9)
    if name == "power":
        assert plenty.value_usd > less.value_usd


def test_discounting_at_nothing_is_a_plain_sum():
    at = central(quantities())
    at["finance.rate"] = np.array([1e-12])
    middle = world(at, 2027.0)
    problem = asked(middle, run(middle))
    found = solve(problem)
    plain = sum(float((found.served[load.name] * load.units * load.usd_per_unit_year).sum()) for load in problem.loads)
    assert found.value_usd == pytest.approx(plain * problem.dt_years, rel=1e-6)
    assert problem.discounts == pytest.approx(np.ones(4))


def one_class(eps, need):
    """A world of one class with constant elasticity ``eps``, no other work, next to no old fleet, supply unlimited."""
    middle = world(central(quantities()), 2026.5)

    def sliced(record):
        return {one.name: getattr(record, one.name)[:1] for one in fields(record)}

    one = np.ones((1, 1))
    values = ClassValues(**sliced(middle.values) | {
        "value_usd": 1e12 * one, "integration_usd": 0.0 * one, "tokens_eta": eps * one, "arrival_zeta": 0.0 * one,
        "innovation": 0.0 * one, "imitation": 0.0 * one,
    })  # fmt: skip
    states = State(**sliced(middle.states))
    nothing = np.zeros(1)
    return replace(
        middle, tasks=middle.tasks[:1], values=values, states=states, need_s=need * middle.need_s[:1],
        limits=question.unlimited(middle.limits), fleet=replace(middle.fleet, count=1e-9 * middle.fleet.count),
        training_units_start=nothing, other_units_start=nothing, with_tokens=np.full(1, 10.0),
    )  # fmt: skip


@pytest.mark.parametrize("eps", [0.06, 0.3, 0.6, 0.9])
def test_the_identity_of_jevons_through_the_whole_engine(eps):
    """Ten times less work a token: compute goes as e^(1 - eps), where new hardware sets the rent in both worlds."""
    before, after = (run(one_class(eps, need), frozen=True) for need in (1.0, 0.1))
    for first, second in zip(before, after, strict=True):
        assert first.bought.sum() > 0
        assert second.bought.sum() > 0
        assert second.rent_usd_per_unit_year == pytest.approx(first.rent_usd_per_unit_year, rel=1e-4)
        assert second.asked.prices == pytest.approx(0.1 * first.asked.prices, rel=1e-4)
        assert second.asked.units / first.asked.units == pytest.approx(10.0 ** (eps - 1.0), rel=1e-3)
