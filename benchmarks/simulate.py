"""Speed of the fleet simulator, one JSON object a line: name, value, unit, conditions (python benchmarks/simulate.py).

Llama 3.1 8B on H100 under vLLM, tp1, requests of 1,024 tokens in and 200 out at 80 % of what the replicas can do, with
everything that an answer holds: the run and its summary (latency percentiles, attribution, goodput, money, joules). CPU
seconds of one core, compiled code loaded, the median of several runs. Peers, tuned, each in its own settings
(shared/design/peers.md): 3,333 requests/s on one replica, 2,841 on eight, 3.8 GB for 100 thousand.

    python benchmarks/simulate.py million    (only the million requests on 64 replicas, with the memory they take)
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from functools import cache, partial
from pathlib import Path

from run import cpu_seconds, report, wall_seconds

from drivetrain.scenario import ServeScenario
from drivetrain.serving.policies import parse
from drivetrain.serving.sim.records import Fleet, Options, Outcome, Policies, Requests
from drivetrain.serving.sim.results import summary
from drivetrain.serving.sim.run import simulate
from drivetrain.serving.slo import parse_slo
from drivetrain.serving.traffic import read
from drivetrain.serving.traffic.arrivals import Arrivals
from drivetrain.serving.traffic.generating import generate
from drivetrain.serving.traffic.prefixes import Reuse
from drivetrain.verbs.simulated_fleet import FleetChoices, fleet_of

ISL, OSL, LOAD = 1024, 200, 0.8
SLO = parse_slo("ttft_p95=1s,tpot_p95=50ms")
TRACE = Path(__file__).resolve().parents[2] / "shared" / "traces" / "azure2023_conv_first80pct.parquet"
CLI = [sys.executable, "-m", "drivetrain", "simulate", "-m", "llama-3.1-8b", "-a", "h100-sxm", "--replicas", "4"]
WHAT = "Llama 3.1 8B on H100, vLLM, 1024 in / 200 out"


def fleet(replicas: int = 1, layout: str = "tp1", **choices: object) -> Fleet:
    scenario = ServeScenario(model="llama-3.1-8b", accelerators=("h100-sxm",), layouts=(layout,), engines=("vllm",),
                             isl=float(ISL), osl=float(OSL))  # fmt: skip
    return fleet_of(scenario, FleetChoices(replicas=replicas, **choices)).fleet


def poisson(n: int, rate: float, **reuse: object) -> Requests:
    return generate(
        arrivals=Arrivals(rate=rate), isl=ISL, osl=OSL, n=n, reuse=Reuse(**reuse) if reuse else None
    ).requests


@cache
def capacity() -> float:
    """Requests/s of one replica with as many in flight as it takes."""
    fleet_ = fleet()
    loop = generate(
        arrivals=Arrivals(concurrency=fleet_.pools[0].rules.max_num_seqs), isl=ISL, osl=OSL, n=5000
    ).requests
    return len(loop) / simulate(fleet_, loop).end_s


def answered(fleet_: Fleet, requests: Requests, options: Options = Options(sample_s=10.0)) -> Outcome:  # noqa: B008
    outcome = simulate(fleet_, requests, options)
    summary(outcome, fleet_, requests, SLO)
    return outcome


def speed(name: str, fleet_: Fleet, requests: Requests, what: str, repeats: int = 3) -> float:
    seconds = cpu_seconds(lambda: answered(fleet_, requests), repeats)
    report(f"simulate.{name}", len(requests) / seconds, "requests/s", f"{WHAT}: {what}; warm, CPU time, one core")
    return seconds


def one_pool() -> None:
    rate = LOAD * capacity()
    speed("overloaded", fleet(), poisson(100_000, 1.3 * capacity()), "100,000 requests, one replica at 130 %")
    for name, n, what in (("one_replica", 1, "one replica"), ("eight", 8, "8 replicas, least loaded,")):
        short = speed(name, fleet(n), poisson(100_000, n * rate), f"100,000 requests, {what} at 80 %")
        long = speed(f"{name}.million", fleet(n), poisson(1_000_000, n * rate), f"a million, {what} at 80 %")
        report(f"simulate.{name}.growth", long / short, "x", "CPU time of a million requests over that of 100 thousand")


def stepping() -> None:
    """What leaps are worth: most where arrivals are rare, since each of them needs a step of its own."""
    for load in (0.1, LOAD):
        requests, fleet_ = poisson(20_000, load * capacity()), fleet()
        steps, leaps = (
            cpu_seconds(partial(answered, fleet_, requests, Options(leap=leap)), 3) for leap in (False, True)
        )
        what = f"{WHAT}: CPU time step by step over that with leaps, one replica at {100 * load:.0f} %"
        report(f"simulate.leap.{100 * load:.0f}", steps / leaps, "x", what)


def everything() -> None:
    """Prefix cache by cache-aware routing, prompts and decoding apart, goodput, energy and cost."""
    choices = {"cache": "lru", "hash_tokens": 64, "policies": Policies(route=parse("route", "prefix-aware"))}
    fleet_ = fleet(1, "prefill: tp1 x4, decode: tp1 x6", **choices)
    requests = poisson(100_000, 5 * LOAD * capacity(), share=0.5, prefixes=64, hash_tokens=64)
    what = "100,000 requests, half of each prompt shared, 4 prefill and 6 decode replicas, prefix-aware routing"
    speed("everything", fleet_, requests, what)


def trace() -> None:
    if not TRACE.exists():
        print(json.dumps({"name": "simulate.azure_conv", "value": None, "unit": "s", "conditions": "no trace here"}))
        return
    requests, fleet_ = read(TRACE).requests, fleet()
    minutes = requests.arrival_s[-1] / 60.0
    report("simulate.azure_conv", cpu_seconds(lambda: answered(fleet_, requests), 5), "s",
           f"Azure 2023 conversation, {len(requests):,} requests in {minutes:.0f} min; warm, CPU time")  # fmt: skip
    report("simulate.cli", wall_seconds([*CLI, "--trace", str(TRACE), "--format", "json"]), "s",
           "the same on 4 replicas: cold process, compiled code cached, wall clock, best of 5")  # fmt: skip


def million() -> None:
    """Alone in a process: what it takes in memory is the process's own."""
    requests, fleet_ = poisson(1_000_000, 64 * LOAD * 20.0), fleet(64)
    answered(fleet_, poisson(100, 10.0))
    seconds = cpu_seconds(lambda: answered(fleet_, requests), 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    what = f"{WHAT}: a million requests on 64 replicas; warm, one core"
    report("simulate.million", seconds, "s", f"{what}, CPU time")
    report("simulate.million.memory", peak, "GB", f"{what}, peak of the process with requests and results")


def main() -> None:
    one_pool()
    stepping()
    everything()
    trace()
    subprocess.run([sys.executable, __file__, "million"], check=True)


if __name__ == "__main__":
    million() if sys.argv[1:] == ["million"] else main()
