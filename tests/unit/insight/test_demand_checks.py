"""Checks of essay 004 beyond what every check is tested for: the runs they share, and what their parts must obey."""

from __future__ import annotations

import math

import numpy as np
import pytest

from drivetrain.catalogue.spreads import spreads
from drivetrain.insight.claims import ledger, outlooks
from drivetrain.insight.claims.checks import demand_elasticity, demand_load, demand_serving, demand_tasks

CHECKS = ledger.all_checks()


def values(name: str) -> dict[str, float]:
    return {key: item.value for key, item in CHECKS[name].inputs().items()}


@pytest.fixture(scope="module")
def base() -> dict[str, float]:
    return {key: item.value for key, item in outlooks.outlook_inputs().items()}


def test_inputs_of_an_outlook_are_the_catalogues_and_only_those_asked_for_are_moved():
    found = outlooks.outlook_inputs(ranged=("training_growth",))
    row = spreads("supply")["training.growth"]
    assert (found["training_growth"].low, found["training_growth"].value) == (row.low, row.mid)
    assert [name for name, item in found.items() if item.low is not None] == ["training_growth"]


def test_an_input_fixes_its_quantity_in_every_draw_and_leaves_the_others_as_they_were(base):
    first, second = outlooks.ran(base).world, outlooks.ran({**base, "training_growth": 3.0}).world
    assert np.all(second.at["training.growth"] == pytest.approx(3.0))
    assert np.array_equal(first.at["market.markup"], second.at["market.markup"])
    assert np.ptp(first.at["market.markup"]) > 0.0


def test_a_run_is_made_once(base):
    assert outlooks.ran(base) is outlooks.ran(dict(base))
    assert outlooks.ran(base) is not outlooks.ran({**base, "adoption_speed": 0.5})


def test_a_quantity_may_be_nothing(base):
    found = outlooks.ran({**base, "arrival_zeta": 0.0})
    assert np.isfinite(found.years[-1].total_flop).all()


def test_adoption_speed_multiplies_every_class(base):
    slow = outlooks.ran({**base, "adoption_speed": 0.5}).world
    for one in slow.tasks:
        assert slow.at[f"{one.name}.imitation"] == pytest.approx(0.5 * spreads("demand")[f"{one.name}.imitation"].mid)


def test_tasks_that_leave_leave_every_class(base):
    less = outlooks.ran({**base, outlooks.KEPT: 0.5})
    ratio = less.years[-1].tokens.sum(axis=0) / outlooks.ran(base).years[-1].tokens.sum(axis=0)
    assert (ratio < 1.0).all()


def test_without_gains_of_software_tokens_cost_more(base):
    gains, none = outlooks.ran(base), outlooks.ran(base, frozen=True)
    assert np.median(gains.years[-1].price_usd_per_token) < np.median(none.years[-1].price_usd_per_token)


@pytest.mark.parametrize("name", ["B17", "B19", "B20"])
def test_dearer_tokens_leave_fewer_tasks_worth_doing(name):
    v = values(name)
    shares = [demand_tasks.viable(v, price) for price in (0.0, v["usd_per_token_2026"], v["usd_per_token_2023"], 1.0)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == pytest.approx(0.0, abs=1e-4)


def test_a_class_that_was_viable_before_is_not_said_to_have_become_so():
    (cheap,) = ledger.run(["B19"], {"input_tokens": 100.0, "output_tokens": 100.0})
    assert cheap.verdict == "too loose"
    (as_shipped,) = ledger.run(["B19"])
    assert as_shipped.verdict in ("holds", "holds under conditions")


@pytest.mark.parametrize("owners", [0.0, 1.0])
def test_bills_add_up_and_are_one_where_both_buy_the_same(owners):
    v = {**values("B12"), "owners_parts": owners}
    (train, first), (serve, second) = demand_serving.bills(v).values()
    assert sum(first.values()) == pytest.approx(1.0)
    assert sum(second.values()) == pytest.approx(1.0)
    same = {**v, "network_training": 0.15, "network_serving": 0.15}
    if train == serve:
        assert demand_serving.overlap(same) == pytest.approx(1.0)
    else:
        assert demand_serving.overlap(same) <= 1.0 - min(first[train], second[serve])


def test_a_year_in_which_nothing_is_sold_is_refused():
    with pytest.raises(ledger.DrivetrainError, match="B12 cannot be computed"):
        ledger.run(["B12"], {"year": 1990.0})


def test_gains_of_serving_software_multiply():
    v = values("B30")
    gains = demand_serving.software_gains(v)
    assert demand_serving.software_gain(v) == pytest.approx(math.prod(gains.values()))
    assert demand_serving.software_gains({**v, "routed": 0.0})["routing to a smaller model"] == pytest.approx(1.0)
    assert demand_serving.software_gains({**v, "prefix_hit": 0.0})["caching"] == pytest.approx(1.0)


def test_power_at_night_lies_between_idle_and_full():
    v = values("B26")
    idle = (v["idle_w"] + v["host_w"]) / (v["tdp_w"] + v["host_w"])
    assert idle < demand_load.night_power(v) < 1.0
    assert demand_load.night_power({**v, "quietest_over_mean": v["busiest_over_mean"]}) == pytest.approx(1.0)


def test_elasticity_of_a_claim_is_the_models_own(base):
    found = outlooks.ran(base)
    by_class = demand_elasticity.elasticity(found)
    assert by_class.shape == (outlooks.DRAWS,)
    assert demand_elasticity.mean_elasticity(base) == pytest.approx(float(np.median(by_class)))


def test_odds_of_a_claim_are_the_models_own(base):
    from drivetrain.demand.question import answer

    found = outlooks.ran(base)
    again = next(one for one in answer(found.world, found.years) if one.measure == "compute" and one.limited)
    assert demand_elasticity.probability_grows(base) == again.probability
