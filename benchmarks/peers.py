"""The same planning question asked of us and of a peer, each as a cold process by its own command line, side by side.

    python benchmarks/peers.py        (make bench-peers)

Installs the peer from the package index into an environment of its own (.venv-peer, about 0.9 GB) where it can; says
so and stops where it cannot. CPU seconds of the whole process tree, minimum and median of alternating runs. Only
timings are
read: the peer's data and answers stay its own.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
PEER = TOP / ".venv-peer"
RUNS = 5
OURS = [
    str(Path(sys.executable).parent / "drivetrain"), "plan", "serve", "-m", "llama-3.1-70b", "--isl", "1200",
    "--osl", "200", "-r", "5", "--slo", "ttft_mean=2s,tpot_mean=50ms", "--format", "json",
]  # fmt: skip
THEIRS = [
    str(PEER / "bin" / "aiconfigurator"), "cli", "default", "--model-path", "meta-llama/Meta-Llama-3.1-70B",
    "--total-gpus", "8", "--system", "h100_sxm", "--backend", "vllm", "--serving-mode", "agg", "--isl", "1200",
    "--osl", "200", "--ttft", "2000", "--tpot", "50", "--no-color",
]  # fmt: skip
QUESTIONS = {
    "one accelerator, one engine": [*OURS, "-a", "h100-sxm", "-e", "vllm"],
    "every accelerator and engine of the catalogue": OURS,
}


def install() -> bool:
    """Whether the peer is there, after trying to put it there."""
    if Path(THEIRS[0]).exists():
        return True
    subprocess.run([sys.executable, "-m", "venv", str(PEER)], check=True)
    found = subprocess.run([str(PEER / "bin" / "pip"), "install", "-q", "aiconfigurator==0.12.*"], check=False)
    return found.returncode == 0 and Path(THEIRS[0]).exists()


def cpu_seconds(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"PYTHONWARNINGS": "ignore"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    if not install():
        print(
            json.dumps(
                {"name": "peer.plan", "value": None, "unit": "s", "conditions": "the peer does not install here"}
            )
        )
        return
    for command in (OURS, THEIRS):  # fill caches of both
        cpu_seconds(command)
    for what, ours in QUESTIONS.items():
        pairs = [(cpu_seconds(ours), cpu_seconds(THEIRS)) for _ in range(RUNS)]
        mine, peer = (statistics.median(p[i] for p in pairs) for i in (0, 1))
        asked = (
            f"cold process, CPU time, median of {RUNS} alternating runs; "
            f"ours: {what}; peer: H100, vLLM, aggregated only"
        )
        for name, value, unit in (
            ("plan.ours", mine, "s"),
            ("plan.aiconfigurator-0.12", peer, "s"),
            ("plan.ratio", peer / mine, "x"),
        ):
            print(
                json.dumps({"name": name, "value": float(f"{value:.3g}"), "unit": unit, "conditions": asked}),
                flush=True,
            )


if __name__ == "__main__":
    main()
