"""Where the training calibration starts: values from kernel measurements, papers and recipes, before any fit.

The same shape as ``cost/calibration/training.toml``. Shares of products follow ``gemm_attention_micro.csv`` (products
from 4,096 rows and 1e7 weights: A100 0.71-0.84, H100 0.72-0.80, B200 0.70, fp8 0.52-0.65 with casts; grouped expert
products at best 0.6-0.9 of dense ones; forward attention 0.45-0.57 on A100, 0.49-0.65 on H100, 0.42-0.5 on B200).
FlashAttention reached 25-40 % of an A100 in its first version and 50-73 % in the second, which keeps 35 % of an H100;
the third reaches up to 75 % there (arXiv:2205.14135, 2307.08691, 2407.08608). TPU shares are assumed. They were chosen
with this file's rows at hand, so left-out errors flatter a little; the docs say so.
"""

from __future__ import annotations

from typing import Any

PRIORS: dict[str, Any] = {
    "base": {
        "gemm": 0.75, "narrow": 0.92, "four_bit": 0.66, "experts": 0.65, "attention": 0.5, "attention_backward": 0.8,
        "scan": 0.1, "bandwidth": 0.8, "moved": 1.4, "overlap": 0.1, "tile_k": 150.0, "unfused": 0.0,
        "host_layer_s": 8e-4, "host_moe_s": 5e-3, "tp_exposed": 0.5, "ep_exposed": 0.8, "pp_exposed": 0.1,
        "dp_overlap": 0.85, "shard_overlap": 0.55, "jitter": 0.045, "step_s": 0.03,
        "grad_bytes": 2.0, "pace": 1.0, "again": 1.0, "selected": 0.0, "ramp": 700.0,
    },
    "generation": {
        "volta": {"gemm": 0.8, "ramp": 0.57}, "ampere": {"gemm": 1.04, "ramp": 0.57},
        "hopper": {"gemm": 1.0, "kernel": "flash-3"},
        "blackwell": {"gemm": 0.92, "ramp": 1.57, "kernel": "flash-3"}, "tpu-v5p": {"gemm": 0.9, "kernel": "splash"},
        "tpu-v6e": {"gemm": 0.9, "kernel": "splash"}, "tpu-v7": {"gemm": 0.9, "kernel": "splash"},
    },
    "framework": {
        "megatron": {"pace": 1.0},
        "megatron-2022": {"pace": 1.0, "kernel": "unfused", "set": {"tp_exposed": 1.0}},
        "foundry": {"pace": 1.0, "moved": 1.2, "kernel": "flash-1"},
        "fsdp": {"pace": 1.0, "kernel": "flash-2", "set": {"selected": 0.5}},
        "maxtext": {
            "pace": 1.0, "again": 0.5, "moved": 1.0, "host_layer_s": 0.01, "host_moe_s": 0.01, "kernel": "splash",
        },
    },
    "kernel": {
        "unfused": {"attention": 1.0, "other": 0.5}, "flash-1": {"attention": 1.0, "ampere": 0.72, "other": 0.4},
        "flash-2": {"attention": 1.0, "ampere": 1.15, "hopper": 0.78, "other": 0.78},
        "flash-3": {"attention": 1.0, "hopper": 1.28, "other": 1.07}, "splash": {"attention": 1.0, "other": 1.0},
    },
    "release": {"reference": 2026.0, "pace_per_year": 1.0},
}  # fmt: skip

# What is fitted, with the standard deviation of its logarithm around the prior; all else stays as it is.
FITTED: dict[tuple[str, ...], float] = {
    ("base", "narrow"): 0.1, ("base", "four_bit"): 0.15, ("base", "experts"): 0.15, ("base", "moved"): 0.15,
    ("base", "host_layer_s"): 0.3, ("base", "host_moe_s"): 0.3, ("base", "tp_exposed"): 0.3,
    ("base", "ep_exposed"): 0.15, ("base", "shard_overlap"): 0.25, ("base", "jitter"): 0.4,
    **{("generation", name, "gemm"): 0.08 for name in ("ampere", "hopper", "blackwell")},
    **{("generation", name, "gemm"): 0.08 for name in ("tpu-v5p", "tpu-v6e", "tpu-v7")},
    **{("framework", name, "pace"): 0.08 for name in ("megatron", "foundry", "maxtext")},
    **{("framework", name, "moved"): 0.2 for name in ("foundry", "maxtext")},
    **{("kernel", name, "attention"): 0.15 for name in ("flash-1", "flash-3", "splash")},
    ("release", "pace_per_year"): 0.1,
}  # fmt: skip
