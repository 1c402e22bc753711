"""A power cap: the clock it leaves, what slows, what is provisioned."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from technique_machines import DENSE, deployment, hardware, prepared

from drivetrain.catalogue import loader
from drivetrain.cost.efficiency import IDEAL
from drivetrain.cost.roofline import rates
from drivetrain.errors import UnsupportedError
from drivetrain.serving.steady import at_rate, max_rate
from drivetrain.serving.techniques.power import LEAST_CLOCK, capped, clock_under

caps = st.floats(0.35, 1.0)


@given(caps)
def test_a_compute_bound_step_draws_the_cap(cap):
    h = hardware("h100-sxm")
    clock = clock_under(h, cap)
    alpha = loader.techniques()["power_exponent"].mid.value
    assert h.idle_w + (h.tdp_w - h.idle_w) * clock**alpha == pytest.approx(cap * h.tdp_w)


@given(caps)
def test_energy_per_flop_falls_and_per_byte_stays(cap):
    h = hardware("h100-sxm")
    op = next(op for op in deployment("", DENSE).cut.ops if op.name == "ffn")
    slower, eff = capped(h, IDEAL, cap)
    alpha = loader.techniques()["power_exponent"].mid.value
    clock = clock_under(h, cap)
    before, after = rates(op, h, IDEAL), rates(op, slower, eff)
    assert after[0] == pytest.approx(clock * before[0])
    assert after[2] == pytest.approx(before[2] * clock ** (alpha - 1))
    assert after[3] == pytest.approx(before[3])
    assert slower.tdp_w == pytest.approx(cap * h.tdp_w)
    assert eff.static_power * slower.tdp_w == pytest.approx(IDEAL.static_power * h.tdp_w)


def test_bandwidth_stays_down_to_a_floor():
    h = hardware("h100-sxm")
    floor = loader.techniques()["bandwidth_clock_floor"].mid.value
    for cap in (1.0, 0.7, 0.4):
        slower, _ = capped(h, IDEAL, cap)
        assert slower.hbm_bytes_per_s == h.hbm_bytes_per_s * min(1.0, clock_under(h, cap) / floor)
    starved, eff = capped(h, IDEAL, 0.12)
    assert starved.hbm_bytes_per_s < h.hbm_bytes_per_s
    op = next(op for op in deployment("", DENSE).cut.ops if op.name == "ffn")
    assert rates(op, starved, eff)[3] == pytest.approx(rates(op, h, IDEAL)[3])


def test_no_cap_changes_nothing():
    h = hardware("h100-sxm")
    assert capped(h, IDEAL, 1.0) == (h, IDEAL)


def test_a_cap_below_idle_is_refused():
    h = replace(hardware("h100-sxm"), idle_w=140.0)
    for cap in (0.05, 0.2):
        with pytest.raises(UnsupportedError, match="idles at 140 W"):
            clock_under(h, cap)
    assert clock_under(h, 0.25) > LEAST_CLOCK


@settings(max_examples=15)
@given(caps, caps)
def test_a_lower_cap_never_raises_throughput_or_draw(a, b):
    low, high = (prepared(f"power-cap={cap!r}", DENSE) for cap in sorted((a, b)))
    assert max_rate(low) <= max_rate(high) * (1 + 1e-4)
    rate = 0.5 * max_rate(low)
    s, t = at_rate(low, rate), at_rate(high, rate)
    assert s.tpot.mean >= t.tpot.mean * (1 - 1e-9)
    assert s.power_w <= low.deployment.hardware.tdp_w * (1 + 1e-9)


def test_memory_bound_decode_hardly_slows():
    free, tight = prepared("", DENSE, isl=64, osl=512), prepared("power-cap=0.6", DENSE, isl=64, osl=512)
    assert at_rate(tight, 1.0).tpot.mean < 1.02 * at_rate(free, 1.0).tpot.mean
    # prompts are bound by computing and pay
    prompts, capped_prompts = (prepared(t, DENSE, isl=8000, osl=2) for t in ("", "power-cap=0.6"))
    assert at_rate(capped_prompts, 0.1).ttft.mean > 1.1 * at_rate(prompts, 0.1).ttft.mean
