"""The step time as flat arrays: what searches, the steady solver and the simulator evaluate.

``compile_step`` turns operators on hardware into a :class:`StepCoefficients`: one row of floats per operator, one per
collective, a few scalars. :func:`drivetrain.cost.kernel.step` evaluates it in tens of nanoseconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.arch.layout import Layout
from drivetrain.arch.operators import Op
from drivetrain.arch.step import EXPERT_TOKENS, N_FEATURES, ROWS, TOKENS, Vector
from drivetrain.comms.collectives import Coefficients
from drivetrain.cost.efficiency import Efficiency
from drivetrain.cost.hardware import Hardware
from drivetrain.cost.roofline import collective_time, issued_flops, launch_s, rates

# Columns of an operator row: seconds of compute per feature, seconds of memory per feature, then these.
SPAN = 2 * N_FEATURES  # index into the list of spans
LOCAL, LOG_MISS, WATTS_COMPUTE, WATTS_MEMORY = SPAN + 1, SPAN + 2, SPAN + 3, SPAN + 4
N_COLUMNS = SPAN + 5
# Columns of a collective row: calls, message bytes per token, row and expert token, then three (alpha, beta) regimes.
N_COLLECTIVE = 10
_CERTAIN = 1e30  # stands for log(0) without making 0 * inf


@dataclass(frozen=True, slots=True)
class StepCoefficients:
    """A deployment's step time: ``ops`` (n, N_COLUMNS), ``collectives`` (k, N_COLLECTIVE), scalars in SI.

    ``spans`` lists the distinct spans that ``ops[:, SPAN]`` refers to (inf: whole context).
    """

    ops: NDArray[np.float64]
    collectives: NDArray[np.float64]
    spans: tuple[float, ...]
    overhead_s: float
    sequence_s: float
    exposed: float
    prefill_s: float = 0.0
    request_s: float = 0.0


def compile_step(
    ops: tuple[Op, ...], hardware: Hardware, layout: Layout, eff: Efficiency, links: Coefficients
) -> StepCoefficients:
    """Flatten ``ops`` on ``hardware`` under ``layout`` into coefficients."""
    spans: list[float] = []
    rows: list[list[float]] = []
    messages: list[list[float]] = []
    overhead = eff.step_s
    for op, moved in zip(ops, _bytes_moved(ops), strict=True):
        if op.kind == "collective":
            messages.append(_collective_row(op, hardware, layout, eff, links))
            continue
        overhead += launch_s(op, hardware, eff, prefilling=False)
        span = math.inf if op.span is None else float(op.span)
        if span not in spans:
            spans.append(span)
        flop_rate, byte_rate, joules_per_flop, joules_per_byte = rates(op, hardware, eff)
        miss = (
            0.0 if op.expert_share == 0.0 else (-_CERTAIN if op.expert_share >= 1.0 else math.log1p(-op.expert_share))
        )
        rows.append(
            [f / flop_rate for f in issued_flops(op, eff)]
            + [b / byte_rate for b in moved]
            + [float(spans.index(span)), op.experts_local, miss]
            + [joules_per_flop * flop_rate, joules_per_byte * byte_rate]
        )
    return StepCoefficients(
        ops=np.array(rows, dtype=np.float64).reshape(len(rows), N_COLUMNS),
        collectives=np.array(messages, dtype=np.float64).reshape(len(messages), N_COLLECTIVE),
        spans=tuple(spans),
        overhead_s=overhead,
        sequence_s=eff.sequence_s,
        exposed=eff.exposed,
        prefill_s=sum(
            launch_s(op, hardware, eff, prefilling=True) - launch_s(op, hardware, eff, prefilling=False) for op in ops
        ),
        request_s=eff.request_s + eff.reply_s,
    )


_moved: dict[int, tuple[tuple[Op, ...], list[Vector]]] = {}
_MOST_MOVED = 256


def _bytes_moved(ops: tuple[Op, ...]) -> list[Vector]:
    """Bytes of each operator: the same operators are compiled on every accelerator and engine, one after another."""
    known = _moved.get(id(ops))
    if known is None:
        if len(_moved) >= _MOST_MOVED:
            _moved.clear()
        known = _moved[id(ops)] = ops, [op.bytes_moved for op in ops]
    return known[1]


def _collective_row(op: Op, hardware: Hardware, layout: Layout, eff: Efficiency, links: Coefficients) -> list[float]:
    regimes = list(collective_time(op, hardware, layout, links).regimes)
    regimes += [regimes[-1]] * (3 - len(regimes))
    row = [op.calls, op.message[TOKENS], op.message[ROWS], op.message[EXPERT_TOKENS]]
    for alpha, beta in regimes:
        row += [eff.network * alpha, eff.network * beta]
    return row
