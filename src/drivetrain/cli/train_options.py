"""Options of ``plan train`` and ``predict train``; texts are read by :mod:`drivetrain.training_scenario`."""

from __future__ import annotations

from typing import Annotated

import typer

_JOB, _CLUSTER, _GOAL, _MONEY, _FAIL, _SHOW = (
    "Job", "Cluster", "What there is to spend or to reach", "Money and place", "Failures and checkpoints", "Output",
)  # fmt: skip


def _option(*names: str, text: str, panel: str) -> object:
    return typer.Option(*names, help=text, rich_help_panel=panel, show_default=False)


Text = str | None

Model = Annotated[
    Text, _option("--model", "-m", text="Catalogue name, or the path of a config.json or model TOML.", panel=_JOB)
]
Seq = Annotated[Text, _option("--seq", text="Tokens of a sequence (default: 8192).", panel=_JOB)]
Batch = Annotated[
    Text, _option("--global-batch", "-b", text="Sequences of a step (default: by the number of tokens).", panel=_JOB)
]
Precision = Annotated[Text, _option("--precision", text="bf16 (default), fp16, fp8, mxfp8 or nvfp4.", panel=_JOB)]
LoraRank = Annotated[Text, _option("--lora-rank", text="Train adapters of this rank, weights frozen.", panel=_JOB)]
Framework = Annotated[
    Text, _option("--framework", text="megatron, foundry, maxtext or fsdp (default: usual there).", panel=_JOB)
]

Accelerator = Annotated[Text, _option("--accelerator", "-a", text="Catalogue name.", panel=_CLUSTER)]
Accelerators = Annotated[
    Text,
    _option(
        "--accelerators", "--accelerator", "-a", text="Only these, by name (default: all that ship).", panel=_CLUSTER
    ),
]
N = Annotated[Text, _option("--n", "-n", text="Accelerators that train.", panel=_CLUSTER)]
Layout = Annotated[
    Text,
    _option(
        "--layout", "-l", text="e.g. tp8pp4dp32, tp4pp8vp4cp2, dp512zero3 (default: the best found).", panel=_CLUSTER
    ),
]
Recompute = Annotated[
    Text, _option("--recompute", text="none, selective or full (default: the best that fits).", panel=_CLUSTER)
]
Schedule = Annotated[
    Text,
    _option(
        "--schedule",
        text="1f1b, interleaved, zero-bubble or dualpipe (default: the best that the training software "
        "ships: the first two, with fsdp zero-bubble too; the others are shown beside it).",
        panel=_CLUSTER,
    ),
]
Fabric = Annotated[
    Text,
    _option("--fabric", text="Network between servers: ib-ndr, roce-400g, efa, ethernet, nvlink (one domain for all), "
            "roce-400g:200Gbit/s, roce-400g:ecmp (untuned). Several, with commas, are compared.", panel=_CLUSTER),
]  # fmt: skip
CompareFabrics = Annotated[
    bool, typer.Option("--compare-fabrics", rich_help_panel=_CLUSTER,
                       help="The same job on NVLink, InfiniBand, RoCE, EFA and Ethernet, 8 to 16,384 accelerators.")
]  # fmt: skip
Sizes = Annotated[
    Text,
    _option(
        "--sizes",
        text="Numbers of accelerators to compare the network or networks at, e.g. 64,512,4096.",
        panel=_CLUSTER,
    ),
]

Flops = Annotated[
    Text, _option("--flops", text="Training FLOPs, 6 N D: 5.76e23; with --tokens the size follows.", panel=_GOAL)
]
Tokens = Annotated[Text, _option("--tokens", text="Training tokens: 15T.", panel=_GOAL)]
Budget = Annotated[Text, _option("--budget", text="Dollars for the whole run: $2M.", panel=_GOAL)]
Days = Annotated[Text, _option("--days", text="Days at most: 30, '3 weeks'.", panel=_GOAL)]
Power = Annotated[
    Text, _option("--power", text="Nameplate of accelerators and hosts, without PUE: '10 MW'.", panel=_GOAL)
]
TargetLoss = Annotated[
    Text, _option("--target-loss", text="Loss to reach under the scaling law, nats per token.", panel=_GOAL)
]
ServedTokens = Annotated[
    Text, _option("--served-tokens", text="Tokens to be served later: size for training and serving.", panel=_GOAL)
]
UniqueTokens = Annotated[
    Text,
    _option("--unique-tokens", text="Tokens that differ; beyond them they are seen again, worth less.", panel=_GOAL),
]
Experts = Annotated[
    Text, _option("--experts", text="A free size stores so many times its active experts (1: dense).", panel=_JOB)
]
ComputeGain = Annotated[
    Text, _option("--compute-gain", text="Times the compute that the architecture is worth.", panel=_JOB)
]
Law = Annotated[Text, _option("--law", text="Scaling law (default: chinchilla, refitted).", panel=_GOAL)]
Objective = Annotated[Text, _option("--objective", "-o", text="cost (default), days, energy or carbon.", panel=_GOAL)]

Pricing = Annotated[
    Text, _option("--pricing", text="reserved (default), on-demand, hyperscaler, neocloud or own.", panel=_MONEY)
]
Price = Annotated[
    Text,
    _option("--price", text="Your own price of an accelerator-hour: '$2.10', for one --accelerator.", panel=_MONEY),
]
Region = Annotated[Text, _option("--region", text="Grid and electricity price (default: us).", panel=_MONEY)]

Mtbf = Annotated[Text, _option("--mtbf", text="Accelerator-hours between failures (default: 50,700).", panel=_FAIL)]
Detection = Annotated[Text, _option("--detection", text="Until a failure is noticed (default: 60s).", panel=_FAIL)]
Restart = Annotated[Text, _option("--restart", text="From there until training goes on (default: 600s).", panel=_FAIL)]
Repair = Annotated[Text, _option("--repair", text="Of a part, where no spare stands by (default: 24 h).", panel=_FAIL)]
Spares = Annotated[
    Text, _option("--spares", text="Accelerators that stand by, paid for (default: always one).", panel=_FAIL)
]
Checkpoint = Annotated[Text, _option("--checkpoint", text="async (default) or blocking.", panel=_FAIL)]
CheckpointEvery = Annotated[
    Text, _option("--checkpoint-every", text="Seconds between them (default: the best).", panel=_FAIL)
]
Store = Annotated[
    Text, _option("--store", text="What the file system takes from all (default: '200 GB/s').", panel=_FAIL)
]
