"""Inference over a model's life: its share of compute and money, and what power is of its cost (A09, A10, A34)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.checks.trained_longer import params_of
from drivetrain.insight.claims.inputs import choice, claimed, of_economic, of_spread, stated
from drivetrain.insight.claims.sourced import part_input, price_input
from drivetrain.units import SECONDS_PER_DAY

if TYPE_CHECKING:
    from drivetrain.econ.lifetime import Bill
    from drivetrain.econ.tco import Hourly

H100 = "h100-sxm-80gb"


# A09: share of inference in the world's compute ----------------------------------------------------------------------


def world_inputs() -> Mapping[str, Input]:
    """Tokens served in the world, what one takes, and the accelerators there are."""
    from drivetrain.catalogue.series import series

    google = series("google-tokens")
    last = google.points[-1]
    return {
        "tokens_per_month": Input(last.value, "tokens per month", f"{last.source}, {last.month}"),
        "world_over_google": choice(4.0, "1", "all services over Google's", 2.0, 8.0),
        "active_params": choice(4e10, "parameters", "parameters a token passes, mean over services", 5e9, 1.5e11),
        "serving_mfu": choice(0.1, "share", "share of peak while serving", 0.03, 0.2),
        "busy": of_economic("utilisation_frac", "share"),
        "stock_h100": of_spread("chips.stock", "H100 equivalents"),
        "stock_growth": of_spread("chips.growth", "times a year"),
        "years_since": choice(0.4, "year", "from the end of 2025 to the month of the tokens"),
        "peak_flops_per_s": of_spread("hardware.h100_flops", "FLOP/s"),
        "claimed_share": claimed(2.0 / 3.0, "share"),
        "near": choice(0.1, "share", "how far off a forecast of a share may be"),
    }


def serving_share(v: Values) -> float:
    """Accelerators that serve the world's tokens over all there are; 1 where the tokens need more."""
    from drivetrain.econ.lifetime import Site, serving_bill

    each = serving_bill(v["active_params"], Site(v["peak_flops_per_s"], v["serving_mfu"], 0.0, 0.0)).accelerator_s
    per_s = v["tokens_per_month"] * v["world_over_google"] / (SECONDS_PER_DAY * 365.0 / 12.0)
    return min(1.0, per_s * each / v["busy"] / stock_now(v))


def stock_now(v: Values) -> float:
    """H100 equivalents installed in the month of the tokens."""
    return v["stock_h100"] * math.pow(v["stock_growth"], v["years_since"])


def _judge_share(c: Computed, v: Values) -> Verdict:
    if abs(c.value - v["claimed_share"]) <= v["near"] and c.high - c.low <= 4.0 * v["near"]:
        return "holds"
    return "holds under conditions" if c.low <= v["claimed_share"] <= c.high else "too loose"


def _told_share(c: Computed, v: Values) -> str:
    return (
        f"{v['tokens_per_month'] * v['world_over_google']:.2g} tokens a month through {v['active_params']:.2g} "
        f"parameters need {c.value * stock_now(v) / 1e6:.1f} of {stock_now(v) / 1e6:.0f} million H100 equivalents at "
        f"{v['serving_mfu']:.0%} of peak and {v['busy']:.0%} use: {c.value:.0%} ({c.low:.0%} to {c.high:.0%}), against "
        f"a projected {v['claimed_share']:.0%}. Nobody publishes tokens, sizes and fleets together; the claim is a "
        "projection, not a measurement."
    )


register(Check(
    id="A09", quantity="share of all accelerators that the world's tokens take to serve", unit="share",
    inputs=world_inputs, compute=serving_share, judge=_judge_share, evidence=_told_share,
    command="drivetrain claims A09 --set active_params=4e10", moved={"active_params": 1e8},
))  # fmt: skip


# A10: share of inference over a model's life -------------------------------------------------------------------------


def life_inputs() -> Mapping[str, Input]:
    """A model of one's own: its development, and what it answers before it is replaced."""
    return {
        "active_params": Input(params_of("llama-3.1-70b"), "parameters", "catalogue model llama-3.1-70b"),
        "training_tokens": stated(15e12, "tokens", "llama-3-report"),
        "development_over_final_run": of_economic("training_total_over_final"),
        "training_mfu": of_economic("training_mfu_frac", "share"),
        "training_over_serving_mfu": of_economic("training_mfu_over_serving_mfu"),
        "served_tokens": choice(1e14, "tokens", "140 billion a day over two years", 1e12, 1e15),
        "peak_flops_per_s": part_input(H100, "flops.bf16", "FLOP/s"),
        "usd_per_hour": price_input(H100),
        "claimed_low": claimed(0.8, "share"),
    }


