"""Tokens to units to money, by hand."""

import numpy as np
import pytest

from drivetrain.demand import chain, vintage
from drivetrain.errors import BadInputError


@pytest.fixture(scope="module")
def made():
    return vintage.known(vintage.mids(), {name: np.full(1, 2.0) for name in vintage.names()})


def test_tokens_take_units_and_units_cost_per_token():
    """A unit that needs 1 ms a token serves 3.15e10 tokens a year; at 60 % it takes one and two thirds of them."""
    units = chain.units(np.array([3.1536e10]), 1e-3, 0.6)
    assert units[0] == pytest.approx(1.0 / 0.6)
    price = chain.price_per_token(np.array([20_000.0]), 1e-3, 0.6)
    assert price[0] * 3.1536e10 == pytest.approx(20_000.0 * units[0])
    for wrong in (0.0, 1.5):
        with pytest.raises(BadInputError, match="utilisation"):
            chain.units(np.ones(1), 1e-3, wrong)


def test_capital_goes_to_the_parts_of_what_is_bought(made):
    bought = np.zeros((len(made), 1))
    bought[1] = 1000.0
    found = chain.capital(made, bought)
    assert tuple(found) == chain.CAPITAL
    for name in chain.CAPITAL:
        assert found[name] == pytest.approx(1000.0 * getattr(made[1].parts, name))
    things = chain.taken(made, bought)
    assert things["accelerators"][0] == 1000.0
    assert things["hbm_bytes"][0] == pytest.approx(1000.0 * 80 * 1024**3)
    assert things["units"][0] == 2000.0
    assert things["watts"][0] == pytest.approx(1.73e6)


def test_an_idle_fleet_loses_its_capital_charge(made):
    there = np.zeros((len(made), 1))
    there[1] = 1000.0
    nothing = np.zeros_like(there)
    idle = chain.rent(made, there, nothing, np.zeros(1), np.array([2e4]), rate=np.array([0.1]), dt_years=0.25)
    assert idle["electricity"][0] == idle["upkeep"][0] == 0.0
    charge = 1000.0 * made[1].capex_usd[0] * vintage.annuity(np.array([0.1]), made[1].life_years)[0] * 0.25
    assert idle["margin"][0] == pytest.approx(-charge)
    busy = chain.rent(made, there, there, np.array([2000.0]), np.array([2e4]), rate=np.array([0.1]), dt_years=0.25)
    assert busy["electricity"][0] == pytest.approx(1000.0 * made[1].energy_usd_per_year[0] * 0.25)
    running = 1000.0 * made[1].running_usd_per_year[0] * 0.25
    assert busy["electricity"][0] + busy["upkeep"][0] == pytest.approx(running)
    assert busy["margin"][0] == pytest.approx(2000.0 * 2e4 * 0.25 - charge - running)


def test_quarters_add_up_to_years():
    years = np.array([2026.0, 2026.25, 2026.5, 2026.75, 2027.0])
    quarters = [{"a": np.array([1.0, 2.0]), "b": np.array([0.5, 0.5])} for _ in years]
    found = chain.by_year(years, quarters)
    assert found[2026]["a"].tolist() == [4.0, 8.0]
    assert found[2027]["b"].tolist() == [0.5, 0.5]
    assert quarters[0]["a"].tolist() == [1.0, 2.0]
    with pytest.raises(BadInputError, match="1 quarters are given for 5"):
        chain.by_year(years, quarters[:1])


def test_counts_of_another_fleet_are_refused(made):
    with pytest.raises(BadInputError, match="one row for each vintage"):
        chain.capital(made, np.zeros((2, 1)))
