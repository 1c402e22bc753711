r"""What single kernels keep of the datasheet, by hardware generation (``cost/calibration/kernels.toml``).

    python tools/fit_kernels.py ../shared/validation/gemm_attention_micro.csv \\
        --out src/drivetrain/cost/calibration/kernels.toml

Medians over measured matrix products: large ones (from 4096 rows and 1e7 weights) for compute, thin ones (up to 16
rows, from 3e7 weights) for bandwidth; narrow over 16 bit gives ``narrow_compute``. Engines keep less; these serve to
carry a fitted generation over to one that was only measured kernel by kernel.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import tomli_w

from drivetrain.arch.precision import bytes_per_weight
from drivetrain.errors import DrivetrainError
from drivetrain.measure import table
from drivetrain.measure.names import find_accelerator

DTYPES = {"bfloat16": "bf16", "float16": "bf16", "fp8": "fp8"}
LARGE_ROWS, LARGE_WEIGHTS = 4096, 1e7
THIN_ROWS, THIN_WEIGHTS = 16, 3e7
LEAST = 6


def shares(path: Path) -> dict[str, dict[str, list[float]]]:
    """Shares of the datasheet by generation and coefficient, one per measured product."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for raw in table.read(path, ("row_id", "op", "accelerator", "dtype", "seconds")).rows:
        dtype = DTYPES.get(raw.text("dtype"))
        if raw.text("op") != "gemm" or dtype is None:
            continue
        try:
            part = find_accelerator(raw.text("accelerator").replace(" (vidur)", ""))
        except DrivetrainError:
            continue
        if dtype not in part.flops:
            continue
        m, n, k, seconds = (raw.need(name) for name in ("m", "n", "k", "seconds"))
        if m >= LARGE_ROWS and n * k >= LARGE_WEIGHTS:
            found[part.generation][dtype].append(2 * m * n * k / part.flops[dtype] / seconds)
        if m <= THIN_ROWS and n * k >= THIN_WEIGHTS and dtype == "bf16":
            moved = n * k * bytes_per_weight(dtype) + 2 * m * (n + k)
            found[part.generation]["bandwidth"].append(moved / part.hbm_bytes_per_s / seconds)
    return found


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    content: dict[str, dict[str, float | int]] = {}
    for generation, by_kind in sorted(shares(args.csv).items()):
        middle = {kind: float(np.median(values)) for kind, values in by_kind.items() if len(values) >= LEAST}
        if not {"bf16", "bandwidth"} <= set(middle):
            continue
        content[generation] = {
            "gemm_compute": round(middle["bf16"], 3),
            "gemm_bandwidth": round(min(middle["bandwidth"], 1.0), 3),
        }
        if "fp8" in middle:
            content[generation]["narrow_compute"] = round(min(middle["fp8"] / middle["bf16"], 1.0), 3)
        content[generation]["n"] = sum(len(v) for v in by_kind.values())
        print(generation, content[generation])
    head = (
        f"# What single matrix products keep of the datasheet, medians, by tools/fit_kernels.py on {args.csv.name}.\n"
        "# A generation without served measurements takes the reference generation's factors times these ratios.\n\n"
    )
    args.out.write_text(head + tomli_w.dumps({"reference": "hopper", "generation": content}), encoding="utf-8")


if __name__ == "__main__":
    main()
