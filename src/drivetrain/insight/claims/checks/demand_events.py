"""Essay 004, what happened: market value, revenue, capital spending, networking (B01, B04 to B06, B37)."""

from __future__ import annotations

from collections.abc import Mapping

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.inputs import choice, claimed, stated
from drivetrain.insight.claims.outlooks import point

ESSAY = "004"
SHARES = 24.49e9


def _shares() -> Input:
    return stated(SHARES, "shares", "nvidia-quarterly-report-2024", 24.3e9, 24.7e9)


# B01: one session


def _loss_inputs() -> Mapping[str, Input]:
    return {
        "close_after_usd": stated(118.42, "USD a share", "nvidia-share-price"),
        "fall_frac": stated(0.1697, "share", "nvidia-share-price", 0.169, 0.17),
        "shares": _shares(),
        "claimed_usd": claimed(600e9, "USD", ESSAY),
        "roughly": choice(0.05, "share", "how far 'roughly' reaches"),
    }


def value_lost(v: Values) -> float:
    """Shares times the fall of their price in the session."""
    before = v["close_after_usd"] / (1.0 - v["fall_frac"])
    return v["shares"] * (before - v["close_after_usd"])


def _near(computed: float, wanted: float, within: float) -> bool:
    return abs(computed / wanted - 1.0) <= within


def _loss_verdict(c: Computed, v: Values) -> Verdict:
    return "holds" if _near(c.value, v["claimed_usd"], v["roughly"]) else "wrong"


def _loss_evidence(c: Computed, v: Values) -> str:
    before = v["close_after_usd"] / (1.0 - v["fall_frac"])
    return (
        f"{v['shares'] / 1e9:.2f} billion shares fell from ${before:.2f} to ${v['close_after_usd']:.2f}, "
        f"${c.value / 1e9:.0f} billion; the press wrote 589 to 595 billion, by the number of shares it counts."
    )


register(Check(
    id="B01", quantity="market value that NVIDIA lost in the session", unit="USD",
    inputs=_loss_inputs, compute=value_lost, judge=_loss_verdict, evidence=_loss_evidence,
    command="drivetrain claims B01 --set fall_frac=0.1697", moved={"fall_frac": 0.09},
))  # fmt: skip


# B04: revenue of fiscal 2026


def _revenue_inputs() -> Mapping[str, Input]:
    return {
        "revenue_2025": point("nvidia-revenue", "2025-01"),
        "revenue_2026": point("nvidia-revenue", "2026-01"),
        "claimed_usd": claimed(215.9e9, "USD/year", ESSAY),
        "claimed_growth": claimed(0.65, "share", ESSAY),
        "rounding": choice(0.005, "share", "growth is given in whole percent"),
    }


def revenue_growth(v: Values) -> float:
    """Revenue of fiscal 2026 over that of 2025, less one."""
    return v["revenue_2026"] / v["revenue_2025"] - 1.0


def _revenue_verdict(c: Computed, v: Values) -> Verdict:
    exact = abs(c.value - v["claimed_growth"]) <= v["rounding"]
    return "holds" if exact and _near(v["revenue_2026"], v["claimed_usd"], v["rounding"]) else "wrong"


def _revenue_evidence(c: Computed, v: Values) -> str:
    return (
        f"${v['revenue_2026'] / 1e9:.1f} billion after ${v['revenue_2025'] / 1e9:.1f} billion as reported: "
        f"{c.value:+.1%}."
    )


register(Check(
    id="B04", quantity="growth of NVIDIA's revenue in fiscal 2026", unit="1",
    inputs=_revenue_inputs, compute=revenue_growth, judge=_revenue_verdict, evidence=_revenue_evidence,
    command="drivetrain claims B04 --set revenue_2026=215.9e9", moved={"revenue_2026": 180e9},
))  # fmt: skip


# B05: did capital spending accelerate


def _capex_inputs() -> Mapping[str, Input]:
    return {
        "capex_2024": point("hyperscaler-capex", "2024-12"),
        "capex_2025": point("hyperscaler-capex", "2025-12"),
        "capex_2026": point("hyperscaler-capex", "2026-12", 630e9, 660e9),
        "same": choice(1.0, "1", "growth as fast as the year before"),
    }


def capex_growth_ratio(v: Values) -> float:
    """Growth of 2026 as guided over growth of 2025: above 1 the rate rises."""
    return (v["capex_2026"] / v["capex_2025"] - 1.0) / (v["capex_2025"] / v["capex_2024"] - 1.0)


