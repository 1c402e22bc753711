"""The figures of a training run as lines: model, law, time, speed, money, energy, what ranges hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivetrain.report.ranges import with_range
from drivetrain.units import JOULES_PER_KWH, SECONDS_PER_DAY, number, show
from drivetrain.verbs.train_solve import show_usd

_LOSS_RANGE = "; loss by the law's draws, single runs and its form beyond the fit"
_FEW_DAYS = 2.0  # below them hours read better
_TIER = {"calibrated": "calibrated on measured runs", "roofline": "by analogy with measured parts"}


def number_lines(f: Mapping[str, Any]) -> list[str]:
    """The figures of a run, each line with its label in the first ten columns."""
    r = f["ranges"]

    def span(text: str, name: str, factor: float = 1.0) -> str:
        ends = r[name]
        low, high = (None if ends[end] is None else ends[end] * factor for end in ("p10", "p90"))
        return with_range(text, None if f[name] is None else f[name] * factor, low, high)

    known, seen = f["loss"], f["epochs"]
    loss = "no loss" if known["value"] is None else f"loss {known['value']:.4g}"
    loss += "" if known["p10"] is None else f" ({known['p10']:.4g}–{known['p90']:.4g})"
    active = "" if f["active_params"] == f["params"] else f" ({show(f['active_params'], 'params')} active)"
    good = f["goodput"]
    often = "" if good["checkpoint_every_s"] is None else f", checkpoint every {show(good['checkpoint_every_s'], 's')}"
    fails = "" if good["mtbf_s"] is None else f", a failure every {show(good['mtbf_s'], 's')}"
    money = "no price known"
    if f["usd"] is not None:
        rate = f["usd_per_trillion_tokens"]
        money = (f"{_dollars(f, 'usd')}, ${number(f['usd_per_hour'], 4)}/h, {show_usd(rate)} per trillion tokens; "
                 f"{_basis(f['price'])}")  # fmt: skip
        if f["usd_on_demand"] is not None:
            money += f", {show_usd(f['usd_on_demand'])} on demand"
    carbon = "" if f["carbon_kg"] is None else f", {_tonnes(f['carbon_kg'])} CO2e"
    unit, joules = _energy_unit(f["energy_j"])
    steps = r["step_time_s"]
    step = with_range(show(f["step_time_s"], "s"), f["step_time_s"], steps["p10"], steps["p90"], "s")
    return [
        f"model     {f['model']}: {show(f['params'], 'params')} parameters{active}, "
        f"{show(f['tokens'], 'params')} tokens ({number(f['tokens_per_param'])} a parameter"
        f"{f', each seen {number(seen, 2)} times' if seen > 1.0 else ''}), {loss}",
        *_law(f),
        f"run       {_days(f)}, {f['n_steps']:,} steps of {f['global_batch']:,} x "
        f"{f['seq']:,} tokens, {step} each",
        f"speed     {span(number(f['tokens_per_s_per_accel']), 'tokens_per_s_per_accel')} tokens/s each, "
        f"{number(f['tokens_per_s'])} in all; MFU {percent(f['mfu'])}, HFU {percent(f['hfu'])}",
        f"uptime    {percent(f['effective_time_frac'], 3)} of the time trains{often}{fails}",
        f"cost      {money}",
        f"energy    {span(number(f['energy_j'] / joules), 'energy_j', 1 / joules)} {unit}, "
        f"{show(f['power_w'], 'W')} mean at the meter{carbon}",
        f"ranges    80 %: speed as left-out sources were missed, dollars by it at this price, energy by it, PUE and "
        f"draw{'' if known['value'] is None else _LOSS_RANGE}; evidence: {_TIER[f['tier']]}",
    ]  # fmt: skip


def _law(f: Mapping[str, Any]) -> list[str]:
    """The law's own answer to this compute, where there is one."""
    law = f["scaling"]
    if law is None:
        return []
    ratio = law["tokens_per_param"]
    ratio_text = with_range(number(ratio["value"]), ratio["value"], ratio["wide_p10"], ratio["wide_p90"])
    return [
        f"law       {law['law']}: best use of this compute {show(law['optimal_params'], 'params')} on "
        f"{show(law['optimal_tokens'], 'params')} tokens, {ratio_text} a parameter; ten times as much reaches "
        f"{law['ten_times_loss']:.4g}, nothing gets below {law['irreducible_loss']:.4g}"
    ]


def _days(f: Mapping[str, Any]) -> str:
    """``7.7 (6.9–8.6) days``, or shorter units where it is shorter than two."""
    days, ends = f["days"], f["ranges"]["days"]
    if days >= _FEW_DAYS:
        return f"{with_range(number(days), days, ends['p10'], ends['p90'])} days"
    seconds, low, high = (SECONDS_PER_DAY * d for d in (days, ends["p10"], ends["p90"]))
    return with_range(show(seconds, "s"), seconds, low, high, "s")


def _energy_unit(joules: float) -> tuple[str, float]:
    """The unit that keeps an energy readable, and its joules.

    >>> _energy_unit(3.6e8), _energy_unit(3.6e12)
    (('kWh', 3600000.0), ('MWh', 3600000000.0))
    """
    kwh = joules / JOULES_PER_KWH
    return ("kWh", JOULES_PER_KWH) if kwh < 1e3 else ("MWh", 1e3 * JOULES_PER_KWH)


def energy_text(joules: float) -> str:
    """An energy in the unit that keeps it readable.

    >>> energy_text(7.2e9)
    '2 MWh'
    """
    unit, size = _energy_unit(joules)
    return f"{number(joules / size)} {unit}"


def _basis(price: Mapping[str, Any]) -> str:
    """What a price is, and between what bounds its source saw it."""
    low, high = price["usd_low"], price["usd_high"]
    if low is None and high is None:
        return str(price["basis"])
    seen = "–".join(f"${number(end)}" for end in (low, high) if end is not None)
    return f"{price['basis']} at ${number(price['usd_per_hour'])} ({seen} seen)"


def _dollars(f: Mapping[str, Any], name: str) -> str:
    """``$498k ($447k–$555k)``."""
    ends = f["ranges"][name]
    return f"{show_usd(f[name])} ({show_usd(ends['p10'])}–{show_usd(ends['p90'])})"


def _tonnes(kg: float) -> str:
    return f"{number(kg / 1e3)} t" if kg >= 1e3 else f"{number(kg)} kg"


def percent(value: float, digits: int = 2) -> str:
    """A share for people.

    >>> percent(0.4567)
    '46 %'
    """
    return f"{number(100 * value, digits)} %"
