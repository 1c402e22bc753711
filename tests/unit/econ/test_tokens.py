import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.econ.tokens import carbon_g, usd_per_million, wall_power_w

positive = st.floats(1e-3, 1e6)


def test_dollars_per_million_tokens_by_hand():
    assert usd_per_million(2.0, 500.0) == pytest.approx(2.0 / (500.0 * 3600.0 / 1e6))


@given(positive, positive, st.floats(1.0, 100.0))
def test_tokens_cost_in_proportion_to_the_fleet_and_inversely_to_its_speed(usd, speed, factor):
    assert usd_per_million(usd * factor, speed * factor) == pytest.approx(usd_per_million(usd, speed))
    assert usd_per_million(usd, speed * factor) == pytest.approx(usd_per_million(usd, speed) / factor)


@given(st.integers(1, 10000), positive, positive, st.floats(1.0, 2.0))
def test_the_meter_sees_accelerators_hosts_and_overhead(n, accelerator, host, pue):
    assert wall_power_w(n, accelerator, host, pue) == pytest.approx(n * wall_power_w(1, accelerator, host, pue))
    assert wall_power_w(n, accelerator, host, pue) >= n * accelerator
    assert wall_power_w(8, 700.0, 300.0, 1.25) == 10000.0


def test_carbon_of_a_kilowatt_hour_is_the_grid_intensity():
    assert carbon_g(3.6e6, 250.0) == 250.0
    assert carbon_g(0.0, 250.0) == 0.0