def added_usd(v: Values) -> tuple[float, float]:
    """Dollars added in 2025 and in 2026."""
    return v["capex_2025"] - v["capex_2024"], v["capex_2026"] - v["capex_2025"]


def _capex_verdict(c: Computed, v: Values) -> Verdict:
    before, after = added_usd(v)
    if c.low >= v["same"]:
        return "holds"
    return "holds under conditions" if after > before else "wrong"


def _capex_evidence(c: Computed, v: Values) -> str:
    before, after = added_usd(v)
    first, second = v["capex_2025"] / v["capex_2024"] - 1.0, v["capex_2026"] / v["capex_2025"] - 1.0
    return (
        f"Growth was {first:+.0%} in 2025 and is guided to {second:+.0%} in 2026, {c.value:.2f} times the rate; in "
        f"dollars ${before / 1e9:.0f} and then ${after / 1e9:.0f} billion a year are added. Guidance is no outcome."
    )


register(Check(
    id="B05", quantity="growth of hyperscalers' capital spending in 2026 over growth in 2025", unit="1",
    inputs=_capex_inputs, compute=capex_growth_ratio, judge=_capex_verdict, evidence=_capex_evidence,
    command="drivetrain claims B05 --set capex_2026=645e9", moved={"capex_2026": 500e9},
))  # fmt: skip


# B06: recovered and exceeded


def _recovered_inputs() -> Mapping[str, Input]:
    return {
        "close_after_usd": stated(118.42, "USD a share", "nvidia-share-price"),
        "fall_frac": stated(0.1697, "share", "nvidia-share-price", 0.169, 0.17),
        "shares": _shares(),
        "value_2026": stated(4.45e12, "USD", "nvidia-value-2026", 4.4e12, 4.5e12),
        "recovered": choice(1.0, "1", "the value before the session"),
    }


def value_over_before(v: Values) -> float:
    """Market value in February 2026 over that before the session."""
    return v["value_2026"] / (v["shares"] * v["close_after_usd"] / (1.0 - v["fall_frac"]))


def _recovered_verdict(c: Computed, v: Values) -> Verdict:
    if c.low > v["recovered"]:
        return "holds"
    return "holds under conditions" if c.high > v["recovered"] else "wrong"


def _recovered_evidence(c: Computed, v: Values) -> str:
    before = v["value_2026"] / c.value
    return (
        f"${v['value_2026'] / 1e12:.2f} trillion in February 2026 against ${before / 1e12:.2f} trillion before the "
        f"session: {c.value:.2f} times."
    )


register(Check(
    id="B06", quantity="NVIDIA's market value of February 2026 over that before 27 January 2025", unit="1",
    inputs=_recovered_inputs, compute=value_over_before, judge=_recovered_verdict, evidence=_recovered_evidence,
    command="drivetrain claims B06 --set value_2026=4.45e12", moved={"value_2026": 3e12},
))  # fmt: skip


# B37: one platform for both


def _platform_inputs() -> Mapping[str, Input]:
    return {
        "network_2025": point("nvidia-networking-revenue", "2025-04"),
        "network_2026": point("nvidia-networking-revenue", "2026-01"),
        "centre_2025": point("nvidia-data-centre-revenue", "2025-04"),
        "centre_2026": point("nvidia-data-centre-revenue", "2026-01"),
        "with_it": choice(1.0, "1", "networking grows as fast as all of the data-centre business"),
    }


def networking_growth_ratio(v: Values) -> float:
    """Growth of networking over growth of data-centre revenue, three quarters of fiscal 2026."""
    return (v["network_2026"] / v["network_2025"]) / (v["centre_2026"] / v["centre_2025"])


def _platform_verdict(c: Computed, v: Values) -> Verdict:
    return "holds under conditions" if c.value >= v["with_it"] else "too loose"


def _platform_evidence(c: Computed, v: Values) -> str:
    before, after = v["network_2025"] / v["centre_2025"], v["network_2026"] / v["centre_2026"]
    return (
        f"Networking went from {before:.1%} to {after:.1%} of data-centre revenue, {c.value:.2f} times as fast as the "
        "whole: parts beside the chip sell with it. NVIDIA does not split revenue into training and inference, so "
        "that the platform is the reason cannot be read from its figures."
    )


register(Check(
    id="B37", quantity="growth of NVIDIA's networking over growth of its data-centre revenue, fiscal 2026", unit="1",
    inputs=_platform_inputs, compute=networking_growth_ratio, judge=_platform_verdict, evidence=_platform_evidence,
    command="drivetrain claims B37", moved={"network_2026": 7e9},
))  # fmt: skip
