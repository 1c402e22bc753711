"""Figures of HBM: bandwidth and capacity of accelerators, width of a stack, HBM4 (A43 to A45, A50, A53, A54).

Plain arithmetic on facts of the catalogue; a stack moves ``width * rate of a pin / 8`` bytes/s, a package as many
times that as it has stacks.
"""

from __future__ import annotations

from collections.abc import Mapping

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.inputs import choice, claimed, of_economic, stated
from drivetrain.insight.claims.replica import replica
from drivetrain.insight.claims.sourced import part_input
from drivetrain.units import show

H100, B200 = "h100-sxm-80gb", "b200-sxm-180gb"
_BITS = 8.0


# A43, A44, A45: bandwidth of one accelerator


def _bandwidth_check(id_: str, part: str, said: str, claim: float, digit: float, *bounds: float) -> None:
    def inputs() -> Mapping[str, Input]:
        return {
            "bandwidth": part_input(part, "hbm_bytes_per_s", "bytes/s", *bounds),
            "claimed_bandwidth": claimed(claim, "bytes/s"),
            "rounding": choice(digit / 2, "bytes/s", "half of the last digit that the essay gives"),
            "close": choice(0.02, "1", "figures within 2 % are the same figure"),
        }

    def bandwidth(v: Values) -> float:
        return v["bandwidth"]

    def evidence(c: Computed, v: Values) -> str:
        eff = replica("llama-3.1-8b", part, "tp1", 500.0, 500.0).deployment.efficiency
        return (
            f"The catalogue has {show(c.value, 'bytes/s')} for the {said}, "
            f"{c.value / v['claimed_bandwidth'] - 1.0:+.1%} from the claim; its sources say {show(c.low, 'bytes/s')} "
            f"to {show(c.high, 'bytes/s')}. Matrix kernels reach {eff.gemm_bandwidth:.0%} of it ({eff.tier}), "
            f"{show(eff.gemm_bandwidth * c.value, 'bytes/s')}."
        )

    register(Check(
        id=id_, quantity=f"HBM bandwidth of the {said}", unit="bytes/s", inputs=inputs, compute=bandwidth,
        judge=_close_or_rounded, evidence=evidence, command=f"drivetrain show accelerator {part}",
        moved={"bandwidth": claim * 0.7},
    ))  # fmt: skip


def _close_or_rounded(c: Computed, v: Values) -> Verdict:
    off = abs(c.value - v["claimed_bandwidth"])
    if off <= v["close"] * v["claimed_bandwidth"]:
        return "holds"
    return "holds under conditions" if off <= v["rounding"] else "wrong"


_bandwidth_check(
    "A43", "mi300x", "MI300X", 5.3e12, 1e11, 5.3e12, 5.3e12
)  # another source is wrong, as the catalogue says
_bandwidth_check("A44", "h200-sxm-141gb", "H200", 4.8e12, 1e11)
_bandwidth_check("A45", B200, "B200 in HGX servers", 8e12, 1e12)


# A50: width of a stack


def _width_inputs() -> Mapping[str, Input]:
    return {
        "bandwidth": part_input(H100, "hbm_bytes_per_s", "bytes/s", 3.35e12, 3.4e12),
        "stacks": of_economic("hbm_stacks_h100"),
        "pin_rate": of_economic("hbm_pin_rate_h100", "bytes/s"),
        "claimed_bits": claimed(1024, "bits"),
        "hbm4_bits": of_economic("hbm4_width_bits", "bits"),
        "close": choice(0.05, "1", "rates of pins are known to a few per cent"),
    }


def bits_per_stack(v: Values) -> float:
    """Width that the bandwidth of an H100 implies for each of its stacks."""
    return v["bandwidth"] / (v["stacks"] * v["pin_rate"])


def _width_verdict(c: Computed, v: Values) -> Verdict:
    if abs(c.value / v["claimed_bits"] - 1.0) > v["close"]:
        return "wrong"
    return "holds under conditions" if v["hbm4_bits"] != v["claimed_bits"] else "holds"


def _width_evidence(c: Computed, v: Values) -> str:
    return (
        f"{show(v['bandwidth'], 'bytes/s')} over {v['stacks']:.0f} stacks at {v['pin_rate'] * _BITS / 1e9:.2f} Gbit/s "
        f"a pin are {c.value:,.0f} bits a stack on an H100. It is the width of one stack, from HBM to HBM3E; HBM4 has "
        f"{v['hbm4_bits']:,.0f}."
    )


