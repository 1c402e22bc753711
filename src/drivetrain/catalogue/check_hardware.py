"""Rules for one accelerator: yields (field, message) for each that is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

from drivetrain import units
from drivetrain.catalogue.hardware import Accelerator

TOLERANCE = 0.02


def check_memory(chip: Accelerator) -> Iterator[tuple[str, str]]:
    """Software cannot use more memory than there is, and rarely less than 90 %."""
    share = chip.usable_bytes / chip.memory_bytes
    if share > 1:
        yield (
            "usable_memory",
            f"usable {units.show(chip.usable_bytes, 'bytes', 4)} exceeds physical "
            f"{units.show(chip.memory_bytes, 'bytes', 4)}. Stacks come in GiB; 80 GB of HBM is 80 GiB.",
        )
    if share < 0.9 and not chip.facts["usable_bytes"].note:
        yield "usable_memory", f"only {share:.0%} of physical memory is usable. Check both or add a note why."


# What no part on the market leaves: beyond it a prefix or a unit slipped (TB for GB, bits for bytes, kW for W).
_BOUNDS = {
    "hbm_bytes_per_s": (10e9, 60e12, "bytes/s"),
    "tdp_w": (10.0, 6000.0, "W"),
    "memory_bytes": (4e9, 20e12, "bytes"),
}
_APART = 3.0


def check_bounds(chip: Accelerator) -> Iterator[tuple[str, str]]:
    """Bandwidth, power and memory lie where parts on the market do."""
    for field, (low, high, dimension) in _BOUNDS.items():
        value = getattr(chip, field)
        if not low <= value <= high:
            within = f"{units.show(low, dimension)} to {units.show(high, dimension)}"
            yield field, f"{units.show(value, dimension, 4)} is outside {within}. Check prefix and unit."


def check_disagreement(chip: Accelerator) -> Iterator[tuple[str, str]]:
    """Sources that disagree do so by less than a unit or prefix; a wider gap needs a note."""
    for field, fact in chip.facts.items():
        for other in fact.also:
            if other.note or min(fact.value, other.value) <= 0:
                continue
            if max(fact.value, other.value) / min(fact.value, other.value) > _APART:
                yield field, f"{fact.text} and {other.text} are far apart. Check units or add a note why."


def check_power(chip: Accelerator) -> Iterator[tuple[str, str]]:
    """Doing nothing takes less than half of TDP."""
    if chip.idle_w > 0.5 * chip.tdp_w:
        yield "idle", f"idle {chip.idle_w:.0f} W is above half of TDP {chip.tdp_w:.0f} W. Check both."


def check_ratios(chip: Accelerator) -> Iterator[tuple[str, str]]:
    """8-bit rates are twice BF16, 4-bit rates four or six times; other ratios hint at a sparse figure."""
    base = chip.flops.get("bf16") or chip.flops.get("fp16")
    if not base:
        return
    for key in ("fp8", "mxfp8", "fp8_block", "int8"):
        yield from _ratio(chip, key, base, (2.0,))
    for key in ("nvfp4", "mxfp4"):
        yield from _ratio(chip, key, base, (4.0, 6.0))
    if chip.flops.get("bf16") and chip.flops.get("fp16"):
        yield from _ratio(chip, "fp16", base, (1.0,))


def _ratio(chip: Accelerator, key: str, base: float, usual: tuple[float, ...]) -> Iterator[tuple[str, str]]:
    rate = chip.flops.get(key)
    if rate is None or chip.facts[f"flops.{key}"].note:
        return
    if not any(abs(rate / base / expected - 1) <= TOLERANCE for expected in usual):
        expected = " or ".join(f"{value:g}" for value in usual)
        yield (
            f"flops.{key}",
            f"is {rate / base:.2g} times BF16 where {expected} is usual. Rates are dense: "
            "halve a sparse figure, or add a note why this one differs.",
        )


def check_order(chip: Accelerator) -> Iterator[tuple[str, str]]:
    """Wider formats are not faster: FP32 <= TF32 <= BF16."""
    order = [key for key in ("fp32", "tf32", "bf16") if key in chip.flops]
    for wide, narrow in pairwise(order):
        if chip.flops[wide] > chip.flops[narrow] * (1 + TOLERANCE):
            yield f"flops.{wide}", f"is above the rate of {narrow}. Check both: rates are dense."


def check_scaleup(chip: Accelerator) -> Iterator[tuple[str, str]]:
    """Links times rate give what the vendor states one way; meshes and tori have the links they need."""
    up, stated = chip.scaleup, chip.facts.get("scaleup.bytes_per_s")
    if stated and abs(up.bytes_per_s / stated.value - 1) > TOLERANCE:
        yield (
            "scaleup.stated",
            f"{up.n_links} links of {units.show(up.link_bytes_per_s, 'bytes/s')} make "
            f"{units.show(up.bytes_per_s, 'bytes/s')}, not {stated.text}. "
            "Rates are one way; vendors often add both directions.",
        )
    noted = bool(chip.facts["scaleup.n_links"].note)
    if up.kind == "mesh" and up.n_links != up.domain - 1 and not noted:
        yield "scaleup.n_links", f"a mesh of {up.domain} has {up.domain - 1} links each, not {up.n_links}."
    if up.kind == "torus" and up.n_links % 2:
        yield "scaleup.n_links", f"a torus has two links per axis, so an even number, not {up.n_links}."
    if up.kind == "pcie" and up.link_bytes_per_s > 130e9:
        yield "scaleup.link", "is faster than PCIe 6 x16. Rates are one way."


HARDWARE_CHECKS: tuple[Callable[[Accelerator], Iterator[tuple[str, str]]], ...] = (
    check_bounds,
    check_disagreement,
    check_memory,
    check_power,
    check_ratios,
    check_order,
    check_scaleup,
)
