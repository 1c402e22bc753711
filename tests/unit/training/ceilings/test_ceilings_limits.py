"""The five limits by hand, the binding one by year, what doubling is worth, bad input."""

import numpy as np
import pytest

from drivetrain.catalogue.ceilings import spread, spreads
from drivetrain.errors import BadInputError, UnknownNameError
from drivetrain.training.ceilings.draws import Draws, changed
from drivetrain.training.ceilings.largest import YEARS, largest_runs, paths, worth_of_doubling
from drivetrain.training.ceilings.limits import LIMITS, chips, duration_s, latency, power, power_w, spend

DAY_S = 86400.0


class Middle(Draws):
    """Every quantity at its middle value; events happen where they are likelier than not."""

    def __getitem__(self, name):
        return np.array([self._known[name].mid])

    def chance(self, name):
        return np.array([self._known[name].mid > 0.5])


MIDDLE = Middle(spreads(), 1)


def test_runs_get_longer_until_they_do_not():
    assert duration_s(MIDDLE, 2025)[0] == 140 * DAY_S
    assert duration_s(MIDDLE, 2026)[0] == pytest.approx(196 * DAY_S)
    assert duration_s(MIDDLE, 2027)[0] == duration_s(MIDDLE, 2035)[0] == 274 * DAY_S


def test_power_of_2030_by_hand():
    """5 GW over 1,700 W / 1.28^6 an H100: 12.9 million of them, at 36 % of 989 TFLOP/s, times 1.6, for 274 days."""
    assert power_w(MIDDLE, 2025)[0] == pytest.approx(300e6)
    assert power_w(MIDDLE, 2030)[0] == pytest.approx(5e9)
    n = 5e9 / (1700 / 1.28**6)
    assert n == pytest.approx(12.9e6, rel=0.01)
    assert power(MIDDLE, 2030)[0] == pytest.approx(n * 989e12 * 0.36 * 1.6 * 274 * DAY_S, rel=1e-9)


def test_chips_of_2026_by_hand():
    expected = 15e6 * 2.3 * 0.06 * 989e12 * 0.36 * 1.6**0.2 * 196 * DAY_S
    assert chips(MIDDLE, 2026)[0] == pytest.approx(expected, rel=1e-9)


def test_spending_by_hand_and_its_cap():
    assert spend(MIDDLE, 2025)[0] == pytest.approx(5e26)
    assert spend(MIDDLE, 2027)[0] == pytest.approx(5e26 * 2.4**2 * 1.3**2 * 1.6**0.4, rel=1e-9)
    assert spend(MIDDLE, 2040)[0] / spend(MIDDLE, 2039)[0] == pytest.approx(1.3)


def test_latency_goes_with_the_square_of_time():
    assert latency(MIDDLE, 2030)[0] == pytest.approx(2e31 * (274 / 91) ** 2)


def test_money_binds_first_and_power_and_data_later():
    found = {one.year: one for one in largest_runs()}
    assert tuple(found) == YEARS
    assert found[2026].binds == "spend"
    assert found[2026].binding["spend"] > 0.7
    assert found[2030].binding["power"] > found[2030].binding["chips"] > found[2030].binding["latency"]
    assert found[2035].binding["data"] > found[2030].binding["data"] > found[2026].binding["data"]
    for one in found.values():
        assert sum(one.binding.values()) == pytest.approx(1.0)
        assert one.largest.p50 <= min(limit.p50 for limit in one.limits.values())


def test_the_estimates_of_epoch_lie_within_the_ranges():
    """Power of one campus or of joined sites 1e28 to 2e30, chips about 9e29, latency 3e30 to 1e32 (2030)."""
    limits = largest_runs([2030])[0].limits
    assert 1e28 < limits["power"].p10 < limits["power"].p90 < 2e30
    assert limits["chips"].p10 < 9e29 < limits["chips"].p90
    assert limits["data"].p10 < 6e28 < limits["data"].p90
    assert limits["latency"].p10 < 1e32


def test_the_run_of_2025_was_possible():
    found = paths([2025])
    assert 0.7 < found.kept_frac < 1.0
    assert np.all(found.least(("power", "chips", "data", "latency"))[:, 0] >= found.start_flops)


def test_doubling_what_binds_is_worth_more():
    gains = worth_of_doubling(2030, ["spend.usd", "power.campus", "latency.wall"], n=4000)
    assert gains["latency.wall"] == pytest.approx(1.0, abs=1e-6)
    assert 1.0 < gains["power.campus"] < 2.0
    assert 1.0 < gains["spend.usd"] < 2.0


def test_seeds_and_streams():
    first, second, other = (largest_runs([2030], n=2000, seed=s)[0].largest for s in (1, 1, 2))
    assert first == second != other
    one, two = Draws(spreads(), 50), Draws(changed({"chips.stock": 3.0}), 50)
    assert np.array_equal(one["chips.growth"], two["chips.growth"])
    assert two["chips.stock"] == pytest.approx(3.0 * one["chips.stock"])


def test_every_limit_uses_only_known_spreads():
    used = set()

    class Noted(Draws):
        def __getitem__(self, name):
            used.add(name)
            return super().__getitem__(name)

        def chance(self, name):
            used.add(name)
            return super().chance(name)

    d = Noted(spreads(), 3)
    for limit in LIMITS.values():
        limit(d, 2030)
    assert used | {"run.flops"} == set(spreads())  # and every spread of the file is used


def test_unknown_names_and_wrong_years():
    with pytest.raises(UnknownNameError, match=r"power\.campus"):
        largest_runs([2030], scaled={"power.campos": 2.0})
    with pytest.raises(UnknownNameError, match=r"chips\.stock"):
        spread("chips.stok")
    for factor in (0.0, -1.0, float("nan")):
        with pytest.raises(BadInputError, match="factor"):
            largest_runs([2030], scaled={"power.campus": factor})
    for years in ([], [2024], [2100], [2030.5]):
        with pytest.raises(BadInputError, match="years"):
            largest_runs(years)
    with pytest.raises(BadInputError, match="draws"):
        largest_runs([2030], n=0)
    with pytest.raises(BadInputError, match="2025"):
        largest_runs([2030], scaled={"power.now": 1e-6}, n=100)
