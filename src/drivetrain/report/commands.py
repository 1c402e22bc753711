"""Commands that a plan suggests: the one that saves it, the one that looks closer, the one that relaxes what fails."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from drivetrain.report.pools import layout_option
from drivetrain.scenario import ServeScenario
from drivetrain.serving.slo import METRICS, parse_slo
from drivetrain.units import number
from drivetrain.verbs.limit_words import rounded_up
from drivetrain.verbs.limits import catalogue_names

_OPTIONS = {
    "model": "-m", "workload": "-w", "isl": "--isl", "osl": "--osl", "rate": "-r", "slo": "--slo", "objective": "-o",
    "accelerators": "-a", "engines": "-e", "layouts": "--layouts", "weights": "--weights", "kv": "--kv",
    "techniques": "--with", "max": "--max", "providers": "--provider", "max_power_w": "--max-power",
    "rack_power_w": "--rack-power", "budget_usd_per_hour": "--budget",
}  # fmt: skip
_NOT_OF_PLANS = ("concurrency", "memory_frac")  # what plan serve has no option for
_DEFAULTS = {field.name: field.default for field in fields(ServeScenario)}
_COUNTS = ("max_accelerators", "max_racks", "spares")
_ABSURD = 20.0  # nobody relaxes a target that far


def plan_command(scenario: Mapping[str, Any]) -> str:
    """The ``plan serve`` command of a question: what was chosen, no option at its default.

    >>> plan_command({"model": "llama-3.1-8b", "isl": 1000.0, "osl": 200.0, "rate": 2.5, "max_power_w": 2e4})
    'drivetrain plan serve -m llama-3.1-8b --isl 1000 --osl 200 -r 2.5 --max-power 20kW'
    """
    words = ["drivetrain plan serve"]
    for name, default in _DEFAULTS.items():
        value = scenario.get(name, default)
        if name in _NOT_OF_PLANS or value == default or (default == () and not value):
            continue
        option = _OPTIONS.get(name, f"--{name.replace('_', '-')}")
        if value is True:
            words.append(option)
            continue
        texts = value if name == "max" else [_text(name, value)]
        words.extend(f"{option} {shlex.quote(text)}" for text in texts)
    return " ".join(words)


def start_line(answer: Mapping[str, Any]) -> str:
    """How to get what starts a plan."""
    told = all(answer["scenario"].get(name) == _DEFAULTS[name] for name in _NOT_OF_PLANS)
    return f"start: {plan_command(answer['scenario']) if told else 'the same question with'} --save DIR"


def next_line(answer: Mapping[str, Any]) -> str:
    """What to run next: the plan's own replica operator by operator, or the question with what failed relaxed."""
    best, scenario = answer["best"], answer["scenario"]
    return f"next: {predict_command(best, scenario) if best else _relaxed(answer, answer['closest_miss'], scenario)}"


def predict_command(f: Mapping[str, Any], scenario: Mapping[str, Any]) -> str:
    """The command that evaluates one configuration of a plan and lists its operators."""
    requests = (
        f"-w {shlex.quote(scenario['workload'])}"
        if scenario["workload"]
        else f"--isl {scenario['isl']:g} --osl {scenario['osl']:g}"
    )
    slo = f' --slo "{scenario["slo"]}"' if scenario["slo"] else ""
    swapped = any(change.startswith("sibling=") for change in f["output_changes"])
    weights = "" if swapped or f["weight_dtype"] == f["shipped_weight_dtype"] else f" --weights {f['weight_dtype']}"
    weights += f" --kv {f['kv_dtype']}" if any(c.startswith("kv=") for c in f["output_changes"]) else ""
    weights += f" --with {shlex.quote(f['with'])}" if f["with"] else ""
    return (
        f"drivetrain predict serve -m {shlex.quote(f['model'] if swapped else scenario['model'])} {requests} "
        f"{layout_option(f)} "
        f"-e {f['engine']}{weights} "
        f"--max-num-seqs {f['max_concurrency']} --max-batched-tokens {f['max_batched_tokens']} "
        f"-r {number(f['rate_per_replica'])}{slo} --operators"
    )


def _relaxed(answer: Mapping[str, Any], miss: Mapping[str, Any], scenario: Mapping[str, Any]) -> str:
    """The question with the first relaxation that would do, or the targets that the closest plan reaches."""
    found: Sequence[Mapping[str, Any]] = answer["relaxations"]
    changes = found[0]["changes"] if found else _missed(miss)
    lighter = scenario["weights"] == "shipped" and not scenario["allow"] and not scenario["techniques"]
    advice = "--weights any" if lighter else ""
    if changes:
        command = plan_command(_changed(scenario, changes))
        return command if found or not advice else f"{command}, or try {advice}"
    return "lower --rate or relax the targets" + (f", or add {advice}" if advice else "")


def _missed(miss: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The targets that a plan misses, as far as anyone would relax them; none where it misses more than those."""
    missed = miss["violates"]
    if not all("slo" in v and v["reached_s"] is not None and v["reached_s"] < _ABSURD * v["limit_s"] for v in missed):
        return []
    return [{"limit": v["slo"], "from": v["limit_s"], "to": v["reached_s"]} for v in missed]


def _changed(scenario: Mapping[str, Any], changes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The question with ``changes`` made, rounded to the side on which they still are enough."""
    found = dict(scenario)
    for change in changes:
        limit, to = change["limit"], change["to"]
        if limit.split("_")[0] in METRICS:
            limits = {t.name: t.limit_s for t in parse_slo(found["slo"])} | {limit: rounded_up(to)}
            found["slo"] = ",".join(f"{name}={_seconds(seconds)}" for name, seconds in limits.items())
        elif limit.startswith("max ") or (limit == "max_accelerators" and _totals(found)):
            found["max"] = [_quota(text, limit.removeprefix("max "), to) for text in found["max"]]
        else:
            found[limit] = to if limit in _COUNTS else -rounded_up(-to) if limit == "rate" else rounded_up(to)
    return found


def _totals(scenario: Mapping[str, Any]) -> list[str]:
    """Quotas without a name, which count all accelerators."""
    return [text for text in scenario["max"] if "=" not in text]


def _quota(text: str, limit: str, to: float) -> str:
    """A quota raised, if it is the one that ``limit`` names in full; others as they are."""
    name, equals, _ = text.rpartition("=")
    if not equals:
        return f"{to:g}" if limit == "max_accelerators" else text
    return f"{name}={to:g}" if limit in catalogue_names(name) else text


def _seconds(seconds: float) -> str:
    return f"{seconds:.6g}s" if seconds >= 1 else f"{1e3 * seconds:.6g}ms"


def _text(name: str, value: object) -> str:
    """A choice as its option takes it."""
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    if not isinstance(value, (int, float)):
        return str(value)
    if name in ("max_power_w", "rack_power_w"):
        return f"{value / 1e3:.10g}kW"
    return f"${value:.10g}/h" if name == "budget_usd_per_hour" else f"{value:.10g}"
