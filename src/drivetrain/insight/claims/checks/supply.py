"""What is scarce: accelerators or the moving of data, memory or packaging, power (A39, A52, A57, A72)."""

from __future__ import annotations

import math
from collections.abc import Mapping

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.inputs import choice, of_economic, of_spread
from drivetrain.units import JOULES_PER_KWH, show

_SECONDS_PER_YEAR = 365 * 86400.0
_BYTES_PER_TOKEN = 4.0  # of text


# A39: are accelerators scarce, or is moving data the limit


def _scarcity_inputs() -> Mapping[str, Input]:
    return {
        "rent_before": _point("h100-rental", "2025-10"),
        "rent_after": _point("h100-rental", "2026-03", 2.35, 2.65),
        "months": choice(5, "1", "October 2025 to March 2026"),
        "price_performance": of_economic("price_performance_ooms_per_year", "1"),
    }


def _point(series_name: str, month: str, low: float | None = None, high: float | None = None) -> Input:
    from drivetrain.catalogue.series import series

    found = next(point for point in series(series_name).points if point.month == month)
    return Input(found.value, series(series_name).unit, f"{found.source}, {month}", low, high)


def scarcity(v: Values) -> float:
    """Rent of an H100 over what ageing alone would have made of it; above one, accelerators got scarcer."""
    ageing: float = 10.0 ** (-v["price_performance"] * v["months"] / 12.0)
    return v["rent_after"] / v["rent_before"] / ageing


def _scarcity_verdict(c: Computed, _v: Values) -> Verdict:
    if c.low > 1.0:
        return "wrong"
    return "holds under conditions" if c.high > 1.0 else "holds"


def _scarcity_evidence(c: Computed, v: Values) -> str:
    from drivetrain.arch.params import kv_bytes_per_token
    from drivetrain.catalogue.wan import egress_usd_per_gb, place
    from drivetrain.insight.claims.replica import cost, offered

    offer, ready = offered("llama-3.1-70b", "h100-sxm-80gb", "tp4", 1000.0, 500.0)
    usd = (
        cost("llama-3.1-70b", "h100-sxm-80gb", "tp4", 1000.0, 500.0, "tpot_p95=50ms", offer.usd_per_hour) * 500.0 / 1e6
    )
    per_gb = egress_usd_per_gb(place("us"), place("eu"))
    cut = ready.deployment.cut
    text, cache = 1500.0 * _BYTES_PER_TOKEN, 1500.0 * kv_bytes_per_token(cut.model, cut.checkpoint)
    return (
        f"One-year H100 contracts went from ${v['rent_before']:.2f} to ${v['rent_after']:.2f} an hour where ageing "
        f"parts lose value: {c.value:.2f} times what ageing leaves. Above one, accelerators got scarcer. Moving a "
        f"request's text from America to Europe costs {text / 1e9 * per_gb / usd:.1%} of what its accelerators cost "
        f"(Llama 3.1 70B), moving its KV cache {cache / 1e9 * per_gb / usd:,.0f} times as much as they do: state "
        "should stay where it is."
    )


register(Check(
    id="A39", quantity="rent of an H100 in March 2026 over October 2025, ageing taken out", unit="1",
    inputs=_scarcity_inputs, compute=scarcity, judge=_scarcity_verdict, evidence=_scarcity_evidence,
    command="drivetrain claims A39", moved={"rent_after": 1.4},
))  # fmt: skip


# A52: what HBM takes from other memory


def _displaced_inputs() -> Mapping[str, Input]:
    return {
        "wafer_frac": of_economic("hbm_wafer_frac_2026", "1"),
        "bit_frac": of_economic("hbm_bit_frac_2026", "1"),
        "bit_growth": of_economic("dram_bit_growth", "1"),
        "gaming_cut": of_economic("gaming_gpu_cut", "1"),
    }


def displaced_frac(v: Values) -> float:
    """Ordinary DRAM that HBM's wafers would have made, over what is made of it: w / (1 - w)."""
    return v["wafer_frac"] / (1.0 - v["wafer_frac"])


def _displaced_verdict(c: Computed, v: Values) -> Verdict:
    if c.low >= v["gaming_cut"]:
        return "holds"
    return "holds under conditions" if c.value >= v["bit_growth"] else "too loose"


def _displaced_evidence(c: Computed, v: Values) -> str:
    w, b = v["wafer_frac"], v["bit_frac"]
    trade = (w / b) / ((1.0 - w) / (1.0 - b))
    return (
        f"HBM takes {w:.0%} of DRAM wafers and gives {b:.0%} of its bits, so a bit of HBM costs as much as "
        f"{trade:.1f} others. Those wafers would have made {c.value:.0%} more ordinary DRAM, "
        f"{c.value / v['bit_growth']:.1f} years of its growth (one is enough to be missed). That gaming GPUs were cut "
        f"by {v['gaming_cut']:.0%} is reported from supply chains and not confirmed."
    )


register(Check(
    id="A52", quantity="ordinary DRAM that HBM's wafers would have made, over what is made", unit="1",
    inputs=_displaced_inputs, compute=displaced_frac, judge=_displaced_verdict, evidence=_displaced_evidence,
    command="drivetrain claims A52 --set wafer_frac=22%", moved={"wafer_frac": 0.05},
))  # fmt: skip


# A57: memory or packaging


def _stack_inputs() -> Mapping[str, Input]:
    return {
        "year": choice(2026.5, "year", "the year of the essay, at its middle"),
        "hbm_bytes": _spread("hbm.bytes", "bytes per year"),
        "packaging_wafers": _spread("packaging.wafers", "wafers per year"),
        "yield_frac": _spread("packaging.yield_frac", "share"),
    }


