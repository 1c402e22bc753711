"""Which coefficients a fit may move, between which bounds, and what is believed of them before the data speak."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Free:
    """One coefficient: its section and name in the calibration file, its bounds, its prior.

    The prior is log-normal around ``prior``, with standard deviation ``sigma`` of the logarithm.
    """

    section: str
    name: str
    lower: float
    upper: float
    prior: float = 1.0
    sigma: float = 0.35

    @property
    def key(self) -> str:
        """``section.name``."""
        return f"{self.section}.{self.name}"


# Base values start from what the same kernels reach measured alone (gemm_attention_micro.csv: 16-bit products 0.70-0.89
# of the datasheet, 8-bit 0.43-0.62, nvfp4 0.36-0.43; of experts 0.3-0.4, 0.27, 0.11-0.25 with block scales, 0.17 in
# nvfp4; weights at 0.7-0.9 of the bandwidth, 30 us a layer of experts outside a graph), or from a broad guess where
# nothing is known.
_BROAD = 2.0
_BASE = (
    Free("base", "gemm_bandwidth", 0.5, 0.95, 0.82, 0.15),
    Free("base", "cache_bandwidth", 0.2, 0.9, 0.6, 0.3),
    Free("base", "gemm_compute", 0.3, 0.88, 0.75, 0.15),
    Free("base", "narrow_compute", 0.3, 1.0, 0.75, 0.2),
    Free("base", "four_bit_compute", 0.3, 1.0, 0.85, 0.2),
    Free("base", "expanded_compute", 0.05, 1.0, 0.8, 0.5),
    Free("base", "experts_compute", 0.1, 0.85, 0.45, 0.3),
    Free("base", "attention_compute", 0.05, 0.8, 0.4, 0.3),
    Free("base", "block_scaled", 0.4, 1.0, 0.9, 0.2),
    Free("base", "block_experts", 0.1, 1.0, 0.6, 0.3),
    Free("base", "four_bit_experts", 0.2, 1.0, 0.65, 0.25),
    Free("base", "block_bandwidth", 0.3, 1.0, 0.8, 0.25),
    Free("base", "four_bit_bandwidth", 0.4, 1.0, 0.8, 0.2),
    Free("base", "routing_bandwidth", 0.05, 0.95, 0.5, 0.5),
    Free("base", "exposed", 0.01, 1.0, 0.15, _BROAD),
    Free("base", "network", 0.3, 5.0, 1.0, 0.35),
    Free("base", "kernel_s", 1e-7, 1e-4, 5e-6, _BROAD),
    Free("base", "prefill_kernel_s", 1e-7, 2e-4, 1e-5, _BROAD),
    Free("base", "step_s", 1e-5, 5e-3, 5e-4, _BROAD),
    Free("base", "sequence_s", 1e-8, 1e-4, 1e-6, _BROAD),
    Free("base", "request_s", 1e-3, 0.2, 0.02, 1.0),
    Free("base", "reply_s", 1e-4, 0.3, 5e-3, 1.0),
    Free("base", "frontend_s", 1e-5, 5e-2, 3e-3, 1.0),
    Free("base", "tile_tokens", 1.0, 128.0, 16.0, 0.7),
    Free("base", "experts_s", 1e-7, 1e-4, 3e-6, 0.5),
    Free("base", "prefill_experts_s", 1e-6, 5e-3, 3e-5, 0.5),
    Free("base", "expanded_s", 1e-7, 2e-4, 1e-5, _BROAD),
    Free("base", "block_s", 1e-7, 2e-4, 1e-5, _BROAD),
)
_SOFTWARE = (  # factors that a year of releases makes
    Free("software", "overhead_per_year", 0.2, 1.2, 0.8, 0.5),
    Free("software", "compute_per_year", 0.8, 3.0, 1.1, 0.5),
)
_BY_GENERATION = (
    "gemm_bandwidth", "cache_bandwidth", "gemm_compute", "narrow_compute", "experts_compute", "expanded_compute",
    "attention_compute", "kernel_s", "block_scaled", "block_bandwidth", "block_experts",
)  # fmt: skip
_BY_ENGINE = (
    "kernel_s", "prefill_kernel_s", "request_s", "gemm_compute", "experts_compute", "cache_bandwidth", "network",
    "frontend_s", "reply_s",
)  # fmt: skip
_ENGINE_SIGMA = {"experts_compute": 0.2, "reply_s": 1.0}  # else 0.35: engines share kernels, not their ways out
_REFERENCE_ENGINE = "vllm"  # base values are its; the others' factors are beside it
_LEAST_SIGMA, _WIDER = 0.03, 3.0


def coefficients(generations: Iterable[str], engines: Iterable[str]) -> tuple[Free, ...]:
    """What a fit on rows of these hardware generations and engine families may move, in a fixed order."""
    return (
        *_BASE,
        *_SOFTWARE,
        *(
            Free(f"generation.{g}", name, 0.2, 5.0, 1.0, 0.25)
            for g in sorted(set(generations))
            for name in _BY_GENERATION
        ),
        *(
            Free(f"engine.{e}", name, 0.1, 50.0, 1.0, _ENGINE_SIGMA.get(name, 0.35))
            for e in sorted(set(engines) - {_REFERENCE_ENGINE})
            for name in _BY_ENGINE
        ),
    )  # fmt: skip


def informed(free: Iterable[Free], calibration: Mapping[str, Any]) -> tuple[Free, ...]:
    """The same coefficients with a calibration as their prior: its values, three times its standard errors wide.

    Where it has none for a section (a new generation or engine), the prior stays as it was.
    """
    out = []
    for one in free:
        value = lookup(calibration, one)
        error = calibration.get("standard_error", {}).get(one.key)
        if value is None or error is None:
            out.append(one)
            continue
        inside = min(max(value, one.lower * 1.001), one.upper * 0.999)
        out.append(replace(one, prior=inside, sigma=min(max(_WIDER * float(error), _LEAST_SIGMA), one.sigma)))
    return tuple(out)


def lookup(calibration: Mapping[str, Any], free: Free) -> float | None:
    """The value of ``free`` in a parsed calibration file, or None."""
    kind, _, name = free.section.partition(".")
    table = calibration.get(kind, {})
    table = table.get(name, {}) if name else table
    return float(table[free.name]) if free.name in table else None
