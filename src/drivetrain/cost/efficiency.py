"""Fitted coefficients: how much of a datasheet rate software reaches, and what it adds.

Read from ``calibration/serving.toml`` (time) and ``power.toml``. Values are pooled: ``[base]`` holds for everything,
``[generation.X]`` and ``[engine.Y]`` hold factors on single entries for one hardware generation or one engine family
(shares stay at
most 1), so an accelerator or engine that was never measured still gets a sound answer, at a lower evidence tier.
"""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from drivetrain.comms.collectives import Coefficients, coefficients_from
from drivetrain.errors import FileError

SHARES = (
    "gemm_bandwidth", "cache_bandwidth", "other_bandwidth", "gemm_compute", "narrow_compute", "experts_compute",
    "attention_compute", "scan_compute", "block_scaled", "block_bandwidth", "four_bit_compute",
    "four_bit_bandwidth", "expanded_compute", "routing_bandwidth", "block_experts", "four_bit_experts",
)  # fmt: skip
# No kernel measured keeps more of a datasheet rate than this, whatever factors multiply up to.
CAPS = {"gemm_bandwidth": 0.95, "cache_bandwidth": 0.9, "gemm_compute": 0.88, "experts_compute": 0.85,
        "attention_compute": 0.8}  # fmt: skip
_BEND = 16.0  # how sharply a share bends towards its cap
FOLDER_VARIABLE = "DRIVETRAIN_CALIBRATION"
Tier = Literal["measured", "calibrated", "roofline", "assumed"]


@dataclass(frozen=True, slots=True)
class Efficiency:
    """Coefficients of the step-time model; shares are of the datasheet rate and at most 1.

    ``*_bandwidth`` and ``*_compute`` are the reachable shares by kind of operator; ``narrow_compute`` is a factor on
    the compute shares where weights are multiplied in 8 or 4 bits, whose units are harder to keep fed. ``exposed`` is
    the share of the smaller of an operator's two times that does not hide behind the larger:
    ``t = max(c, m) + exposed * min(c, m)``.
    ``kernel_s`` is added per kernel, ``step_s`` per step, ``sequence_s`` per sequence in the step. ``network``
    multiplies collectives. Steps that carry prompt chunks launch kernels one by one instead of replaying a graph:
    ``prefill_kernel_s`` more per kernel. ``request_s`` is what a request meets before the scheduler sees it (HTTP,
    tokenising), ``reply_s`` what its first token meets on the way back. ``tile_tokens`` rows per expert are wasted on
    padding its tiles; ``experts_s`` is what routing, permuting and gathering add per layer of experts, ``expanded_s``
    and ``block_s`` more where weights are expanded to 16 bit on the way in or carry a scale per block (fp8_block),
    ``prefill_experts_s`` more in steps with prompt chunks. ``block_scaled`` and ``block_bandwidth``,
    ``four_bit_compute`` and ``four_bit_bandwidth``, ``expanded_compute`` are further factors on compute and bandwidth
    of such weights; ``block_experts`` and ``four_bit_experts`` stand in for two of them where the products are those
    of experts, whose kernels lose more. ``routing_bandwidth`` is the share that gathering tokens by expert and back
    reaches. ``frontend_s`` is what the front end does a request, one at a time, before ``request_s``.
    ``static_power``, ``compute_power``, ``memory_power`` and ``cache_power`` are shares of TDP: drawn whatever
    the load, at the full rate of 16-bit FLOPs, at the full bandwidth of weights and of all other bytes.
    """

    gemm_bandwidth: float
    cache_bandwidth: float
    other_bandwidth: float
    gemm_compute: float
    narrow_compute: float
    experts_compute: float
    attention_compute: float
    scan_compute: float
    exposed: float
    kernel_s: float
    step_s: float
    sequence_s: float
    network: float
    overhead_bytes: float
    static_power: float
    compute_power: float
    memory_power: float
    prefill_kernel_s: float = 0.0
    request_s: float = 0.0
    tile_tokens: float = 0.0
    experts_s: float = 0.0
    block_scaled: float = 1.0
    four_bit_compute: float = 1.0
    expanded_compute: float = 1.0
    block_bandwidth: float = 1.0
    four_bit_bandwidth: float = 1.0
    prefill_experts_s: float = 0.0
    expanded_s: float = 0.0
    block_s: float = 0.0
    frontend_s: float = 0.0
    reply_s: float = 0.0
    routing_bandwidth: float = 1.0
    block_experts: float = 1.0
    four_bit_experts: float = 1.0
    cache_power: float = 0.3
    tier: Tier = "roofline"

    def __post_init__(self) -> None:
        for name in SHARES:
            if not 0.0 < getattr(self, name) <= 1.0:
                raise FileError(f"calibration: {name} = {getattr(self, name)} must be above 0 and at most 1.")
        overheads = (
            self.kernel_s,
            self.prefill_kernel_s,
            self.step_s,
            self.sequence_s,
            self.request_s,
            self.reply_s,
            self.frontend_s,
            self.experts_s,
            self.prefill_experts_s,
            self.network,
        )
        if not 0.0 <= self.exposed <= 1.0 or min(*overheads, self.tile_tokens) < 0:
            raise FileError("calibration: exposed must lie in 0..1, overheads and network must not be negative.")


IDEAL = Efficiency(1, 1, 1, 1, 1, 1, 1, 1, exposed=0, kernel_s=0, step_s=0, sequence_s=0, network=1, overhead_bytes=0,
                   static_power=0.4, compute_power=0.6, memory_power=0.3)  # fmt: skip
"""The datasheet itself: no overhead, perfect overlap. What nothing beats."""


