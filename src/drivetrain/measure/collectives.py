"""Measured collectives: row -> group and message -> seconds from the fitted coefficients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from drivetrain.comms import collectives
from drivetrain.comms.coefficients import Coefficients
from drivetrain.comms.topology import topology_of
from drivetrain.cost.efficiency import collective_coefficients
from drivetrain.errors import BadInputError, DrivetrainError, UnsupportedError
from drivetrain.measure.names import find_accelerator
from drivetrain.measure.outcome import Outcome, Progress, predict_each, quiet, summarise
from drivetrain.measure.score import Pair
from drivetrain.measure.table import Raw, Table

REQUIRED: tuple[str | tuple[str, ...], ...] = (
    "row_id", "op", "accelerator", "n_gpus", ("bytes", "num_tokens_per_rank"),
)  # fmt: skip
METRICS = ("seconds",)
GROUPS = ("op", "library", "accelerator", "n_gpus", "size")
COLUMNS = ("seconds",)

_OPS = {"alltoall": "all_to_all", "all_to_all": "all_to_all", "all_reduce": "all_reduce", "all_gather": "all_gather",
        "reduce_scatter": "reduce_scatter", "send_recv": "send_recv"}  # fmt: skip
_LIBRARIES = ("trtllm", "vllm", "sglang")
_FP8_WITH_SCALES, _BF16 = 1.0 + 4.0 / 128, 2.0  # bytes per value of dispatch and combine
_LOW_LATENCY, _NORMAL = 0, 1  # regimes of the expert exchange


@dataclass(frozen=True, slots=True)
class Message:
    """One collective: ``n_inner`` ranks share a domain; ``merged`` copies travel as one network message."""

    op: str
    n: int
    n_inner: int | None
    n_bytes: float
    library: str
    regime: int | None = None
    merged: float = 1.0


def outcomes(table: Table, progress: Progress = quiet) -> list[Outcome]:
    """Predict and pair every row. Eager launches are predicted and not scored: the fit is of replayed graphs."""
    return predict_each(table.rows, _outcome, progress)


def summary(table: Table, found: Sequence[Outcome]) -> dict[str, Any]:  # noqa: ARG001 - as the other kinds
    """The JSON object of ``validate collectives``."""
    return summarise("collectives", found, METRICS, GROUPS)


def _outcome(raw: Raw) -> Outcome:
    if raw.problem:
        raise BadInputError(raw.problem)
    name = raw.text("accelerator")
    if "pairwise" in name or "pairwise" in raw.text("fabric"):
        raise UnsupportedError("pairs joined by bridges have two kinds of links in one box; that is not modelled.")
    accelerator = find_accelerator(name)
    message = read_message(raw)
    predicted = seconds(message, accelerator.name)
    size = 0 if message.n_bytes < 2**14 else 1 if message.n_bytes < 2**20 else 2
    keys = {"op": message.op, "library": message.library, "accelerator": accelerator.name, "n_gpus": str(message.n),
            "size": ("below 16 KiB", "16 KiB to 1 MiB", "from 1 MiB")[size]}  # fmt: skip
    pairs, unscored = {}, ""
    if raw.text("impl").endswith("_eager"):
        unscored = "launched eagerly; the fit is of replayed graphs."
    elif raw.text("seconds"):
        try:
            pairs = {"seconds": Pair(predicted, raw.need("seconds"))}
        except DrivetrainError as error:
            unscored = str(error.args[0])
    return Outcome(raw.row_id, {"seconds": f"{predicted:.6g}"}, pairs, keys, unscored=unscored, clean=not unscored)


def read_message(raw: Raw) -> Message:
    """The collective of a row. Expert dispatch and combine rows give tokens per rank instead of bytes."""
    n = raw.whole("n_gpus")
    if n is None or n < 2:
        raise BadInputError("n_gpus must be at least 2.")
    per_node = raw.whole("gpus_per_node")
    inner = min(n, per_node) if per_node else None
    op = raw.text("op").lower()
    if op.startswith("moe_"):
        return _experts(raw, op, n, inner)
    if op not in _OPS:
        known = ", ".join(sorted(set(_OPS.values())))
        raise BadInputError(f"unknown operation '{op}'. Known: {known}, moe_dispatch_*, moe_combine_*.")
    impl = raw.text("impl").lower()
    # an engine can be measured with TensorRT-LLM's kernel in its place: what ran counts, not who asked
    library = "trtllm" if impl.endswith(" trtllm") else next((n for n in _LIBRARIES if impl.startswith(n)), "nccl")
    return Message(_OPS[op], n, inner, raw.need("bytes"), library)


def _experts(raw: Raw, op: str, n: int, inner: int | None) -> Message:
    """A token goes once to each rank that holds one of its experts: dispatch in fp8 with scales, combine in bf16."""
    topk, quick = raw.need("topk"), op.endswith("lowlatency")
    element = _BF16 if "combine" in op else _FP8_WITH_SCALES
    copies = collectives.distinct_places(n, topk)
    nodes = n // (inner or n)
    merged = 1.0 if quick or nodes <= 1 else copies / collectives.distinct_places(nodes, topk)
    n_bytes = raw.need("num_tokens_per_rank") * raw.need("hidden_size") * element * copies
    return Message("all_to_all", n, inner, n_bytes, "engine", _LOW_LATENCY if quick else _NORMAL, merged)


def seconds(message: Message, accelerator: str) -> float:
    """Time of ``message`` between accelerators of one kind."""
    time = _time(message.op, message.n, message.n_inner, message.library, message.regime, message.merged, accelerator)
    return time.seconds(message.n_bytes)


@lru_cache(maxsize=4096)
def _time(
    op: str, n: int, n_inner: int | None, library: str, regime: int | None, merged: float, accelerator: str
) -> collectives.CollectiveTime:
    topology = topology_of(find_accelerator(accelerator))
    coefficients = collective_coefficients(library)
    if regime is not None:
        coefficients = _only(coefficients, regime)
    function: Callable[..., collectives.CollectiveTime] = getattr(collectives, op)
    extra = {"merged": merged} if op == "all_to_all" and not math.isclose(merged, 1.0) else {}
    return function(n, topology, coefficients, n_inner=n_inner, **extra)


def _only(coefficients: Coefficients, regime: int) -> Coefficients:
    """The exchange of experts restricted to one of its two modes, where a link's fit has both."""
    fits = tuple(
        replace(f, regimes=(f.regimes[regime],)) if f.op == "all_to_all" and len(f.regimes) == 2 else f
        for f in coefficients.fits
    )
    return replace(coefficients, fits=fits)
