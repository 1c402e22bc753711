"""Fit power coefficients (``cost/calibration/power.toml``) on measured serving power.

    python tools/fit_power.py ../shared/validation/mlenergy_llm.csv --out src/drivetrain/cost/calibration/power.toml

The model and the left-out errors: :mod:`drivetrain.measure.power_fit`. To be run again after every change of the
serving calibration, whose predicted periods it uses.
"""  # fmt: skip

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from drivetrain.measure import power, power_fit, table

HEADER = """\
# Power coefficients as shares of TDP, fitted by tools/fit_power.py (drivetrain.measure.power_fit,
# docs/method/money-and-energy.md): drawn whatever the load, at the full rate of 16-bit FLOPs, at full bandwidth of
# weights, and of all other bytes. n rows of runs in steady state.
# mean_abs: errors with whole models left out, at the measured throughput and (own) from our own prediction.
# leaderboard: what the hosts of the measured servers add, for servers of one accelerator; used to validate only.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    samples = power_fit.read_samples(table.read(args.csv, power.REQUIRED))
    text = HEADER + "\n" + tomli_w.dumps(content(samples, args.csv))
    print(text)
    if args.out:
        args.out.write_text(text, encoding="utf-8")


def content(samples: Sequence[power_fit.Sample], path: Path) -> dict[str, Any]:
    """The calibration file's content: pooled, and by generation."""
    out: dict[str, Any] = {
        "fit": {"file": path.name, "sha256": table.digest(path)},
        "generation": {},
        "leaderboard": {},
    }
    for generation in ("", *sorted({s.generation for s in samples})):
        found = power_fit.fit([s for s in samples if generation in ("", s.generation)])
        if generation:
            out["generation"][generation] = _table(found)
        else:
            out["base"] = _table(found)
        host = {name: float(f"{getattr(found.host, name):.4g}") for name in power_fit.HOST_NAMES}
        out["leaderboard"][generation or "base"] = host
    for generation, (given, own) in power_fit.across(samples).items():
        table_ = out["generation"][generation]
        table_ |= {"mean_abs_generation_left_out": round(given, 4), "mean_abs_own_generation_left_out": round(own, 4)}
    return {key: out[key] for key in ("fit", "base", "generation", "leaderboard")}


def _table(found: power_fit.Fitted) -> dict[str, float]:
    return {
        "n": found.n,
        "mean_abs_models_left_out": round(float(found.given.mean()), 4),
        "mean_abs_own_models_left_out": round(float(found.own.mean()), 4),
        "median_abs_throughput_models_left_out": round(float(np.median(found.throughput)), 4),
        **{name: float(f"{value:.4g}") for name, value in zip(power_fit.NAMES, found.power, strict=True)},
    }


if __name__ == "__main__":
    main()
