"""Productivity comes from the serving model: it agrees with the closed form, responds to hardware, is kept on disk."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from drivetrain.catalogue import loader
from drivetrain.demand import kept, productivity
from drivetrain.demand.classes import mids
from drivetrain.demand.served import RATES_SCALED, Case, best, parts
from drivetrain.errors import UnknownNameError
from drivetrain.serving.deployment import cut, deploy
from drivetrain.serving.slo import parse_slo
from drivetrain.serving.steady import max_rate, prepare

FP8 = (("fp8", ("bf16", "fp8")),)
SMALL = Case("chat", ("qwen3-8b", "qwen3-1.7b"), (("tp1",), ("tp1",)), 1800.0, 500.0, "ttft_mean=4s,tpot_mean=40ms")


@pytest.fixture(scope="module")
def rows():
    return productivity.table()


def test_the_best_run_is_what_the_closed_form_says_a_replica_takes():
    from drivetrain.arch.layout import parse_layout
    from drivetrain.cost.efficiency import collective_coefficients, efficiency
    from drivetrain.serving.lengths import Lengths

    part = parts(("h100-sxm-80gb",))[0]
    work, _, layouts = best([SMALL], [part], FP8, (0.5,), "vllm-0.19")
    engine, model = loader.load("engines", "vllm-0.19"), loader.load("models", "qwen3-8b")
    eff = efficiency(engine.family, part.offer.hardware.generation, engine.released)
    lengths = Lengths(np.ones(1), np.array([1800.0]), np.array([500.0]), np.array([900.0]), 1.0)
    most = 0.0
    for checkpoint in (c for c in model.checkpoints if c.weight_dtype in ("bf16", "fp8", "fp8_block")):
        piece = cut(model, checkpoint, parse_layout("tp1"), checkpoint.kv_dtype)
        deployment = deploy(piece, part.offer.hardware, engine, eff, collective_coefficients(engine.family))
        for budget in (512.0, 8192.0):
            ready = prepare(deployment, lengths, budget, 1024.0, parse_slo(SMALL.targets))
            most = max(most, max_rate(ready, parse_slo(SMALL.targets)))
    assert 1.0 / work[0, 0, 0, 0, 0] == pytest.approx(most * 2300.0, rel=0.03)
    assert layouts["chat", part.name, "fp8"].startswith("tp1 ")


def test_every_current_accelerator_serves_every_class(rows):
    for vintage in ("h100-sxm-80gb", "h200-sxm-141gb", "gb200-nvl72", "mi355x", "tpu-v7x", "rubin-nvl72"):
        for name in rows.classes:
            assert 50.0 < rows.tokens_per_s(name, vintage) < 1e6


def test_the_unit_is_worth_one_and_newer_parts_more(rows):
    power = rows.power
    assert power[rows.unit] == pytest.approx(1.0)
    line = ["a100-sxm-80gb", "h100-sxm-80gb", "h200-sxm-141gb", "gb200-nvl72", "rubin-nvl72",
            *(productivity.later("rubin-nvl72", k) for k in range(1, 6))]  # fmt: skip
    assert [power[name] for name in line] == sorted(power[name] for name in line)
    assert 1.2 < power["h200-sxm-141gb"] < 2.5
    assert 2.0 < power["gb200-nvl72"] < 6.0


def test_lower_precision_never_costs_more_work(rows):
    for c in range(len(rows.classes)):
        for v in range(len(rows.vintages)):
            by_state = rows.work_s[c, v, :, 0, 0]
            assert all(a >= b or math.isinf(a) for a, b in pairwise(by_state))
    assert rows.power_in("nvfp4")["gb200-nvl72"] > 1.2 * rows.power["gb200-nvl72"]
    assert rows.power_in("nvfp4")["h100-sxm-80gb"] == pytest.approx(1.0)


def test_cached_prompts_cost_less_in_a_straight_line(rows):
    at = [float(rows.work("agents", "gb200-nvl72", cached=share)) for share in (0.0, 0.45, 0.9)]
    assert at[0] > at[1] > at[2] > 0.0
    assert at[1] == pytest.approx((at[0] + at[2]) / 2)


def test_the_straight_line_is_close_to_the_model_in_between():
    part = parts(("gb200-nvl72",))[0]
    work, _, _ = best([SMALL], [part], FP8, (0.0, 0.45, 0.9), "vllm-0.19")
    low, middle, high = work[0, 0, 0, 0]
    assert middle == pytest.approx((low + high) / 2, rel=0.15)


def test_doubling_a_rate_never_makes_a_part_worse_and_all_of_them_make_it_about_twice_as_good():
    part = parts(("h200-sxm-141gb",))[0]
    made = [part, *(part.scaled(rate, {rate: 2.0}) for rate in RATES_SCALED),
            part.scaled("all", dict.fromkeys(RATES_SCALED, 2.0))]  # fmt: skip
    work, _, _ = best([SMALL], made, FP8, (0.0,), "vllm-0.19")
    gains = work[0, 0, 0, 0, 0] / work[0, :, 0, 0, 0]
    assert np.all(gains > 0.99)
    assert 1.5 < gains[-1] < 2.3
    assert gains[-1] > gains[1:-1].max()


def test_projected_generations_are_exact_at_the_mids_and_follow_the_rates(rows):
    centre = mids()
    first, *_, last = productivity.projected(centre, rows)
    assert first.units == pytest.approx(rows.power["rubin-nvl72+1"])
    assert last.from_year > first.from_year > rows.first_year["rubin-nvl72"]
    better = centre | {"projected.hbm_bytes_per_s": centre["projected.hbm_bytes_per_s"] * 1.2}
    moved = productivity.projected(better, rows)[0]
    assert moved.units / first.units == pytest.approx(1.2 ** rows.exponents["hbm_bytes_per_s"])
    assert all(exponent > 0.0 for exponent in rows.exponents.values())
    assert 0.6 < sum(rows.exponents.values()) < 1.2


def test_the_separable_form_says_how_wrong_it_is(rows):
    error = rows.error
    assert 0.0 < error.mean_frac < 0.4
    assert error.max_frac > error.mean_frac
    exact = replace(rows, classes=rows.classes[:1], weights=np.ones(1), cached=rows.cached[:1])
    assert exact.error.max_frac == pytest.approx(0.0, abs=1e-12)


def test_tokens_and_units_convert_and_use_is_solved_for(rows):
    rates = {name: np.array([1e6]) for name in rows.classes}
    units = rows.units(rates)
    assert units == pytest.approx(sum(1e6 * need for need in rows.need_s.values()))
    twice = {name: np.array([2.0]) for name in rows.classes}
    assert rows.units(rates, twice) == pytest.approx(units / 2)
    assert rows.use_frac(rates, np.array([4.0 * units[0]])) == pytest.approx(0.25)


def test_the_tokens_of_the_start_are_a_small_part_of_what_the_fleet_of_the_start_could_serve(rows):
    """15 million H100 equivalents, about half of them serving: public counts of tokens explain under a fifth."""
    at = mids()
    rate = at["world.tokens_per_month"] * 12.0 / 31_536_000.0
    rates = {name: share * rate for name, share in zip(rows.classes, rows.weights, strict=True)}
    assert 0.4 <= at["world.inference_frac"][0] <= 2.0 / 3.0
    assert 0.02 < rows.use_frac(rates, 15e6 * at["world.inference_frac"])[0] < 0.2


def test_energy_is_between_the_idle_and_the_full_draw_of_part_and_host(rows):
    for vintage in ("h100-sxm-80gb", "gb200-nvl72"):
        tdp = loader.load("accelerators", vintage).tdp_w
        assert 0.5 * tdp < rows.watts(vintage) < 2.5 * tdp


def test_unknown_names_are_told(rows):
    with pytest.raises(UnknownNameError, match="gb200-nvl72"):
        rows.work("agents", "gb200")
    with pytest.raises(UnknownNameError, match="agents"):
        rows.work("agent", "gb200-nvl72")


def test_the_table_is_kept_and_computed_anew_when_an_input_moves(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "cache_folder", lambda: tmp_path)
    calls = []

    def compute(*arguments):
        calls.append(arguments)
        return np.array([[1.0, np.inf]]), np.array([[2.0, 3.0]]), {("a", "b", "c"): "tp1 fp8"}

    made = parts(("h100-sxm-80gb",))
    asked = ([SMALL], made, FP8, (0.0,), "vllm-0.19", ())
    first = kept.kept(compute, *asked)
    again = kept.kept(compute, *asked)
    assert len(calls) == 1
    assert again[2] == first[2] == {("a", "b", "c"): "tp1 fp8"}
    np.testing.assert_array_equal(again[0], first[0])
    faster = [made[0].scaled("h100-sxm-80gb", {"flops": 1.01})]
    kept.kept(compute, [SMALL], faster, FP8, (0.0,), "vllm-0.19", ())
    assert len(calls) == 2
    next(iter(tmp_path.glob("productivity-*.json"))).write_text("not json")
    kept.kept(compute, *asked)
    kept.kept(compute, [SMALL], faster, FP8, (0.0,), "vllm-0.19", ())
    assert len(calls) == 3