def _spread(name: str, unit: str) -> Input:
    from drivetrain.catalogue.spreads import spreads

    found = spreads("supply")[name]
    return Input(found.mid, unit, f"{found.stated.source}, {found.stated.seen}", found.low, found.high)


def memory_over_packaging(v: Values) -> float:
    """Accelerators that HBM is enough for over those that can be packaged; below one, memory binds."""
    allowed = accelerators_allowed(v)
    return allowed["hbm"] / allowed["packaging"]


def accelerators_allowed(v: Values) -> dict[str, float]:
    """Accelerators a year, of the mix then on sale, that each flow of the supply model allows."""
    import numpy as np

    from drivetrain.demand import limits, vintage

    at = vintage.mids()
    changed = {"hbm.bytes": "hbm_bytes", "packaging.wafers": "packaging_wafers", "packaging.yield_frac": "yield_frac"}
    at |= {name: np.array([v[key]]) for name, key in changed.items()}
    every = vintage.known(at, {name: np.ones(1) for name in vintage.names()})
    sold = [one for one in every if one.sold(v["year"])[0]]
    weights = np.array([one.weight[0] for one in sold])
    each = {"hbm": [one.hbm_bytes for one in sold], "packaging": [one.wafers for one in sold],
            "budget": [one.capex_usd for one in sold]}  # fmt: skip
    takes = {name: np.average(np.array(found), axis=0, weights=weights) for name, found in each.items()}
    flows = limits.of(at, np.array([v["year"]]))
    found = limits.room(flows, 0, takes).accelerators
    return {name: float(count[0]) / flows.dt_years for name, count in found.items()}


def _stack_verdict(c: Computed, _v: Values) -> Verdict:
    if c.high < 1.0:
        return "holds"
    return "holds under conditions" if c.low < 1.0 else "wrong"


def _stack_evidence(c: Computed, v: Values) -> str:
    now, later = (accelerators_allowed({**v, "year": year}) for year in (v["year"], v["year"] + 1.0))
    binds = [min(("hbm", "packaging"), key=allowed.__getitem__) for allowed in (now, later)]
    words = {"hbm": "memory", "packaging": "packaging"}
    return (
        f"In {v['year']:.0f} HBM is enough for {now['hbm'] / 1e6:.1f} million accelerators of the mix on sale and "
        f"packaging for {now['packaging'] / 1e6:.1f} million: {words[binds[0]]} binds of the two, {c.value:.2f} "
        f"({c.low:.2f} to {c.high:.2f}). A year later, with other parts on sale, they are {later['hbm'] / 1e6:.1f} and "
        f"{later['packaging'] / 1e6:.1f} million and {words[binds[1]]} binds. Budgets pay for "
        f"{now['budget'] / 1e6:.1f} million."
    )


register(Check(
    id="A57", quantity="accelerators that HBM allows over those that packaging allows, 2026", unit="1",
    inputs=_stack_inputs, compute=memory_over_packaging, judge=_stack_verdict, evidence=_stack_evidence,
    command="drivetrain claims A57 --set year=2026.5", moved={"packaging_wafers": 6e5},
))  # fmt: skip


# A72: power


def _power_inputs() -> Mapping[str, Input]:
    return {
        "chips": of_economic("ai_chip_power_2025", "W"),
        "server": of_economic("server_power_multiplier", "1"),
        "pue": of_economic("pue", "1"),
        "load": of_economic("server_load_frac", "1"),
        "compute_growth": of_economic("compute_growth", "1"),
        "energy_growth": of_spread("hardware.energy_growth", "1"),
        "all_now": _point("data-centre-energy", "2025-12"),
        "all_2030": _point("data-centre-energy", "2030-12"),
        "start": choice(2026, "year", "the figures of today are of the end of 2025"),
        "expected": choice(2031, "year", "the end of 2030"),
    }


def year_of_exceeding(v: Values) -> float:
    """When AI at its present growth, with all else as it is, takes what is expected of all data centres in 2030.

    Power of AI grows with compute over FLOP per joule.
    """
    ai, now, then = _watts(v)
    growth = v["compute_growth"] / v["energy_growth"]
    return v["start"] + math.log((then - (now - ai)) / ai) / math.log(growth)


def _watts(v: Values) -> tuple[float, float, float]:
    """Mean power of AI and of all data centres at the end of 2025, of all in 2030."""
    ai = v["chips"] * v["server"] * v["pue"] * v["load"]
    return ai, v["all_now"] / _SECONDS_PER_YEAR, v["all_2030"] / _SECONDS_PER_YEAR


def _power_verdict(c: Computed, v: Values) -> Verdict:
    if c.value >= v["expected"]:
        return "too loose"
    return "holds" if c.high < v["expected"] else "holds under conditions"


def _power_evidence(c: Computed, v: Values) -> str:
    ai, now, then = _watts(v)
    growth = v["compute_growth"] / v["energy_growth"]
    return (
        f"AI took about {show(ai, 'W')} of the {show(now, 'W')} of all data centres at the end of 2025. Compute times "
        f"{v['compute_growth']:.1f} and FLOP per joule times {v['energy_growth']:.2f} a year make its power times "
        f"{growth:.1f}; at that, with all else as it is, it takes data centres to what the IEA expects of all in 2030 "
        f"({then * _SECONDS_PER_YEAR / JOULES_PER_KWH / 1e9:,.0f} TWh a year) in {c.value:.1f}. Where that is before "
        "the end of 2030, more is built than expected or power caps growth."
    )


register(Check(
    id="A72", quantity="when AI at present growth, all else as it is, takes data centres to the power expected in 2030",
    unit="year", inputs=_power_inputs, compute=year_of_exceeding, judge=_power_verdict, evidence=_power_evidence,
    command="drivetrain claims A72 --set compute_growth=3.3", moved={"compute_growth": 1.45},
))  # fmt: skip
