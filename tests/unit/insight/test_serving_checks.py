"""What must hold of the checks on memory, serving and software whatever their inputs, beyond the test of all checks."""

from __future__ import annotations

import pytest

from drivetrain.insight.claims.checks import (
    hbm,
    joint_choice,
    lab_shares,
    memory_gates,
    memory_relief,
    memory_wall,
    serving_share,
    software,
    supply,
    system,
)
from drivetrain.insight.claims.ledger import all_checks


def defaults(name: str) -> dict[str, float]:
    return {key: item.value for key, item in all_checks()[name].inputs().items()}


def test_crossover_goes_with_the_ratio_of_rates():
    v = defaults("A55")
    doubled = memory_gates.crossover_batch({**v, "flops": 2.0 * v["flops"]})
    assert doubled == pytest.approx(2.0 * memory_gates.crossover_batch(v))
    assert memory_gates.crossover_batch({**v, "bandwidth": 2.0, "flops": 2.0}) == pytest.approx(doubled / 2.0)


def test_measured_speedups_are_of_models_run_on_one_gpu_of_each_kind():
    found = memory_relief.measured_speedups()
    assert len(found) == 2  # Llama 3.1 8B and Gemma 3 27B; the others needed more than one H100
    assert all(1.0 < ratio < 2.3 for ratio in found)


def test_a_token_at_batch_one_hardly_feels_flops():
    v = defaults("A41")
    assert memory_wall.gain_from_flops({**v, "batch": 1}) < memory_wall.gain_from_flops({**v, "batch": 64})


@pytest.mark.parametrize("usd", [0.5, 1.3, 2.9, 6.0])
@pytest.mark.parametrize("limit_s", [0.02, 0.05])
def test_choosing_together_is_never_dearer(usd, limit_s):
    v = {**defaults("A70"), "b200_usd_per_hour": usd, "tpot_s": limit_s}
    assert joint_choice.regret_of_separate_choices(v) >= 1.0


@pytest.mark.parametrize("usd", [1.0, 3.0, 9.0])
def test_training_choice_never_serves_cheaper_than_the_best(usd):
    assert serving_share.regret_of_training_choice({**defaults("A61"), "b200_usd_per_hour": usd}) >= 1.0


def test_all_mended_reaches_the_bound():
    v = defaults("A71")
    assert system.reached_frac({**v, "mended": 1.0}) == pytest.approx(1.0)
    assert system.reached_frac(v) < system.reached_frac({**v, "mended": 0.5}) < 1.0


def test_a_driver_without_a_range_explains_nothing():
    v = defaults("A63")
    assert serving_share.tornado({**v, "used_low": v["used_high"]})["utilisation"] == 0.0
    assert serving_share.tornado({**v, "links_low": 1.0, "links_high": 1.0})["links"] == pytest.approx(0.0)


def test_keeping_the_whole_cache_saves_no_accelerator():
    v = {**defaults("A67"), "kept_frac": 1.0}
    assert software.accelerators_saved(v) == 1.0
    assert software.accelerators_saved({**v, "input_tokens": 60000}) == 1.0


def test_recoveries_are_sorted_and_of_the_students_asked_for():
    every, some = software.recoveries("distilled"), software.recoveries("distilled", stand_ins=software.STUDENTS)
    assert every == sorted(every)
    assert 0 < len(some) < len(every)


def test_a_tighter_limit_is_never_cheaper():
    v = defaults("A62")
    assert serving_share.cost_of_latency({**v, "tight_s": 0.012}) >= serving_share.cost_of_latency(v) >= 1.0


def test_shares_with_constant_odds_stay():
    v = defaults("A59")
    assert lab_shares.share_by_trend({**v, "share_2023": 0.4, "share_2025": 0.4}) == pytest.approx(0.4)


def test_bandwidth_of_a_package_is_that_of_its_stacks():
    v = defaults("A54")
    assert hbm.package_bandwidth(v) == pytest.approx(8 * hbm.package_bandwidth({**v, "stacks": 1}))


def test_faster_growth_exceeds_earlier():
    v = defaults("A72")
    assert supply.year_of_exceeding({**v, "compute_growth": 4.0}) < supply.year_of_exceeding(v)


def test_no_hit_is_worth_nothing():
    assert system.worth_of_reuse({**defaults("A40"), "hit_frac": 0.0}) == 1.0
