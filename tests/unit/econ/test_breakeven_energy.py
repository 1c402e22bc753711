import pytest

from drivetrain.econ.breakeven import ApiPrice, TokenFlow, api_usd_per_hour, utilisation
from drivetrain.econ.energy import carbon_g_per, draw, per_day, tokens_per_megawatt
from drivetrain.errors import BadInputError

PRICE = ApiPrice(input_usd=0.3, output_usd=1.2, cached_usd=0.03)
FLOW = TokenFlow(input=4000.0, cached=1000.0, output=500.0)


def test_the_bill_is_what_each_sort_of_token_costs():
    assert api_usd_per_hour(PRICE, FLOW) == pytest.approx((4000 * 0.3 + 1000 * 0.03 + 500 * 1.2) * 3600 / 1e6)


def test_at_break_even_both_ways_cost_the_same():
    full = FLOW.scaled(1.6)
    share = utilisation(2.5, api_usd_per_hour(PRICE, full))
    assert api_usd_per_hour(PRICE, full.scaled(share)) == pytest.approx(2.5)


def test_against_what_costs_nothing_there_is_no_break_even():
    assert utilisation(2.5, 0.0) is None


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
def test_prices_and_flows_that_are_no_amounts_are_named(bad):
    with pytest.raises(BadInputError, match="output_usd"):
        ApiPrice(0.1, bad, 0.1)
    with pytest.raises(BadInputError, match="cached"):
        TokenFlow(1.0, bad, 1.0)
    with pytest.raises(BadInputError, match="fixed"):
        utilisation(bad, 1.0)


def test_a_fleets_power_by_hand():
    found = draw(n=4, busy_frac=0.75, mean_w=500.0, idle_w=100.0, host_w=200.0, pue=1.2, idle_n=2)
    assert found.idle == pytest.approx(4 * 25 + 2 * 100)
    assert found.active == pytest.approx(4 * 475)
    assert found.host == pytest.approx(6 * 200)
    assert found.total == pytest.approx(1.2 * (4 * 500 + 2 * 100 + 1200))


def test_a_request_a_day_and_their_carbon():
    found = draw(n=1, busy_frac=1.0, mean_w=600.0, idle_w=80.0, host_w=200.0, pue=1.25)
    assert sum(found.joules_per(2.0).values()) == pytest.approx(500.0)
    assert carbon_g_per(found, 2.0, 360.0) == pytest.approx(0.05)
    assert per_day(found)["joules"] == pytest.approx(86.4e6)
    assert per_day(found)["carbon_g"] is None
    assert per_day(found, 400.0)["carbon_g"] == pytest.approx(86.4e6 / 3.6e6 * 400)


def test_tokens_per_megawatt_are_a_million_times_tokens_per_joule():
    assert tokens_per_megawatt(1000.0, 4000.0) == pytest.approx(1e6 / 4.0)


@pytest.mark.parametrize(("name", "value"), [("pue", 0.9), ("busy_frac", 1.1), ("mean_w", -1.0), ("n", float("nan"))])
def test_power_that_cannot_be_is_named(name, value):
    usual = {"n": 1, "busy_frac": 0.5, "mean_w": 300.0, "idle_w": 80.0, "host_w": 200.0, "pue": 1.2}
    with pytest.raises(BadInputError, match=name):
        draw(**usual | {name: value})


def test_nothing_served_has_no_energy_for_each():
    found = draw(n=1, busy_frac=0.0, mean_w=80.0, idle_w=80.0, host_w=200.0, pue=1.2)
    with pytest.raises(BadInputError, match="rate_per_s"):
        found.joules_per(0.0)
