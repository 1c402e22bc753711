"""Back-tests: cut in time, scored as stated, baselines as published, failures named."""

from __future__ import annotations

import numpy as np
import pytest

from drivetrain.catalogue.series import Point, Series, series, year_of
from drivetrain.demand import backtest_models
from drivetrain.demand.backtest import Model, back_test, baselines, cut, failures
from drivetrain.errors import BadInputError


def doubling(n: int = 8, kind: str = "measured") -> Series:
    """A series that doubles every year, one point in each December from 2015."""
    months = [f"{2015 + k}-12" for k in range(n)]
    points = tuple(Point(m, year_of(m), 2.0**k, kind, "x", False, "") for k, m in enumerate(months))
    return Series("doubling", "Doubling", "1", "x", "2026-11", points)


@pytest.fixture(scope="module")
def tests() -> dict:
    return {one.series: one for one in backtest_models.every_test()}


def test_a_cut_parts_what_is_known_from_what_is_to_come():
    known, later = cut(doubling(), "2018-12", "2020-12")
    assert [p.month for p in known.points] == ["2015-12", "2016-12", "2017-12", "2018-12"]
    assert [p.month for p in later] == ["2019-12", "2020-12"]


@pytest.mark.parametrize("month", ["2010-01", "2030-01"])
def test_a_cut_outside_the_series_is_refused(month):
    with pytest.raises(BadInputError, match="both sides"):
        cut(doubling(), month)


def test_somebodys_forecast_is_never_tested_on():
    with pytest.raises(BadInputError, match="both sides"):
        cut(doubling(kind="projected"), "2018-12")


def test_growth_carried_on_is_exact_where_growth_is_even_and_nothing_changes_is_not():
    found = back_test(doubling(), "2019-12", baselines(5, {"two steps": 2}), "")
    for name in ("two steps", "log trend", "damped growth"):
        assert found.score(name).mape_frac == pytest.approx(0.0, abs=1e-4), name
    still = found.score("last value")
    assert still.mape_frac == pytest.approx(np.mean([1 / 2, 3 / 4, 7 / 8]))
    assert still.bias_frac == pytest.approx(-3 / 4)
    assert found.failed == ()


def test_models_see_nothing_after_the_cut():
    seen = []

    def predict(known, later):
        seen.extend(p.month for p in known.points)
        return np.ones(len(later))

    back_test(doubling(), "2018-12", [*baselines(4, {}), Model("spy", "structural", "", predict)], "")
    assert max(seen) == "2018-12"


def test_failures_name_growth_worse_than_none_and_mechanisms_worse_than_arithmetic():
    found = back_test(
        doubling(), "2018-12",
        [*baselines(4, {}), Model("wild", "baseline", "", lambda _k, later: np.full(len(later), 1e9)),
         Model("right", "structural", "", lambda _k, later: np.array([p.value for p in later])),
         Model("off", "conditional", "", lambda _k, later: np.array([2.0 * p.value for p in later]))], "",
    )  # fmt: skip
    assert len(found.failed) == 2
    assert found.failed[0].startswith("wild misses by")
    assert "more than 'nothing changes'" in found.failed[0]
    assert found.failed[1].startswith("off misses by 100.0%, more than the best baseline")
    assert failures([one for one in found.scores if one.model != "off"]) == found.failed[:1]


def test_naive_growth_of_nvidias_revenue_is_as_published(tests):
    found = tests["nvidia-data-centre-revenue"]
    assert [p.month for p in found.test] == ["2025-04", "2025-07", "2025-10", "2026-01", "2026-04"]
    assert found.train[-1].month == "2025-01"
    assert found.score("growth of three quarters").mape_frac == pytest.approx(0.077, abs=0.0005)
    assert found.score("growth of a year").mape_frac == pytest.approx(0.120, abs=0.0005)


def test_every_series_of_the_outlook_is_there_with_baselines(tests):
    assert list(tests) == [
        "nvidia-data-centre-revenue", "data-centre-energy", "installed-h100e", "google-tokens", "matched-model-price",
    ]  # fmt: skip
    for one in tests.values():
        assert {"baseline"} < {score.kind for score in one.scores}
        assert max(p.month for p in one.train) < min(p.month for p in one.test)
        assert one.caution
        assert all(np.isfinite(score.mape_frac) for score in one.scores)


def test_prices_that_fell_for_years_do_not_go_on_falling(tests):
    found = tests["matched-model-price"]
    assert found.score("log trend").bias_frac < -0.2
    assert found.score("last value").mape_frac < found.score("log trend").mape_frac
    assert any(told.startswith("log trend") for told in found.failed)


def test_packaging_forecast_rests_on_what_was_announced_and_the_other_on_what_came(tests, monkeypatch):
    before = tests["nvidia-data-centre-revenue"]
    monkeypatch.setattr(backtest_models, "_known", lambda name: 3.0 if name == "packaging.announced_factor" else 1.0)
    after = backtest_models.revenue()
    assert after.score("packaging, as announced").predicted > before.score("packaging, as announced").predicted
    assert after.score("packaging, as it came").predicted == before.score("packaging, as it came").predicted


def test_packaging_is_fitted_on_quarters_before_the_cut_only(monkeypatch):
    real = series("nvidia-data-centre-revenue")
    known, later = cut(real, "2025-01")
    first = backtest_models._packaged(known, later, backtest_models._announced())
    doubled = tuple(Point(p.month, p.year, 2.0 * p.value, p.kind, p.source, False, "") for p in known.points)
    twice = Series(real.name, real.title, real.unit, real.source, real.seen, doubled)
    assert backtest_models._packaged(twice, later, backtest_models._announced()) == pytest.approx(2.0 * first)


def test_mean_of_a_year_lies_between_its_ends():
    assert backtest_models._mean_of_year(8.0, 2.0) == pytest.approx(np.mean(np.linspace(4, 8, 3)), rel=0.05)
    assert 4.0 < backtest_models._mean_of_year(8.0, 2.0) < 6.0
