from dataclasses import replace

import pytest

from drivetrain.arch.precision import BYTES_PER_WEIGHT, bytes_per_kv, bytes_per_weight
from drivetrain.comms.topology import Topology
from drivetrain.cost.hardware import Hardware
from drivetrain.errors import UnsupportedError

LINKS = Topology("switch", 18, 25e9, 8, 50e9, "nvlink")
HOPPER = Hardware(
    "hopper", "hopper", {"fp32": 6e13, "bf16": 1e15, "fp8": 2e15, "int8": 2e15}, 3e12, 8e10, 700.0, 70.0, LINKS
)
BLACKWELL = replace(HOPPER, flops={"bf16": 2e15, "fp8": 4e15, "nvfp4": 8e15})
AMPERE = replace(HOPPER, flops={"bf16": 3e14, "int8": 6e14})


@pytest.mark.parametrize(
    ("hardware", "weights", "multiplied"),
    [
        (HOPPER, "bf16", "bf16"), (HOPPER, "fp8", "fp8"), (HOPPER, "fp8_block", "fp8"), (HOPPER, "mxfp4", "bf16"),
        (HOPPER, "int4", "bf16"), (HOPPER, "nvfp4", "bf16"), (BLACKWELL, "nvfp4", "nvfp4"), (BLACKWELL, "mxfp4", "fp8"),
        (AMPERE, "fp8", "bf16"), (AMPERE, "int8", "int8"), (AMPERE, "fp16", "bf16"),
    ],
)  # fmt: skip
def test_weights_multiply_in_the_best_the_part_has(hardware, weights, multiplied):
    assert hardware.compute_dtype(weights) == multiplied


@pytest.mark.parametrize("weights", sorted(BYTES_PER_WEIGHT))
def test_every_precision_that_can_be_stored_can_be_multiplied_somewhere(weights):
    assert HOPPER.compute_dtype(weights) in HOPPER.flops


def test_a_part_without_a_rate_says_what_it_has():
    with pytest.raises(UnsupportedError, match="fp8"):
        replace(HOPPER, flops={"fp8": 1e15}).compute_dtype("bf16")


def test_scaling_touches_what_it_names_and_nothing_else():
    scaled = HOPPER.scaled(flops=2.0, links=3.0)
    assert scaled.flops == {k: 2 * v for k, v in HOPPER.flops.items()}
    assert scaled.topology.link_bytes_per_s == 75e9
    assert scaled.topology.nic_bytes_per_s == 150e9
    assert (scaled.hbm_bytes_per_s, scaled.memory_bytes, scaled.tdp_w) == (3e12, 8e10, 700.0)
    assert HOPPER.scaled() == HOPPER


def test_an_unknown_precision_is_named_with_the_nearest():
    for size in (bytes_per_weight, bytes_per_kv):
        with pytest.raises(UnsupportedError, match=r"'bf61'.*'bf16'"):
            size("bf61")