def calibration(name: str) -> dict[str, Any]:
    """One parsed file of ``cost/calibration``, or of the folder named by DRIVETRAIN_CALIBRATION where it has one."""
    return _calibration(name, os.environ.get(FOLDER_VARIABLE, ""))


@cache
def _calibration(name: str, folder: str) -> dict[str, Any]:
    own = Path(folder, f"{name}.toml") if folder else None
    if own is not None and not own.parent.is_dir():
        raise FileError(f"{FOLDER_VARIABLE} names '{folder}', which is no folder.")
    try:
        if own is not None and own.is_file():
            return tomllib.loads(own.read_text(encoding="utf-8"))
        text = resources.files("drivetrain.cost.calibration").joinpath(f"{name}.toml").read_text(encoding="utf-8")
        return tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise FileError(f"cannot read the calibration {own}: {error}.") from None


# What newer software of the same engine improves, and what it improves it by: [software] of the calibration.
_OVERHEADS = ("kernel_s", "prefill_kernel_s", "step_s", "experts_s", "prefill_experts_s", "expanded_s", "block_s")
_COMPUTE = ("gemm_compute", "experts_compute", "attention_compute")
REFERENCE = 2026 + 0 / 12  # factors of software are 1 for a release of January 2026
YEARS = (-0.75, 0.34)  # of releases measured, from the reference; beyond them nothing is carried on


def software_years(released: str) -> float:
    """Years from the reference to a release month, held within those measured; 0 where it is not known.

    >>> software_years("2026-04"), software_years("2025-10"), software_years("")
    (0.25, -0.25, 0.0)
    """
    if not released:
        return 0.0
    year, _, month = released.partition("-")
    return min(max(int(year) + (int(month[:2] or 1) - 1) / 12 - REFERENCE, YEARS[0]), YEARS[1])


def software_factors(per_year: Mapping[str, float], released: str) -> dict[str, float]:
    """Factors of a release on overheads and compute shares: ``per_year ** years``."""
    years = software_years(released)
    overhead, compute = per_year.get("overhead_per_year", 1.0), per_year.get("compute_per_year", 1.0)
    return dict.fromkeys(_OVERHEADS, overhead**years) | dict.fromkeys(_COMPUTE, compute**years)


@cache
def efficiency(engine_family: str, generation: str, released: str = "") -> Efficiency:
    """Coefficients for an engine family, released in the month ``released``, on a hardware generation.

    The tier says how far they were measured.
    """
    raw, power = calibration("serving"), calibration("power")
    measured = generation in raw.get("generation", {})
    generation = generation if measured else calibration("lineage").get(generation, generation)
    by_generation = raw.get("generation", {}).get(generation) or _from_kernels(raw, generation)
    by_engine = raw.get("engine", {}).get(engine_family, {})
    watts = power["base"] | power.get("generation", {}).get(generation, {})
    names = {field.name for field in fields(Efficiency)} - {"tier"}
    values = {key: float(value) for key, value in (raw["base"] | watts).items() if key in names}
    missing = names - set(values)
    if missing:
        raise FileError(f"calibration: {', '.join(sorted(missing))} missing.")
    fitted = measured and bool(by_generation.get("fitted")) and bool(by_engine.get("fitted"))
    # what an engine's kernels keep, and what a year of releases improved, was measured on fitted generations only:
    # elsewhere only an engine's overheads are carried over
    by_release = software_factors(raw.get("software", {}), released if by_generation.get("fitted") else "")
    if not by_generation.get("fitted"):
        by_engine = {name: value for name, value in by_engine.items() if name not in SHARES}
    return scaled(values, by_generation, by_engine, by_release, tier="calibrated" if fitted else "roofline")


def _from_kernels(raw: Mapping[str, Any], generation: str) -> dict[str, float]:
    """Factors of a generation that was measured kernel by kernel only, here or by others (``published.toml``).

    Those of the reference generation times the ratio of what kernels keep of the datasheet on both.
    """
    kernels = calibration("kernels")
    own = kernels["generation"].get(generation) or calibration("published").get(generation, {})
    known = kernels["generation"][kernels["reference"]]
    fitted = raw.get("generation", {}).get(kernels["reference"], {})
    shares = (name for name in known if name in SHARES and name in own)
    return {name: float(fitted.get(name, 1.0)) * own[name] / known[name] for name in shares}


def scaled(values: Mapping[str, float], *factors: Mapping[str, Any], tier: Tier) -> Efficiency:
    """Coefficients ``values`` times the entries of ``factors``; shares are held at most at 1."""
    out = dict(values)
    for table in factors:
        for name in set(out) & set(table):
            out[name] *= float(table[name])
    return Efficiency(**{n: capped(v, CAPS.get(n, 1.0)) if n in SHARES else v for n, v in out.items()}, tier=tier)


def capped(share: float, cap: float) -> float:
    """``share`` where it is well below ``cap``, else just under ``cap``: a smooth minimum, so that a fit sees a slope.

    >>> round(capped(0.5, 0.95), 3), round(capped(0.95, 0.95), 3), round(capped(5.0, 0.95), 3)
    (0.5, 0.91, 0.95)
    """
    return share / math.pow(1.0 + math.pow(share / cap, _BEND), 1.0 / _BEND)


@cache
def collective_coefficients(engine_family: str = "engine") -> Coefficients:
    """The fitted collective coefficients of an engine's library; what it lacks comes from all engines pooled."""
    raw = calibration("collectives")
    known = {str(fit["library"]) for fit in raw["fit"]}
    return coefficients_from(raw, engine_family if engine_family in known else "engine")
