"""Coefficients of the training step, by framework, hardware generation and release.

Read from ``cost/calibration/training.toml`` (docs/method/training.md). ``[base]`` holds for everything, other tables
hold factors on single entries: ``[generation.X]``, ``[framework.X]`` (with ``set``: values of its own), ``[kernel.X]``
of the attention kernel that a framework or, failing that, a generation uses. A generation or framework that was never
measured still gets an answer, at a lower tier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.efficiency import Tier, calibration
from drivetrain.errors import FileError

Value = Any  # float, or one array over cases
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Coefficients:
    """How much of a datasheet rate training reaches and what it adds. Shares are of dense peak or peak bandwidth.

    ``gemm``: matrix products in 16 bit; ``narrow`` and ``four_bit``: factors on it where operands are 8 or 4 bit wide;
    ``experts``: factor for grouped products. ``attention``: forward kernel, of the 16-bit rate;
    ``attention_backward``: factor on it backward; ``scan``: recurrences. ``bandwidth``: streaming kernels; ``moved``:
    factor on their bytes (1: fused as far as usual). ``overlap``: share of the smaller of an operator's two times that
    is added to the larger. ``tile_k``: what starting and
    ending a tile costs, in steps along the inner dimension at the 16-bit rate, so that narrow products and faster
    units lose more. ``unfused``: 1 where attention writes its scores to memory.
    ``host_layer_s`` and ``host_moe_s``: seconds the host needs to launch one layer forward and back, and more for a
    layer of experts. ``tp_exposed``, ``ep_exposed``, ``pp_exposed``: share of those messages that compute does not
    hide; ``dp_overlap``: share of the compute beside gradient and weight traffic that hides it, ``shard_overlap``
    the same where weights come and go with every pass (FSDP): gathers beside products take units
    and bandwidth from them. ``jitter``: slowdown at 1,024 accelerators; ``step_s``: per step. ``grad_bytes`` of one
    gradient element on the wire. ``pace``: factor on all compute time (release, framework). ``again`` and
    ``selected``: share of a layer's products that full and selective recompute repeat; ``ramp``: tokens of span at
    which attention reaches half its rate.
    """

    gemm: Value
    narrow: Value
    four_bit: Value
    experts: Value
    attention: Value
    attention_backward: Value
    scan: Value
    bandwidth: Value
    moved: Value
    overlap: Value
    tile_k: Value
    unfused: Value
    host_layer_s: Value
    host_moe_s: Value
    tp_exposed: Value
    ep_exposed: Value
    pp_exposed: Value
    dp_overlap: Value
    shard_overlap: Value
    jitter: Value
    step_s: Value
    grad_bytes: Value
    pace: Value
    again: Value
    selected: Value
    ramp: Value

    def arrays(self) -> Coefficients:
        """The same as arrays of length one."""
        return Coefficients(**{f.name: np.atleast_1d(np.asarray(getattr(self, f.name), float)) for f in fields(self)})


NAMES = tuple(f.name for f in fields(Coefficients))
# Shares, held at what nothing exceeds.
_CAPS = {"gemm": 0.92, "attention": 0.85, "bandwidth": 0.95, "tp_exposed": 1.0, "ep_exposed": 1.0, "pp_exposed": 1.0,
         "dp_overlap": 0.98, "shard_overlap": 0.95}  # fmt: skip
DEFAULT_KERNEL = "flash-2"
RELEASES = (2025.6, 2026.7)  # years of the releases that the trend was fitted on; held beyond them


@cache
def coefficients(framework: str, generation: str, release: float = 0.0) -> tuple[Coefficients, Tier]:
    """Coefficients of a framework (empty: none in particular) on a generation, and how far they were measured.

    ``release`` is the year of the framework's release (2026.25), 0 where it is not known.
    """
    raw = calibration("training")
    values = resolved(raw, framework, generation, release)
    measured = raw.get("measured", {})
    known = family(raw, generation) in measured.get("generations", ()) and framework in measured.get("frameworks", ())
    return Coefficients(**values), "calibrated" if known else "roofline"


def resolved(raw: Mapping[str, Any], framework: str, generation: str, release: float = 0.0) -> dict[str, float]:
    """Values by name: ``[base]`` times the factors of generation, framework, attention kernel and release."""
    missing = set(NAMES) - set(raw["base"])
    if missing:
        raise FileError(f"training calibration: {', '.join(sorted(missing))} missing. Fit it again.")
    out = {name: float(raw["base"][name]) for name in NAMES}
    known = family(raw, generation)
    own = raw["framework"].get(framework, {})
    kernel = own.get("kernel") or raw["generation"].get(known, {}).get("kernel", DEFAULT_KERNEL)
    factors = [_generation(raw, known), own, {"attention": _kernel(raw, kernel, known)}]
    for table in factors:
        for name in NAMES:
            if name in table:
                out[name] *= float(table[name])
    out |= {name: float(value) for name, value in own.get("set", {}).items()}
    if kernel == "unfused":
        out["unfused"], out["ramp"] = 1.0, 0.0
    if release:
        years = min(max(release, RELEASES[0]), RELEASES[1]) - float(raw["release"]["reference"])
        out["pace"] *= float(raw["release"]["pace_per_year"]) ** years
    return {name: min(value, _CAPS.get(name, np.inf)) for name, value in out.items()}


def family(raw: Mapping[str, Any], generation: str) -> str:
    """The generation whose factors hold: its own, or those of the relative it takes after."""
    if generation in raw["generation"]:
        return generation
    return str(calibration("lineage").get(generation, generation))


def _generation(raw: Mapping[str, Any], generation: str) -> Mapping[str, Any]:
    """Factors of a generation; of one never trained on, what its single kernels keep against the reference's."""
    if generation in raw["generation"]:
        found: Mapping[str, Any] = raw["generation"][generation]
        return found
    kernels = calibration("kernels")
    reference = kernels["reference"]
    own = kernels["generation"].get(generation) or calibration("published").get(generation)
    if not own:
        return {}
    share = own["gemm_compute"] / kernels["generation"][reference]["gemm_compute"]
    return {"gemm": float(raw["generation"][reference]["gemm"]) * share}


def _kernel(raw: Mapping[str, Any], kernel: str, generation: str) -> float:
    table = raw["kernel"][kernel]
    return float(table["attention"]) * float(table.get(generation, table["other"]))
