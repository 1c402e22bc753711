"""A power cap: the clock falls until a compute-bound step draws no more than the cap.

Power above idle goes with clock and voltage, and voltage with clock::

    P(f) = idle + (TDP - idle) f^alpha   <=  cap TDP        so   f = ((cap - idle) / (1 - idle))^(1 / alpha)

with idle and cap as shares of TDP and f the share of the clock at which a compute-bound step draws TDP. Computing runs
at f of its rate, energy per FLOP falls by f^(alpha - 1); memory bandwidth stays, down to a clock below which the
memory system starves. Work that is bound by memory draws less than the cap anyway: no cap triggers, nothing slows
(measured for decode on H200, arXiv 2605.11999), and its draw is only clipped at the cap. So only what is compute-bound
pays. A cap at or below idle power cannot be held. The capped TDP is what is provisioned.
"""

from __future__ import annotations

from dataclasses import replace

from drivetrain.catalogue import loader
from drivetrain.cost.efficiency import Efficiency
from drivetrain.cost.hardware import Hardware
from drivetrain.errors import UnsupportedError

LEAST_CLOCK = 0.1  # boards do not run slower than that


def clock_under(hardware: Hardware, cap: float) -> float:
    """Share of the full clock that ``hardware`` holds under ``cap`` (share of TDP).

    Raises :class:`~drivetrain.errors.UnsupportedError` where the cap leaves nothing above idle.
    """
    if cap >= 1.0:
        return 1.0
    idle = hardware.idle_w / hardware.tdp_w
    above = (cap - idle) / (1.0 - idle) if idle < 1.0 else 0.0
    clock: float = max(above, 0.0) ** (1.0 / loader.techniques()["power_exponent"].mid.value)
    if clock < LEAST_CLOCK:
        raise UnsupportedError(
            f"a cap of {cap:g} TDP is {cap * hardware.tdp_w:.0f} W on {hardware.name}, which idles at "
            f"{hardware.idle_w:.0f} W. Raise power-cap."
        )
    return clock


def capped(hardware: Hardware, eff: Efficiency, cap: float) -> tuple[Hardware, Efficiency]:
    """``hardware`` and its coefficients under ``cap``; power shares are of the capped TDP."""
    if cap >= 1.0:
        return hardware, eff
    known = loader.techniques()
    clock = clock_under(hardware, cap)
    floor = known["bandwidth_clock_floor"].mid.value
    alpha = known["power_exponent"].mid.value
    bandwidth = min(1.0, clock / floor)
    slower = hardware.scaled(flops=clock, hbm_bytes_per_s=bandwidth)
    return replace(slower, tdp_w=cap * hardware.tdp_w), replace(
        eff,
        static_power=eff.static_power / cap,
        compute_power=eff.compute_power * clock**alpha / cap,
        memory_power=eff.memory_power * bandwidth / cap,
        cache_power=eff.cache_power * bandwidth / cap,
    )
