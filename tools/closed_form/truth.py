"""What the simulator finds for a configuration, to a stated precision.

A run is cut into batches of requests in order of sending, after a warm-up; the half-width of the 95 % confidence
interval of a statistic is that of the mean over batches. Runs are doubled until it is small enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from closed_form.draw import Configuration
from drivetrain.serving.sim.kernel import simulate
from drivetrain.serving.sim.records import Fleet, Floats, Options, Outcome, Requests

PRECISION = 0.03
_BATCHES = 20
_STUDENT = 2.093  # 95 %, 19 degrees of freedom
_WARM_UP = 0.15
_LEAST, _MOST = 20_000, 640_000
LOOP_PRECISION = 0.01
_LOOP_WARM_UP = 0.3
MOST_IN_LOOPS = 100_000
_ROUNDS = 40


@dataclass(frozen=True, slots=True)
class Truth:
    """Statistics over requests with the half-width of their interval as a share; ``n`` requests counted."""

    n: int
    values: dict[str, float]
    widths: dict[str, float]


def open_loop(one: Configuration, rate: float, precision: float = PRECISION, most: int = _MOST) -> Truth:
    """Latencies of an open stream at ``rate`` requests/s."""
    fleet, n = one.fleet(), _LEAST
    while True:
        sent = one.requests(n, rate, np.random.default_rng([one.seed, n]))
        found = _open_truth(sent, simulate(fleet, sent, Options()))
        if max(found.widths["ttft_p95"], found.widths["tpot_p95"]) <= precision or 2 * n > most:
            return found
        n *= 2


def _open_truth(sent: Requests, seen: Outcome) -> Truth:
    """The statistics of what was sent between warm-up and the time when the last still meet a full load."""
    e2e = seen.finish_s - seen.sent_s
    last = sent.arrival_s[-1] - float(np.quantile(e2e, 0.99))
    start = min(sent.arrival_s[int(_WARM_UP * len(sent))], 0.5 * last)
    rows = np.flatnonzero((seen.sent_s >= start) & (seen.sent_s <= last))
    ttft = seen.first_s - seen.sent_s
    tpot = np.where(sent.osl > 1, (seen.finish_s - seen.first_s) / np.maximum(sent.osl - 1, 1), math.nan)
    q95: Callable[[Floats], float] = lambda x: float(np.nanquantile(x, 0.95))  # noqa: E731
    mean: Callable[[Floats], float] = lambda x: float(np.nanmean(x))  # noqa: E731
    wanted = {"ttft_p95": (ttft, q95), "tpot_p95": (tpot, q95), "ttft_mean": (ttft, mean), "tpot_mean": (tpot, mean),
              "ttft_p50": (ttft, lambda x: float(np.median(x))), "e2e_p95": (e2e, q95)}  # fmt: skip
    values, widths = {}, {}
    for name, (column, statistic) in wanted.items():
        batches = [statistic(column[part]) for part in np.array_split(rows, _BATCHES)]
        values[name] = statistic(column[rows])
        widths[name] = _STUDENT * float(np.std(batches, ddof=1)) / math.sqrt(_BATCHES) / values[name]
    for k, name in enumerate(("queue", "prefill", "decode", "stall", "preemption")):
        values[f"{name}_part"] = float(seen.parts[rows, k].mean())
    values["preempted"] = float((seen.preemptions[rows] > 0).mean())
    return Truth(len(rows), values, widths)


def closed_loop(one: Configuration, concurrency: int, n: int, most: int = MOST_IN_LOOPS) -> Truth:
    """TPOT and throughput of ``concurrency`` requests that circulate; ``n`` to ``most`` are sent."""
    return loop_of(
        one.fleet(),
        lambda k: one.requests(k, 1.0, np.random.default_rng([one.seed, k]), concurrency),
        concurrency,
        least=n,
        most=most,
    )


def loop_of(
    fleet: Fleet, requests: Callable[[int], Requests], concurrency: int, precision: float = LOOP_PRECISION,
    least: int = 3000, most: int = MOST_IN_LOOPS,
) -> Truth:  # fmt: skip
    """A loop on ``fleet`` of what ``requests`` draws, after the start has been forgotten.

    From 40 rounds on twice as many are sent until both intervals are within ``precision``, or ``most`` were.
    """
    n = max(least, _ROUNDS * concurrency)
    while True:
        sent = requests(n)
        found = _loop_truth(sent, simulate(fleet, sent, Options()), concurrency)
        if max(found.widths["tpot_mean"], found.widths["rate"]) <= precision or 2 * n > most:
            return found
        n *= 2


def _loop_truth(sent: Requests, seen: Outcome, concurrency: int) -> Truth:
    """Mean time per token over tokens, and requests over time, of what ends after the first 30 % and before the last.

    The last ``concurrency`` to end have nobody behind them.
    """
    n = len(sent)
    rows = np.argsort(seen.finish_s, kind="stable")[int(_LOOP_WARM_UP * n) : n - concurrency]
    gaps = np.maximum(sent.osl[rows] - 1, 1)
    decoding = (seen.finish_s - seen.first_s)[rows]
    finish = seen.finish_s[rows]
    values = {
        "tpot_mean": float(decoding.sum() / gaps.sum()),
        "rate": (len(rows) - 1) / float(finish[-1] - finish[0]),
    }
    parts = np.array_split(np.arange(len(rows)), _BATCHES)
    batches = {
        "tpot_mean": [float(decoding[part].sum() / gaps[part].sum()) for part in parts],
        "rate": [len(part) / float(finish[part[-1]] - finish[max(part[0] - 1, 0)]) for part in parts],
    }
    widths = {k: _STUDENT * float(np.std(v, ddof=1)) / math.sqrt(_BATCHES) / values[k] for k, v in batches.items()}
    values["ttft_mean"] = float((seen.first_s - seen.sent_s)[rows].mean())
    values["preempted"] = float((seen.preemptions[rows] > 0).mean())
    return Truth(len(rows), values, widths)
