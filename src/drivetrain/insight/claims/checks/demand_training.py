"""Essay 004, a training run: what it costs, whether it is an episode, what decides its cost (B02, B08, B09)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.checks.lifetime_cost import hourly_parts
from drivetrain.insight.claims.inputs import choice, claimed, of_economic

ESSAY = "004"
H100, H800_FLOPS_OF = "h100-sxm-80gb", "h100-sxm-80gb"


# B02: 5.6 million dollars


def _bill_inputs() -> Mapping[str, Input]:
    names = ("active_params", "tokens", "mfu", "usd_per_gpu_hour")
    ends = {"usd_per_gpu_hour": (1.5, 2.5), "mfu": (0.37, 0.41)}
    found = {name: of_economic(f"deepseek_v3_{name}") for name in names}
    return {
        **{name: replace(one, low=ends.get(name, (one.low,))[0], high=ends.get(name, (one.high,))[-1])
           for name, one in found.items()},
        "total_over_final": of_economic("training_total_over_final"),
        "claimed_usd": claimed(5.6e6, "USD", ESSAY),
        "roughly": choice(0.05, "share", "how far 'roughly' reaches"),
    }  # fmt: skip


def final_run_usd(v: Values) -> float:
    """GPU-hours from parameters, tokens and measured MFU, with extension and post-training, times the rent."""
    return _deepseek(v)[0]


def _deepseek(v: Values) -> tuple[float, float, float]:
    """(USD, GPU-hours, days on its cluster) of DeepSeek-V3's final run at these inputs."""
    from drivetrain.catalogue import loader
    from drivetrain.econ.lifetime import deepseek_v3

    known = dict(loader.economics())
    for name in ("active_params", "tokens", "mfu", "usd_per_gpu_hour"):
        one = known[f"deepseek_v3_{name}"]
        known[one.name] = replace(one, mid=replace(one.mid, value=v[name]))
    found = deepseek_v3(known, loader.load("accelerators", H800_FLOPS_OF).flops["bf16"], 0.0)
    return found.usd, found.total_hours, found.days


def _bill_verdict(c: Computed, v: Values) -> Verdict:
    near = abs(c.value / v["claimed_usd"] - 1.0) <= v["roughly"]
    return "holds" if near else "holds under conditions" if c.low <= v["claimed_usd"] <= c.high else "wrong"


def _bill_evidence(c: Computed, v: Values) -> str:
    _, hours, _ = _deepseek(v)
    return (
        f"From its parts: {v['active_params'] / 1e9:.0f}e9 active parameters, {v['tokens'] / 1e12:.1f}e12 tokens at an "
        f"MFU of {v['mfu']:.1%} are {hours / 1e6:.2f} million H800-hours, at ${v['usd_per_gpu_hour']:.2f} "
        f"${c.value / 1e6:.2f} million. It leaves out research and failed runs, at other laboratories "
        f"{v['total_over_final']:.1f} times as much in all, and the cluster itself."
    )


register(Check(
    id="B02", quantity="cost of DeepSeek-V3's final training run, from its parts", unit="USD",
    inputs=_bill_inputs, compute=final_run_usd, judge=_bill_verdict, evidence=_bill_evidence,
    command="drivetrain cost lifetime --model deepseek-v3", moved={"mfu": 0.2},
))  # fmt: skip


# B08: episodes


def _episode_inputs() -> Mapping[str, Input]:
    return {**{name: item for name, item in _bill_inputs().items() if name in
               ("active_params", "tokens", "mfu", "usd_per_gpu_hour", "total_over_final")},
            "days_per_year": choice(365.0, "days", "the cluster is there all year"),
            "episode": choice(0.5, "share", "busy for less than half of the time: works in episodes")}  # fmt: skip


def busy_frac(v: Values) -> float:
    """Share of a year that one model's whole development keeps the cluster of its final run busy; at most all."""
    return min(1.0, _deepseek(v)[2] * v["total_over_final"] / v["days_per_year"])


def _episode_verdict(c: Computed, v: Values) -> Verdict:
    if c.high < v["episode"]:
        return "holds"
    return "holds under conditions" if c.value < v["episode"] else "too loose"


