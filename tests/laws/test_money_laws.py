"""Laws of money and energy: parts sum, dearer inputs cost more, what is split is all there, no rate is no interest."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.econ.breakeven import ApiPrice, TokenFlow, api_usd_per_hour, utilisation
from drivetrain.econ.energy import draw
from drivetrain.econ.lifetime import MEASURES, Site, serving_bill, serving_shares, tokens_for, training_bill
from drivetrain.econ.split import Shares, per_million
from drivetrain.econ.tco import Hardware, Terms, capital_for, hourly, yearly_capital

usd = st.floats(0.0, 2e5)
hardware = st.builds(Hardware, usd, usd, usd, st.floats(0.05, 5.0))
terms = st.builds(
    Terms,
    discount_rate_frac=st.floats(0.0, 0.5), server_years=st.floats(1.0, 12.0), load_frac=st.floats(0.0, 1.0),
    pue=st.floats(1.0, 2.5), usd_per_kwh=st.floats(0.0, 1.0), residual_frac=st.floats(0.0, 1.0),
    maintenance_frac=st.floats(0.0, 0.3), staff_usd_per_year=st.floats(0.0, 1e4),
    facility_usd_per_kw=st.floats(0.0, 4e4), facility_years=st.floats(5.0, 40.0),
    colocation_usd_per_kw_month=st.floats(0.0, 500.0),
)  # fmt: skip


@given(hardware, terms)
def test_the_parts_sum_to_the_hour(bought, on):
    found = hourly(bought, on)
    assert sum(found.parts.values()) == pytest.approx(found.total)
    assert min(found.parts.values()) >= 0


@given(hardware, terms, st.sampled_from(["discount_rate_frac", "pue", "usd_per_kwh", "maintenance_frac", "load_frac",
                                         "staff_usd_per_year", "facility_usd_per_kw", "colocation_usd_per_kw_month"]),
       st.floats(0.0, 0.5))  # fmt: skip
def test_more_of_any_term_never_costs_less(bought, on, name, more):
    value = getattr(on, name)
    higher = min(value * (1 + more) + more, 1.0) if name.endswith("_frac") else value * (1 + more) + more
    assert hourly(bought, replace(on, **{name: max(higher, value)})).total >= hourly(bought, on).total * (1 - 1e-9)


@given(hardware, terms, st.floats(1.0, 10.0))
def test_dearer_hardware_costs_more_and_longer_lives_less(bought, on, factor):
    once = hourly(bought, on).total
    assert hourly(bought.at(bought.capital_usd * factor), on).total >= once * (1 - 1e-9)
    kept = replace(on, residual_frac=0.0)
    longer = replace(kept, server_years=on.server_years * factor, facility_years=on.facility_years * factor)
    assert hourly(bought, longer).total <= hourly(bought, kept).total * (1 + 1e-9)


@given(usd, st.floats(1.0, 30.0), st.floats(0.0, 1.0))
def test_without_interest_recovering_capital_is_plain_division(price, years, residual):
    assert yearly_capital(price, 0.0, years, residual) == pytest.approx(price * (1 - residual) / years, abs=1e-9)


@given(st.floats(100.0, 1e5), st.floats(0.1, 4.0), terms.filter(lambda t: t.residual_frac < 0.9))
def test_solving_for_the_price_undoes_the_hour(price, kw, on):
    hour = hourly(Hardware(price, 0.0, 0.0, kw), on).total
    assert capital_for(hour, kw, on) == pytest.approx(price, rel=1e-6)


@given(st.floats(0.0, 1e5), st.floats(0.01, 1.0), st.floats(0.0, 1.0), st.floats(1.0, 1e6), st.floats(1.0, 1e6),
       st.floats(1.0, 1e6))  # fmt: skip
def test_money_split_over_tokens_is_all_there(hour, prefill, hits, computed, cached, output):
    shares = Shares(prefill * (1 - hits), prefill * hits, 1 - prefill, 0.1)
    flow = TokenFlow(computed, cached, output)
    cost = per_million(hour, shares, flow)
    back = (cost.input * computed + cost.cached * cached + cost.output * output) * 3600 / 1e6
    assert back == pytest.approx(hour, rel=1e-9, abs=1e-12)


@given(st.floats(1, 1e4), st.floats(0, 1), st.floats(50, 2000), st.floats(0, 200), st.floats(0, 800), st.floats(1, 2.5),
       st.floats(0, 100), st.floats(1e-3, 1e4))  # fmt: skip
def test_energy_by_part_is_all_there_and_grows_with_the_facility(n, busy, mean, idle, host, pue, spare, rate):
    found = draw(n=n, busy_frac=busy, mean_w=mean, idle_w=idle, host_w=host, pue=pue, idle_n=spare)
    assert found.total == pytest.approx(pue * (n * (mean + host) + spare * (idle + host)))
    assert sum(found.joules_per(rate).values()) * rate == pytest.approx(found.total)
    more = draw(n=n, busy_frac=busy, mean_w=mean, idle_w=idle, host_w=host, pue=pue + 0.1, idle_n=spare)
    assert more.total >= found.total


@given(st.floats(0.01, 100.0), st.floats(0.01, 10.0), st.floats(0.0, 10.0), st.floats(0.01, 30.0))
def test_break_even_is_where_both_cost_the_same(own, price_in, price_cached, price_out):
    price, flow = ApiPrice(price_in, price_out, price_cached), TokenFlow(3000.0, 500.0, 700.0)
    share = utilisation(own, api_usd_per_hour(price, flow))
    assert api_usd_per_hour(price, flow.scaled(share)) == pytest.approx(own)


@given(st.floats(0.01, 0.99), st.floats(1e8, 1e12), st.floats(1e9, 1e14), st.floats(0.05, 0.6), st.floats(0.01, 0.6),
       st.floats(1.0, 20.0))  # fmt: skip
def test_a_share_of_serving_is_reached_at_the_tokens_that_are_said_to_reach_it(share, n, d, train, serve, whole):
    one, two = Site(1e15, train, 1000.0, 2.0), Site(1e15, serve, 900.0, 1.5)
    training, per_token = training_bill(n, d, one, whole), serving_bill(n, two)
    tokens = tokens_for(share, training, per_token)
    for measure in MEASURES:
        assert serving_shares(training, per_token, tokens[measure])[measure] == pytest.approx(share)
        assert serving_shares(training, per_token, 2 * tokens[measure])[measure] >= share
