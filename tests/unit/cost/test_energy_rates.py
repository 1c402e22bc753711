"""Joules by operator: 8-bit FLOPs are no cheaper than their rate is higher, cache bytes have a price of their own."""

from dataclasses import replace

import pytest

from drivetrain.arch.operators import Op
from drivetrain.arch.step import vector
from drivetrain.catalogue import loader
from drivetrain.cost.efficiency import IDEAL
from drivetrain.cost.hardware import hardware_of
from drivetrain.cost.roofline import NARROW_DRAW, rates

H100 = hardware_of(loader.load("accelerators", "h100-sxm-80gb"))
EFF = replace(IDEAL, compute_power=0.5, memory_power=0.2, cache_power=0.7)


def joules(kind, dtype):
    return rates(Op("x", kind, dtype, flops=vector(tokens=1.0)), H100, EFF)[2:]


def test_full_rate_draws_its_share_of_tdp():
    per_flop, per_byte = joules("gemm", "bf16")
    assert per_flop * H100.flops["bf16"] == pytest.approx(0.5 * H100.tdp_w)
    assert per_byte * H100.hbm_bytes_per_s == pytest.approx(0.2 * H100.tdp_w)


def test_narrow_flops_draw_more_at_their_full_rate():
    per_flop, _ = joules("gemm", "fp8")
    assert per_flop * H100.flops["fp8"] == pytest.approx(NARROW_DRAW * 0.5 * H100.tdp_w)
    assert joules("gemm", "int4")[0] == joules("gemm", "bf16")[0]  # expanded: multiplied in 16 bit


def test_other_bytes_have_their_own_price():
    for kind in ("attention", "elementwise", "scan"):
        assert joules(kind, "bf16")[1] * H100.hbm_bytes_per_s == pytest.approx(0.7 * H100.tdp_w)
    assert joules("experts", "fp8")[1] == joules("gemm", "bf16")[1]