def bills(v: Values) -> tuple[Bill, Bill]:
    """(Development of the model, one token served)."""
    from drivetrain.econ.lifetime import Site, serving_bill, training_bill

    train = Site(v["peak_flops_per_s"], v["training_mfu"], 0.0, v["usd_per_hour"])
    serve = replace(train, mfu=v["training_mfu"] / v["training_over_serving_mfu"])
    grown = v["development_over_final_run"]
    trained = training_bill(v["active_params"], v["training_tokens"], train, grown)
    return trained, serving_bill(v["active_params"], serve)


def life_share(v: Values) -> float:
    """Serving's share of the dollars of development and serving."""
    from drivetrain.econ.lifetime import serving_shares

    return serving_shares(*bills(v), v["served_tokens"])["usd"]


def _judge_life(c: Computed, v: Values) -> Verdict:
    if c.low >= v["claimed_low"]:
        return "holds"
    return "holds under conditions" if c.high >= v["claimed_low"] else "wrong"


def _told_life(c: Computed, v: Values) -> str:
    from drivetrain.econ.lifetime import tokens_for

    need = [tokens_for(share, *bills(v))["usd"] / v["training_tokens"] for share in (v["claimed_low"], 0.9)]
    return (
        f"A model of {v['active_params'] / 1e9:.0f}e9 parameters that serves {v['served_tokens']:.2g} tokens spends "
        f"{c.value:.0%} of its life's money on inference ({c.low:.0%} to {c.high:.0%}, most of it by tokens served and "
        f"by how much research the first run took). {v['claimed_low']:.0%} is passed at {need[0]:.0f} tokens served "
        f"per training token, 90% at {need[1]:.0f}; who trains nothing is past it from the first day."
    )


register(Check(
    id="A10", quantity="share of inference in a model's lifetime cost", unit="share",
    inputs=life_inputs, compute=life_share, judge=_judge_life, evidence=_told_life,
    command="drivetrain claims A10 --set served_tokens=1e14", moved={"served_tokens": 1e11},
))  # fmt: skip


# A34: power and cooling in the cost of serving -----------------------------------------------------------------------

_RANGED = ("pue", "usd_per_kwh", "load_frac", "facility_usd_per_kw", "server_years", "discount_rate_frac")


def power_inputs() -> Mapping[str, Input]:
    """A hyperscaler's H100 with the terms that move power's share."""
    return {
        **{name: of_economic(f"hyperscaler:{name}") for name in _RANGED},
        "dominates": claimed(0.5, "share"),
        "capital_factor": choice(1.0, "1", "price of the accelerator with server and network over the catalogue's",
                                 0.7, 1.3),
    }  # fmt: skip


def hourly_parts(v: Values) -> Hourly:
    """USD an hour of an H100 by part on these terms."""
    from drivetrain.catalogue import loader
    from drivetrain.econ.operators import operator, owned
    from drivetrain.econ.tco import hourly

    economics = loader.economics()
    own = owned(H100, operator("hyperscaler", economics), loader.load_all("prices").values(), economics)
    terms = replace(own.operator.terms, **{name: v[name] for name in _RANGED})
    return hourly(own.hardware.at(own.hardware.capital_usd * v["capital_factor"]), terms)


def power_share(v: Values) -> float:
    """Electricity, cooling in it by PUE, and the facility that brings both, over the whole cost."""
    parts = hourly_parts(v)
    return (parts.electricity + parts.facility) / parts.total


def _judge_power(c: Computed, v: Values) -> Verdict:
    if c.value >= v["dominates"]:
        return "holds"
    return "holds under conditions" if c.high >= v["dominates"] else "wrong"


def _told_power(c: Computed, v: Values) -> str:
    parts = hourly_parts(v)
    capital = (parts.accelerator + parts.server + parts.network) / parts.total
    return (
        f"Of ${parts.total:.2f} an hour for an H100 that runs all the time, electricity with cooling is "
        f"{parts.electricity / parts.total:.0%} and the facility {parts.facility / parts.total:.0%}, together "
        f"{c.value:.0%} ({c.low:.0%} to {c.high:.0%}); accelerator, server and network are {capital:.0%}. What power "
        "costs is not what it limits (A33)."
    )


register(Check(
    id="A34", quantity="share of power, cooling and facility in the cost of an accelerator-hour", unit="share",
    inputs=power_inputs, compute=power_share, judge=_judge_power, evidence=_told_power,
    command="drivetrain claims A34 --set usd_per_kwh=0.0826", moved={"usd_per_kwh": 1.5},
))  # fmt: skip
