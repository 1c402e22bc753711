"""``plan serve --verify``: the recommended plan played request by request, and its replicas corrected.

The plan's own traffic is offered at the rate that it was sized for (the busiest hour plus headroom): the trace that is
given, scaled to that rate with its bursts, or requests drawn from the workload's profile. The number of replicas is the
smallest at which the simulated latencies keep the targets, by bisection between one that does and one that does not
(more replicas are taken to be no worse). What the closed form promised stands beside what the simulator found, at the
planned number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from drivetrain.errors import BadInputError
from drivetrain.verbs.simulate import Tell, simulate

METRICS = ("ttft_s", "tpot_s", "e2e_s")
_MOST_REQUESTS = 20_000
_LEAST_REQUESTS = 4_000
_REQUESTS_PER_REPLICA = 500
_MOST_TIMES = 8  # of the planned replicas: beyond that the targets are not a matter of numbers


@dataclass(frozen=True, slots=True)
class _Found:
    """One simulated fleet."""

    replicas: int
    answer: dict[str, Any]

    @property
    def keeps(self) -> bool:
        """Whether every target is met and nothing is left over."""
        return all(target["met"] for target in self.answer["targets"]) and not self.answer["unfinished"]


def verify(
    answer: Mapping[str, Any], trace: str = "", seed: int = 1, tell: Tell = lambda *_: None, **more: Any,  # noqa: ANN401
) -> dict[str, Any]:  # fmt: skip
    """Simulate the best plan of ``answer`` (of :func:`drivetrain.plan_serve`) and correct its replicas.

    ``more`` are further choices of ``simulate``, e.g. ``route``. Returns ``rate_per_s``, ``traffic``,
    ``replicas_planned``, ``replicas_needed`` (``None`` where no number keeps the targets), ``meets_slo`` (at the
    planned number), ``promised`` and ``found`` latencies, ``attribution`` and ``tried``.
    """
    best = answer["best"]
    if best is None:
        raise BadInputError("there is no plan to verify.")
    choices = _choices(answer, trace) | {"seed": seed} | more
    divided = isinstance(best["layout"], Mapping)
    planned = 1 if divided else int(best["replicas"])
    played = _Player(choices, planned, trace, tell)
    first = played(planned)
    needed: int | None = None
    if not divided and first.answer["targets"]:
        needed = _smallest(played, first)
    elif first.keeps:
        needed = planned
    return {
        "rate_per_s": choices["rate"],
        "traffic": first.answer["traffic"],
        "replicas_planned": int(best["replicas"]),
        "replicas_needed": int(best["replicas"]) if divided and needed else needed,
        "meets_slo": first.keeps if first.answer["targets"] else None,
        "targets": first.answer["targets"],
        "promised": {metric: best[metric] for metric in METRICS},
        "found": {metric: first.answer[metric] for metric in METRICS},
        "slo_goodput_frac": first.answer["slo_goodput_frac"],
        "utilisation_frac": first.answer["utilisation_frac"],
        "preemptions": first.answer["preemptions"],
        "attribution": first.answer["attribution"],
        "tried": [_row(found) for _, found in sorted(played.known.items())],
        "seed": seed,
    }


class _Player:
    """Plays a number of replicas once."""

    def __init__(self, choices: dict[str, Any], planned: int, trace: str, tell: Tell) -> None:
        self.choices, self.tell = choices, tell
        self.known: dict[int, _Found] = {}
        if not trace:
            wanted = _REQUESTS_PER_REPLICA * planned
            self.choices["requests"] = max(_LEAST_REQUESTS, min(wanted, _MOST_REQUESTS))

    def __call__(self, replicas: int) -> _Found:
        if replicas not in self.known:

            def tell(_: str, done: int, total: int) -> None:
                self.tell(f"verifying {replicas} replica{'s' * (replicas > 1)}", done, total)

            self.known[replicas] = _Found(replicas, simulate(replicas=replicas, tell=tell, **self.choices))
        return self.known[replicas]


def _smallest(played: Callable[[int], _Found], first: _Found) -> int | None:
    """The smallest number of replicas that keeps the targets."""
    low, high = 0, first.replicas  # low does not keep them (none serve nothing), high does
    if not first.keeps:
        low, high = first.replicas, first.replicas + 1
        while not played(high).keeps:
            if high >= _MOST_TIMES * first.replicas:
                return None
            low, high = high, min(2 * high - low + 1, _MOST_TIMES * first.replicas)
    step = 1
    while first.keeps and high - low > 1 and step:  # near the plan first: it is rarely far off
        candidate = max(high - step, low + 1)
        if played(candidate).keeps:
            high, step = candidate, 2 * step
        else:
            low, step = candidate, 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if played(middle).keeps else (middle, high)
    return high


def _choices(answer: Mapping[str, Any], trace: str) -> dict[str, Any]:
    """The plan as choices of a simulation."""
    scenario, best = answer["scenario"], answer["best"]
    layout = best["layout"]
    if isinstance(layout, Mapping):
        layout = ", ".join(f"{role}: {pool['layout']} x{pool['replicas']}" for role, pool in layout.items())
    traffic: dict[str, Any] = {"trace": trace, "too_long": "drop"} if trace else {
        "workload": scenario["workload"], "isl": scenario["isl"], "osl": scenario["osl"]}  # fmt: skip
    if not trace:
        traffic["prefix_hit"] = scenario["prefix_hit"]
    limits = {} if isinstance(best["layout"], Mapping) else {
        "max_num_seqs": best["max_concurrency"], "max_batched_tokens": best["max_batched_tokens"]}  # fmt: skip
    return {
        "model": best.get("model") or scenario["model"], "accelerator": best["accelerator"], "layout": layout,
        "engine": best["engine"], "weights": best["weight_dtype"], "kv": best["kv_dtype"],
        "techniques": best.get("with", ""), "memory_frac": scenario["memory_frac"], "pricing": scenario["pricing"],
        "region": scenario["region"].split(",")[0].strip(), "slo": scenario["slo"],
        "rate": answer["offered_output_tokens_per_s"]["rate_peak"], **limits, **traffic,
    }  # fmt: skip


def _row(found: _Found) -> dict[str, Any]:
    """One number of replicas tried."""
    return {"replicas": found.replicas, "keeps_slo": found.keeps, "slo_goodput_frac": found.answer["slo_goodput_frac"],
            **{metric: found.answer[metric] for metric in METRICS}}  # fmt: skip
