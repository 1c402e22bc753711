"""Software drivers: none at the start, each by what it claims, frozen on demand, the product the total."""

import numpy as np
import pytest

from drivetrain.demand import drivers, productivity
from drivetrain.demand.classes import mids
from drivetrain.errors import UnknownNameError


@pytest.fixture(scope="module")
def rows():
    return productivity.table()


@pytest.fixture(scope="module")
def at():
    return mids()


def test_all_are_one_at_the_start_and_before(rows, at):
    for year in (2025.0, 2026.0):
        for own in drivers.by_class(year, at, rows).values():
            assert {float(one[0]) for one in own.values()} == {1.0}


def test_capability_costs_and_the_others_save(rows, at):
    for name, own in drivers.by_class(2031.0, at, rows).items():
        for driver, one in own.items():
            assert one[0] <= 1.0 if driver == "capability" else one[0] >= 1.0, (name, driver)


def test_frozen_drivers_stay_at_one_and_leave_the_others(rows, at):
    assert set(drivers.NAMES) == set(drivers.order())
    still = drivers.by_class(2031.0, at, rows, frozen=drivers.NAMES)
    assert all(float(one[0]) == 1.0 for own in still.values() for one in own.values())
    part = drivers.by_class(2031.0, at, rows, frozen=("scheduling",))["agents"]
    full = drivers.by_class(2031.0, at, rows)["agents"]
    assert part["scheduling"] == 1.0
    assert part["engines"] == pytest.approx(full["engines"])
    with pytest.raises(UnknownNameError, match="caching"):
        drivers.by_class(2031.0, at, rows, frozen=("cachin",))


def test_quantisation_is_the_ratio_of_the_models_own_work(rows, at):
    moved = at | {"software.four_bit_start": np.array([1e-9]), "software.four_bit_end": np.array([1.0]),
                  "software.four_bit_years": np.array([1e-3])}  # fmt: skip
    hit = at["agents.cached_frac"]
    expected = rows.work("agents", "gb200-nvl72", "fp8", hit) / rows.work("agents", "gb200-nvl72", "nvfp4", hit)
    assert drivers.by_class(2030.0, moved, rows)["agents"]["quantisation"] == pytest.approx(expected, rel=1e-6)


def test_scheduling_and_selection_reach_what_is_said(rows, at):
    late = drivers.by_class(2200.0, at, rows)
    assert late["chat"]["scheduling"] == pytest.approx(at["software.scheduling_most"])
    routed = float(at["software.routed_most"][0])
    assert 1.0 < late["chat"]["selection"][0] < 1.0 / (1.0 - routed)


def test_caching_never_finds_more_than_everything(rows, at):
    most = at | {"software.cached_most": np.array([5.0])}
    found = drivers.by_class(2100.0, most, rows)["agents"]["caching"]
    assert np.isfinite(found[0])
    assert found[0] > drivers.by_class(2100.0, at, rows)["agents"]["caching"][0]


def test_efficiency_flattens_at_its_floor(rows, at):
    floor = float(at["software.engines_floor"][0])
    assert drivers.by_class(2300.0, at, rows)["chat"]["engines"][0] == pytest.approx(1.0 / floor, rel=1e-6)
    learned = drivers.by_class(2028.0, at, rows, tokens_ratio=100.0)["chat"]["engines"]
    assert learned[0] > drivers.by_class(2028.0, at, rows, tokens_ratio=1.0)["chat"]["engines"][0]


def test_the_mix_weighs_classes_by_their_work(rows, at):
    alone = {name: float(name == "agents") for name in rows.classes}
    mixed, own = drivers.factors(2031.0, at, rows, weights=alone), drivers.by_class(2031.0, at, rows)["agents"]
    for driver in drivers.NAMES:
        assert mixed[driver] == pytest.approx(own[driver])


def test_distillation_is_what_the_serving_model_makes_of_a_smaller_model(rows, at):
    m = float(at["software.shrink_per_year"][0])
    one_year = drivers.by_class(2027.0, at, rows)
    for name in rows.classes:
        assert 1.0 <= one_year[name]["distillation"][0] <= m