def _episode_evidence(c: Computed, v: Values) -> str:
    days = _deepseek(v)[2]
    return (
        f"DeepSeek-V3's final run took its cluster {days:.0f} days. With {v['total_over_final']:.1f} times the compute "
        f"for the whole development the cluster is busy {c.value:.0%} of a year ({c.low:.0%} to {c.high:.0%}): the "
        "run is an episode; whether training is one depends on what a laboratory does between runs."
    )


register(Check(
    id="B08", quantity="share of a year that one model's development keeps its cluster busy", unit="share",
    inputs=_episode_inputs, compute=busy_frac, judge=_episode_verdict, evidence=_episode_evidence,
    command="drivetrain claims B08 --set mfu=0.3894", moved={"total_over_final": 1.2},
))  # fmt: skip


# B09: what decides the cost of a run


def _run_cost_inputs() -> Mapping[str, Input]:
    return {
        "mfu_low": of_economic("training_mfu_frac", "share"),
        "mfu_high": choice(0.5, "share", "the best published dense runs"),
        "small_cluster": choice(1024, "accelerators", "a small cluster"),
        "large_cluster": choice(4096, "accelerators", "a large one for a model of 70 billion"),
        "dear": choice(1.3, "1", "price of accelerators, servers and network over the catalogue's"),
        "cheap": choice(0.7, "1", "the same, cheap"),
        "usd_per_kwh_low": choice(0.04, "USD/kWh", "hydropower", 0.03, 0.05),
        "usd_per_kwh_high": choice(0.15, "USD/kWh", "a dear grid", 0.12, 0.2),
        "most": choice(0.5, "share", "more than all else together"),
    }


def logs(v: Values) -> dict[str, float]:
    """By driver: logarithm of a run's cost at its bad end over its good end."""
    terms = ("pue", "usd_per_kwh", "load_frac", "facility_usd_per_kw", "server_years", "discount_rate_frac")
    base = {name: of_economic(f"hyperscaler:{name}").value for name in terms} | {"capital_factor": 1.0}

    def hour(**changed: float) -> float:
        return hourly_parts(base | changed).total

    return {
        "utilisation": math.log(v["mfu_high"] / v["mfu_low"]),
        "cluster size": math.log(_hours(int(v["large_cluster"])) / _hours(int(v["small_cluster"]))),
        "capital": math.log(hour(capital_factor=v["dear"]) / hour(capital_factor=v["cheap"])),
        "electricity": math.log(hour(usd_per_kwh=v["usd_per_kwh_high"]) / hour(usd_per_kwh=v["usd_per_kwh_low"])),
    }


def named_frac(v: Values) -> float:
    """Share of the squared logarithms in utilisation, cluster size and capital."""
    squares = {name: effect**2 for name, effect in logs(v).items()}
    return 1.0 - squares["electricity"] / sum(squares.values())


@lru_cache
def _hours(n: int) -> float:
    """Accelerator-hours of Llama 3.1 70B's compute-optimal run on ``n`` H100."""
    from drivetrain.verbs.predict_train import predict_train

    return float(predict_train(model="llama-3.1-70b", accelerator=H100, n=n)["accelerator_hours"])


def _run_cost_verdict(c: Computed, v: Values) -> Verdict:
    if c.value < v["most"]:
        return "wrong"
    effects = {name: abs(effect) for name, effect in logs(v).items()}
    outside = effects.pop("electricity")
    return "holds" if min(effects.values()) >= outside else "holds under conditions"


def _run_cost_evidence(c: Computed, v: Values) -> str:
    effects = {name: math.exp(abs(effect)) for name, effect in logs(v).items()}
    told = ", ".join(f"{name} {effects[name]:.2f}x" for name in sorted(effects, key=lambda name: -effects[name]))
    return (
        f"What the range of each does to the cost of a run on H100: {told}. Utilisation, cluster size and capital are "
        f"{c.value:.0%} of the variance."
    )


register(Check(
    id="B09", quantity="share of cluster size, utilisation and capital in the variance of a run's cost", unit="share",
    inputs=_run_cost_inputs, compute=named_frac, judge=_run_cost_verdict, evidence=_run_cost_evidence,
    command="drivetrain claims B09 --set mfu_high=0.5", moved={"usd_per_kwh_high": 3.0},
))  # fmt: skip