register(Check(
    id="A50", quantity="interface of one HBM stack of an H100", unit="bits",
    inputs=_width_inputs, compute=bits_per_stack, judge=_width_verdict, evidence=_width_evidence,
    command="drivetrain claims A50", moved={"pin_rate": 1.3e9},
))  # fmt: skip


# A53: capacity of B200 over H100


def _capacity_inputs() -> Mapping[str, Input]:
    return {
        "b200_usable": part_input(B200, "usable_bytes", "bytes"),
        "h100_usable": part_input(H100, "usable_bytes", "bytes"),
        "b200_physical": part_input(B200, "memory_bytes", "bytes"),
        "h100_physical": part_input(H100, "memory_bytes", "bytes"),
        "claimed_more": claimed(1.4, "1"),
        "close": choice(0.02, "1", "two points of per cent"),
    }


def more_usable_memory(v: Values) -> float:
    """Memory that software can have on a B200 over that on an H100, less one."""
    return v["b200_usable"] / v["h100_usable"] - 1.0


def _capacity_verdict(c: Computed, v: Values) -> Verdict:
    if abs(c.value - v["claimed_more"]) <= v["close"]:
        return "holds"
    physical = v["b200_physical"] / v["h100_physical"] - 1.0
    return "holds under conditions" if abs(physical - v["claimed_more"]) <= v["close"] else "wrong"


def _capacity_evidence(c: Computed, v: Values) -> str:
    physical = v["b200_physical"] / v["h100_physical"] - 1.0
    return (
        f"The stacks of both hold {physical:.0%} more, as claimed. Drivers give {show(v['b200_usable'], 'bytes')} of "
        f"the B200 (sold as 180 GB) and {show(v['h100_usable'], 'bytes')} of the H100 (sold as 80 GB): {c.value:.0%} "
        "more to use."
    )


register(Check(
    id="A53", quantity="memory to use on a B200 above that on an H100", unit="1",
    inputs=_capacity_inputs, compute=more_usable_memory, judge=_capacity_verdict, evidence=_capacity_evidence,
    command="drivetrain claims A53", moved={"b200_usable": 2.4 * 85.52e9},
))  # fmt: skip


# A54: bandwidth of HBM4


def _hbm4_inputs() -> Mapping[str, Input]:
    return {
        "stacks": of_economic("hbm4_stacks_rubin"),
        "width": of_economic("hbm4_width_bits", "bits"),
        "pin_rate": of_economic("hbm4_pin_rate", "bytes/s"),
        "base_pin_rate": stated(1e9, "bytes/s", "jedec-hbm4"),
        "claimed_bandwidth": claimed(2e12, "bytes/s"),
        "about": choice(1.5, "1", "a factor that 'roughly' may hide"),
    }


def package_bandwidth(v: Values) -> float:
    """Bandwidth of all HBM4 stacks of a package."""
    return v["stacks"] * v["width"] * v["pin_rate"]


def _hbm4_verdict(c: Computed, v: Values) -> Verdict:
    return "holds" if 1 / v["about"] <= c.value / v["claimed_bandwidth"] <= v["about"] else "wrong"


def _hbm4_evidence(c: Computed, v: Values) -> str:
    stack = v["width"] * v["pin_rate"]
    return (
        f"{v['stacks']:.0f} stacks of {v['width']:,.0f} bits at {v['pin_rate'] * _BITS / 1e9:.1f} Gbit/s move "
        f"{show(c.value, 'bytes/s')} on a Rubin package, {c.value / v['claimed_bandwidth']:.0f} times the claim. About "
        "2 TB/s is what one stack moves at the standard's base rate "
        f"({show(v['width'] * v['base_pin_rate'], 'bytes/s')}); those that ship move {show(stack, 'bytes/s')}. The "
        "essay says total where it means a stack."
    )


register(Check(
    id="A54", quantity="bandwidth of all HBM4 on a Rubin package", unit="bytes/s",
    inputs=_hbm4_inputs, compute=package_bandwidth, judge=_hbm4_verdict, evidence=_hbm4_evidence,
    command="drivetrain claims A54 --set stacks=8", moved={"stacks": 1},
))  # fmt: skip
