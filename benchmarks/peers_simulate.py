"""The same trace replayed by us and by a peer's simulator, each by its own command line as a cold process.

    python benchmarks/peers_simulate.py        (make bench-peers)

Poisson arrivals at 8 requests/s, 1,024 tokens in and 200 out, Llama 3.1 8B (ours) or the peer's preset of one H100.
Start-up is taken out: requests per CPU second come from the difference between a short and a long trace. Only timings
are read. The peer is installed from the package index into an environment of its own (.venv-peer-sim); where it does
not install the line says so. The other simulators that we know of are not on the index.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from peers import cpu_seconds

TOP = Path(__file__).resolve().parent.parent
PEER = TOP / ".venv-peer-sim"
NAME, VERSION = "sched-sim", "0.2"
RATE, ISL, OSL = 8.0, 1024, 200
SIZES = {"ours": (2_000, 100_000), "peer": (400, 2_000)}


def install() -> bool:
    """Whether the peer is there, after trying to put it there."""
    if (PEER / "bin" / NAME).exists():
        return True
    subprocess.run([sys.executable, "-m", "venv", str(PEER)], check=True)
    wanted = [str(PEER / "bin" / "pip"), "install", "-q", f"{NAME}=={VERSION}.*"]
    return subprocess.run(wanted, check=False, capture_output=True).returncode == 0 and (PEER / "bin" / NAME).exists()


def arrivals(n: int) -> list[float]:
    """Poisson arrivals, the same for both."""
    draw, now, found = random.Random(1), 0.0, []
    for _ in range(n):
        now += draw.expovariate(RATE)
        found.append(round(now, 4))
    return found


def ours(n: int, folder: Path) -> list[str]:
    path = folder / f"ours-{n}.csv"
    rows = "\n".join(f"{at},{ISL},{OSL}" for at in arrivals(n))
    path.write_text(f"arrival_s,input_tokens,output_tokens\n{rows}\n", encoding="utf-8")
    drivetrain = str(Path(sys.executable).parent / "drivetrain")
    return [drivetrain, "simulate", "-m", "llama-3.1-8b", "-a", "h100-sxm", "-l", "tp1", "-e", "vllm", "-t", str(path),
            "--format", "json"]  # fmt: skip


def theirs(n: int, folder: Path) -> list[str]:
    path = folder / f"theirs-{n}.json"
    rows = [
        {"id": str(i), "timestamp": at, "prompt_tokens": ISL, "output_tokens": OSL} for i, at in enumerate(arrivals(n))
    ]
    path.write_text(json.dumps(rows), encoding="utf-8")
    return [str(PEER / "bin" / NAME), "trace", str(path), "-s", "chunked", "-h", "h100", "--token-budget", "8192",
            "--no-gantt"]  # fmt: skip


def rate_of(command: Callable[[int, Path], list[str]], sizes: tuple[int, int], folder: Path) -> float:
    """Requests per CPU second between two sizes."""
    few, many = (cpu_seconds(command(n, folder)) for n in sizes)
    return (sizes[1] - sizes[0]) / max(many - few, 1e-9)


def report(name: str, value: float | None, unit: str, conditions: str) -> None:
    shown = None if value is None else float(f"{value:.3g}")
    print(json.dumps({"name": name, "value": shown, "unit": unit, "conditions": conditions}), flush=True)


def main() -> None:
    asked = "whole command line, CPU time, difference of two trace lengths; one H100, 1024 in / 200 out"
    with tempfile.TemporaryDirectory() as where:
        folder = Path(where)
        cpu_seconds(ours(SIZES["ours"][0], folder))
        mine = rate_of(ours, SIZES["ours"], folder)
        report("simulate.cli.ours", mine, "requests/s", asked)
        if not install():
            report(f"simulate.cli.{NAME}", None, "requests/s", "the peer does not install here")
            return
        peer = rate_of(theirs, SIZES["peer"], folder)
        report(f"simulate.cli.{NAME}-{VERSION}", peer, "requests/s", asked)
        report("simulate.cli.ratio", mine / peer, "x", asked)


if __name__ == "__main__":
    main()
