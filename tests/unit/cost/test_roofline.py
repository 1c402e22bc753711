"""One operator at a time, by hand."""

from dataclasses import replace

import pytest

from drivetrain.arch.layout import Layout
from drivetrain.arch.operators import Op
from drivetrain.arch.step import Step, vector
from drivetrain.comms.collectives import DATASHEET, all_reduce
from drivetrain.comms.topology import Topology
from drivetrain.cost.efficiency import IDEAL
from drivetrain.cost.hardware import Hardware
from drivetrain.cost.roofline import rates, step_time

LINKS = Topology("switch", 18, 25e9, 8, 50e9, "nvlink")
CHIP = Hardware("chip", "chip", {"bf16": 1e15}, 1e12, 8e10, 1000.0, 100.0, LINKS)
HALF = replace(IDEAL, gemm_compute=0.5, gemm_bandwidth=0.8, exposed=0.25, kernel_s=1e-5, step_s=2e-3, sequence_s=1e-4)
GEMM = Op("gemm", "gemm", flops=vector(tokens=1e12), weights=vector(one=4e9), activations=vector(tokens=4e6), kernels=3)


def timed(op, step, eff=HALF, layout=Layout()):  # noqa: B008 - a frozen record
    return step_time((op,), step, CHIP, layout, eff, DATASHEET)


def test_a_memory_bound_product_by_hand():
    time = timed(GEMM, Step(decode=1.0))
    memory, compute = (4e9 + 4e6) / 0.8e12, 1e12 / 0.5e15
    assert memory > compute
    assert time.ops[0].seconds == pytest.approx(memory + 0.25 * compute + 3e-5)
    assert time.parts["weights"] == pytest.approx(4e9 / 0.8e12)
    assert time.parts["activations"] == pytest.approx(4e6 / 0.8e12)
    assert time.parts["overhead"] == pytest.approx(3e-5 + 2e-3 + 1e-4)
    assert time.bound == "weights"


def test_a_compute_bound_product_by_hand():
    time = timed(GEMM, Step(decode=100.0))
    compute, memory = 100e12 / 0.5e15, (4e9 + 4e8) / 0.8e12
    assert time.seconds == pytest.approx(compute + 0.25 * memory + 3e-5 + 2e-3 + 100 * 1e-4)
    assert time.bound == "compute"


def test_energy_is_the_share_of_power_at_full_rate():
    time = timed(GEMM, Step(decode=1.0), replace(IDEAL, compute_power=0.6, memory_power=0.3))
    assert time.joules == pytest.approx(600.0 * 1e12 / 1e15 + 300.0 * 4.004e9 / 1e12)


def test_attention_is_bound_by_the_cache_and_its_own_bandwidth():
    attend = Op("attention", "attention", flops=vector(ctx_decode=1e4), kv=vector(ctx_decode=1e5), span=1000)
    time = timed(attend, Step(decode=8.0, context=5000.0), replace(IDEAL, cache_bandwidth=0.5))
    assert time.seconds == pytest.approx(8 * 1000 * 1e5 / 0.5e12)
    assert time.bound == "kv"


def test_a_collective_takes_its_calls_times_its_time():
    op = Op("sum", "collective", collective="all_reduce", group="tp", calls=64, message=vector(tokens=16384.0))
    time = timed(op, Step(decode=10.0), replace(IDEAL, network=1.5), Layout(tp=8))
    assert time.seconds == pytest.approx(1.5 * 64 * all_reduce(8, LINKS, DATASHEET).seconds(163840.0))
    assert time.bound == "network"
    assert time.joules == time.flops == time.bytes_moved == 0.0


def test_pipeline_stages_beyond_the_domain_speak_over_the_network():
    op = Op("hand over", "collective", collective="send_recv", group="pp", calls=1, message=vector(tokens=1e6))
    inside = timed(op, Step(decode=10.0), IDEAL, Layout(tp=4, pp=2)).seconds
    outside = timed(op, Step(decode=10.0), IDEAL, Layout(tp=8, pp=2)).seconds
    assert outside > inside
    assert outside >= 1e7 / 50e9


def test_experts_have_factors_of_their_own_for_scales():
    eff = replace(IDEAL, block_scaled=0.9, block_experts=0.5, four_bit_compute=0.8, four_bit_experts=0.6)
    chip = replace(CHIP, flops={"bf16": 1e15, "fp8": 2e15, "nvfp4": 4e15})
    shares = {(kind, dtype): rates(Op("x", kind, dtype), chip, eff)[0] / chip.flops[chip.compute_dtype(dtype)]
              for kind in ("gemm", "experts") for dtype in ("fp8", "fp8_block", "nvfp4")}  # fmt: skip
    assert shares == pytest.approx({
        ("gemm", "fp8"): 1.0, ("gemm", "fp8_block"): 0.9, ("gemm", "nvfp4"): 0.8,
        ("experts", "fp8"): 1.0, ("experts", "fp8_block"): 0.5, ("experts", "nvfp4"): 0.6,
    })  # fmt: skip


def test_gathering_tokens_by_expert_has_a_bandwidth_of_its_own():
    eff = replace(IDEAL, routing_bandwidth=0.5, other_bandwidth=0.8)
    assert rates(Op("x", "elementwise", expert_share=0.1), CHIP, eff)[1] == pytest.approx(0.5e12)
    assert rates(Op("x", "elementwise"), CHIP, eff)[1] == pytest.approx(0.8e12)
