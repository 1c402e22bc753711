"""The Chrome trace of a run: what Perfetto needs to draw it."""

import json
from collections import Counter

import numpy as np

from drivetrain.report.timeline import timeline
from drivetrain.serving.sim.records import COMPLETED, UNFINISHED
from played import fleet, outcome, pool, requests


def read(done, there, asked, **more):
    return json.loads(timeline(done, there, asked, **more))["traceEvents"]


def small():
    log = np.array([[0, 0.0, 0.1, 0, 512, 1], [1, 0.0, 0.2, 3, 0, 10], [2, 0.1, 0.2, 3, 64, 1]])
    done = outcome([0.0, 0.5], [0.2, np.nan], [1.0, np.nan], status=[COMPLETED, UNFINISHED], log=log, end_s=2.0,
                   on_s=[2.0], series=[[1.0, 0, 2, 3, 4, 0.5, 0.9, 1, 0, 10, 5]])  # fmt: skip
    there = fleet(pool("main", replicas=2, n_accelerators=2, pp=2))
    return done, there, requests([512, 64], [20, 20])


def test_steps_are_tracks_of_their_replica_in_microseconds():
    done, there, asked = small()
    steps = [e for e in read(done, there, asked) if e["ph"] == "X"]
    assert [(e["pid"], e["tid"]) for e in steps] == [(1, 1), (1, 2), (2, 1)]
    assert [e["name"] for e in steps] == ["prefill", "decode", "mixed"]
    assert steps[1]["dur"] == 200_000
    assert steps[1]["args"] == {"decoding": 3, "prompt_tokens": 0, "steps": 10}


def test_requests_begin_and_end_once_each_and_nest():
    done, there, asked = small()
    events = [e for e in read(done, there, asked) if e.get("cat") == "request"]
    assert Counter((e["id"], e["name"], e["ph"]) for e in events).most_common(1)[0][1] == 1
    names = {e["name"] for e in events if e["id"] == 0}
    assert names == {"request", "to first token", "output"}
    unfinished = [e for e in events if e["id"] == 1]
    assert {e["name"] for e in unfinished} == {"request, not completed"}
    assert max(e["ts"] for e in unfinished) == 2e6
    assert all(e["args"]["decode_ms"] == 1000.0 for e in events if e["name"] == "request" and e["ph"] == "b")


def test_counters_and_names_and_the_limit():
    done, there, asked = small()
    events = read(done, there, asked, most_requests=1)
    assert {e["id"] for e in events if e.get("cat") == "request"} == {0}
    names = [e["args"]["name"] for e in events if e["name"] == "process_name"]
    assert names == ["requests", "main replica 0", "main replica 1"]
    counters = {e["name"]: e["args"] for e in events if e["ph"] == "C"}
    assert counters["main: requests"] == {"queue": 3.0, "running": 4.0}
    assert counters["main: KV cache, %"] == {"used": 50.0}
