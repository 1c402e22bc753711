"""The claim of a stop by 2030: slower growth is likely, a stop is not, four ceilings at once are not."""

import pytest

from drivetrain.errors import BadInputError
from drivetrain.training.ceilings.claim import growth_claim


def test_the_claim_as_made():
    test = growth_claim()
    assert test.slows > 2 / 3
    assert test.stops < 1 / 3
    assert test.all_below < 0.01
    assert test.below_trend["latency"] < 0.01
    assert max(test.first, key=test.first.get) == "power"
    assert 2.0 < test.growth_reached.p50 < 4.0
    assert 2027 <= test.year_met <= 2030
    assert "likely" in test.verdict.split(";")[0]
    assert "unlikely" in test.verdict.split(";")[1]


def test_2e29_flop_by_2030_is_within_reach():
    test = growth_claim()
    assert 0.2 < test.feasible_2e29 < 0.8
    assert test.physical.p10 < 2e29 < test.physical.p90


def test_the_trend_is_the_trend():
    test = growth_claim(4.0, 2030, n=5000)
    assert test.trend_flops.p50 == pytest.approx(5e26 * 4**5, rel=0.1)


def test_slow_growth_meets_nothing():
    test = growth_claim(1.3, 2030, n=5000)
    assert test.slows < 0.1
    assert test.year_met is None
    assert "unlikely" in test.verdict.split(";")[0]


def test_without_the_ceilings_of_power_chips_and_data_it_goes_on():
    free = {"power.campus": 50.0, "power.network": 50.0, "chips.share": 1.0, "chips.stock": 50.0, "data.text": 1e4,
            "data.all": 1e4}  # fmt: skip
    assert growth_claim(scaled=free, n=5000).slows < 0.05


@pytest.mark.parametrize(("growth", "year"), [(1.0, 2030), (0.5, 2030), (float("nan"), 2030), (4.0, 2026)])
def test_claims_that_are_none(growth, year):
    with pytest.raises(BadInputError):
        growth_claim(growth, year)
