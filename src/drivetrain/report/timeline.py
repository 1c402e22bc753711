"""A run as a Chrome trace, which Perfetto (ui.perfetto.dev) and chrome://tracing open.

One process per replica with a track per lane for its steps, one for requests, counters of each pool. The format is
the Trace Event Format: complete events ``X``, nestable asynchronous ``b`` and ``e``, counters ``C`` and metadata ``M``;
times in microseconds. A leap, several steps that were taken at once, is one event that says how many it stands for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from drivetrain.serving.sim.records import COMPLETED, PARTS, SERIES, Fleet, Outcome, Requests

MOST_STEPS = 200_000
MOST_REQUESTS = 5_000
_REQUESTS_PROCESS = 0
_US = 1e6


def timeline(outcome: Outcome, fleet: Fleet, requests: Requests, most_requests: int = MOST_REQUESTS) -> str:
    """The trace as JSON text: all logged steps, the first ``most_requests`` requests that were sent."""
    events = [*_names(fleet), *_steps(outcome, fleet), *_requests(outcome, requests, most_requests),
              *_counters(outcome, fleet)]  # fmt: skip
    return (
        '{"displayTimeUnit":"ms","traceEvents":[\n'
        + ",\n".join(json.dumps(e, allow_nan=False) for e in events)
        + "\n]}\n"
    )


def _lanes(fleet: Fleet) -> list[tuple[int, int]]:
    """(replica, lane within it) of every lane, in the order in which they are numbered."""
    found: list[tuple[int, int]] = []
    replica = 0
    for pool in fleet.pools:
        for _ in range(pool.max_replicas):
            found += [(replica, lane) for lane in range(pool.pp)]
            replica += 1
    return found


def _names(fleet: Fleet) -> Iterator[dict[str, Any]]:
    """What each process and track is called, and in which order they stand."""
    yield _meta("process_name", _REQUESTS_PROCESS, name="requests")
    replica = 0
    for pool in fleet.pools:
        for k in range(pool.max_replicas):
            yield _meta("process_name", replica + 1, name=f"{pool.name} replica {k}")
            yield _meta("process_sort_index", replica + 1, sort_index=replica + 1)
            for lane in range(pool.pp):
                yield _meta("thread_name", replica + 1, lane + 1, name=f"lane {lane}" if pool.pp > 1 else "steps")
            replica += 1


def _meta(what: str, process: int, thread: int = 0, **args: str | int) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": process, "tid": thread, "args": args}


def _steps(outcome: Outcome, fleet: Fleet) -> Iterator[dict[str, Any]]:
    lanes = _lanes(fleet)
    for lane, start, end, decoding, prompt, steps in outcome.log.tolist():
        replica, thread = lanes[int(lane)]
        what = "mixed" if decoding and prompt else "decode" if decoding else "prefill"
        args = {"decoding": int(decoding), "prompt_tokens": int(prompt), "steps": int(steps)}
        yield {"ph": "X", "name": what, "cat": "step", "pid": replica + 1, "tid": thread + 1, "ts": start * _US,
               "dur": (end - start) * _US, "args": args}  # fmt: skip


def _requests(outcome: Outcome, requests: Requests, most: int) -> Iterator[dict[str, Any]]:
    """Each request from sent to its last token, in it the time to its first token and the time after."""
    sent = np.flatnonzero(np.isfinite(outcome.sent_s))
    for row in sent[np.argsort(outcome.sent_s[sent], kind="stable")][:most].tolist():
        start = float(outcome.sent_s[row])
        done = outcome.status[row] == COMPLETED
        last = float(outcome.finish_s[row]) if done else max(outcome.end_s, start)
        first = float(outcome.first_s[row])
        args: dict[str, Any] = {"row": row, "input_tokens": int(requests.isl[row]),
                                "output_tokens": int(requests.osl[row]), "replica": int(outcome.replica[row]),
                                "cached_tokens": int(outcome.cached_tokens[row])}  # fmt: skip
        if done:
            parts = zip(PARTS, outcome.parts[row].tolist(), strict=True)
            args |= {f"{name}_ms": round(1e3 * seconds, 6) for name, seconds in parts if seconds}
        yield from _span(row, "request" if done else "request, not completed", start, last, args)
        if np.isfinite(first):
            yield from _span(row, "to first token", start, first, {})
            yield from _span(row, "output", first, last, {})


def _span(row: int, name: str, start: float, end: float, args: dict[str, Any]) -> Iterator[dict[str, Any]]:
    about = {"cat": "request", "id": row, "pid": _REQUESTS_PROCESS, "tid": 0, "name": name}
    yield {"ph": "b", **about, "ts": start * _US, "args": args}
    yield {"ph": "e", **about, "ts": end * _US, "args": {}}


def _counters(outcome: Outcome, fleet: Fleet) -> Iterator[dict[str, Any]]:
    """Queue, running requests and KV use of each pool at the sampling ticks."""
    at = {name: SERIES.index(name) for name in ("time_s", "pool", "queue", "running", "kv_frac")}
    for sample in outcome.series.tolist():
        name = fleet.pools[int(sample[at["pool"]])].name
        about = {"ph": "C", "pid": _REQUESTS_PROCESS, "tid": 0, "ts": sample[at["time_s"]] * _US}
        yield {**about, "name": f"{name}: requests",
               "args": {"queue": sample[at["queue"]], "running": sample[at["running"]]}}  # fmt: skip
        yield {**about, "name": f"{name}: KV cache, %", "args": {"used": 100 * sample[at["kv_frac"]]}}
