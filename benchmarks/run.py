"""Speed, one JSON object a line: name, value, unit, conditions.

Warm figures are the median of several runs in one process, in CPU seconds of one core; cold figures are whole
processes by wall clock, the best of several. Machines are shared: compare ratios within one run.
"""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

QUESTION = {"model": "llama-3.1-70b", "workload": "azure-2023-conv", "rate": 5.0, "slo": "ttft_p95=2s,tpot_p95=50ms"}
CONFIGURATION = {"model": "llama-3.1-70b", "accelerators": ("h100-sxm",), "layouts": ("tp4",), "engines": ("vllm",),
                 "isl": 1024, "osl": 1024}  # fmt: skip
CLI = [sys.executable, "-m", "drivetrain"]
PLAN = ["plan", "serve", "--model", "llama-3.1-70b", "--workload", "azure-2023-conv", "--rate", "5",
        "--slo", "ttft_p95=2s,tpot_p95=50ms", "--format", "json"]  # fmt: skip


def report(name: str, value: float, unit: str, conditions: str) -> None:
    where = f"{conditions}; Python {platform.python_version()}, {platform.machine()}"
    print(json.dumps({"name": name, "value": float(f"{value:.4g}"), "unit": unit, "conditions": where}), flush=True)


def cpu_seconds(run: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return statistics.median(times)


def wall_seconds(command: list[str], repeats: int = 5) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return min(times)


def warm() -> None:
    import drivetrain
    from drivetrain.scenario import ServeScenario
    from drivetrain.serving.search import Traffic, candidates, search
    from drivetrain.serving.slo import parse_slo
    from drivetrain.verbs.resolve import resolve

    drivetrain.predict_serve(**CONFIGURATION, concurrency=32)
    report(
        "predict_serve.concurrency",
        1e3 * cpu_seconds(lambda: drivetrain.predict_serve(**CONFIGURATION, concurrency=32), 25),
        "ms",
        "one configuration, warm process, CPU time",
    )
    report("predict_serve.rate", 1e3 * cpu_seconds(lambda: drivetrain.predict_serve(**CONFIGURATION, rate=2.0), 25),
           "ms", "one configuration, warm process, CPU time")  # fmt: skip

    drivetrain.plan_serve(**QUESTION)
    report(
        "plan_serve.catalogue",
        cpu_seconds(lambda: drivetrain.plan_serve(**QUESTION), 5),
        "s",
        "Llama 3.1 70B over the whole catalogue, levers and explanations included, warm process, CPU time",
    )

    resolved = resolve(ServeScenario(**QUESTION))
    peak = 5.0 * resolved.workload.peak_to_mean * 1.1
    targets = parse_slo(QUESTION["slo"])

    def evaluate() -> int:
        jobs, _ = candidates(resolved.model, resolved.checkpoints, resolved.offers, resolved.engines, resolved.lengths)
        traffic = Traffic(resolved.lengths, 5.0, peak)
        return search(jobs, traffic, targets, pue=1.2, max_accelerators=4096).n_evaluated

    n = evaluate()
    report(
        "search.evaluations",
        n / cpu_seconds(evaluate, 5),
        "1/s",
        f"{n} distinct deployments with TTFT, TPOT, throughput and cost; "
        "candidates built and compiled inside; one core",
    )


def levers() -> None:
    """Everything at once: each choice that changes outputs or not, alone and together, over the whole catalogue."""
    import drivetrain

    for model in ("llama-3.1-70b", "gpt-oss-120b", "deepseek-v3"):
        question = QUESTION | {"model": model, "allow": "all", "levers": "all"}
        n = drivetrain.plan_serve(**question)["n_evaluated"]
        seconds = cpu_seconds(lambda question=question: drivetrain.plan_serve(**question), 3)
        what = f"{model} over the whole catalogue with --allow all --levers all, warm process, CPU time"
        report("plan_all_levers_s", seconds, "s", what)
        report("plan_all_levers.evaluations", n / seconds, "1/s", f"{n} deployments; {what}, candidates built inside")


def cold() -> None:
    report("cli.help", wall_seconds([*CLI, "--help"]), "s", "cold process, wall clock, best of 5")
    base = wall_seconds([sys.executable, "-c", "pass"])
    report("import", wall_seconds([sys.executable, "-c", "import drivetrain"]) - base, "s",
           "cold process less an empty interpreter, wall clock, best of 5")  # fmt: skip
    report(
        "cli.plan_serve", wall_seconds([*CLI, *PLAN]), "s", "cold process, compiled code cached, wall clock, best of 5"
    )


def simulator() -> None:
    """In a process of its own, like any question."""
    subprocess.run([sys.executable, str(Path(__file__).with_name("simulate.py"))], check=True)


if __name__ == "__main__":
    warm()
    levers()
    cold()
    simulator()
