"""The kernel as a whole: determinism, interruption, progress, and the same code without the compiler."""

import hashlib
import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

import simulated as s
from drivetrain.errors import BadInputError
from drivetrain.serving.sim import kernel, run
from drivetrain.serving.sim import records as r

SOME = s.requests(np.arange(200) * 0.002, 60, 12, origin=0)
FLEET = s.fleet(s.pool(replicas=2, frontend_s=0.003))


def digest(outcome: r.Outcome) -> str:
    """All bytes of an outcome."""
    made = hashlib.sha256()
    for field in fields(outcome):
        made.update(np.ascontiguousarray(getattr(outcome, field.name)).tobytes())
    return made.hexdigest()


def test_the_same_seed_gives_the_same_bytes():
    fleet = replace(FLEET, policies=r.Policies(route=r.Policy("random")))
    one, two, other = (kernel.simulate(fleet, SOME, r.Options(seed=seed)) for seed in (5, 5, 6))
    assert digest(one) == digest(two) != digest(other)


def test_seeds_of_any_size_are_taken():
    fleet = replace(FLEET, policies=r.Policies(route=r.Policy("random")))
    outcomes = [kernel.simulate(fleet, SOME, r.Options(seed=seed)) for seed in (2**63 + 5, 2**64 - 1)]
    assert digest(outcomes[0]) != digest(outcomes[1])


def test_nothing_sent_is_nothing_done():
    outcome = kernel.simulate(FLEET, s.requests(np.zeros(0), np.zeros(0, int), np.zeros(0, int)), r.Options())
    assert (outcome.end_s, outcome.steps, len(outcome.status)) == (0.0, 0, 0)


def test_input_that_cannot_be_written_to_is_left_alone():
    columns = {f.name: getattr(SOME, f.name) for f in fields(SOME)}
    for value in columns.values():
        if isinstance(value, np.ndarray):
            value = value.copy()
            value.setflags(write=False)
    assert digest(kernel.simulate(FLEET, r.Requests(**columns))) == digest(kernel.simulate(FLEET, SOME))


def stopping_after(looks):
    heard = []

    def progress(done, total, time_s):
        heard.append((done, total, time_s))
        if len(heard) == looks:
            raise KeyboardInterrupt

    return progress, heard


def test_interrupted_it_returns_what_there_is(monkeypatch):
    monkeypatch.setattr("drivetrain.serving.sim.kernel.run._EVENTS", 40)
    progress, heard = stopping_after(5)
    outcome = kernel.simulate(FLEET, SOME, r.Options(), progress)
    whole = kernel.simulate(FLEET, SOME, r.Options())
    ended = outcome.status == r.COMPLETED
    assert len(heard) == 5
    assert heard[-1][0] <= ended.sum() < len(SOME)
    assert all(total == len(SOME) for _, total, _ in heard)
    np.testing.assert_array_equal(outcome.finish_s[ended], whole.finish_s[ended])
    assert set(outcome.status[~ended]) == {r.UNFINISHED}
    assert np.isnan(outcome.finish_s[~ended]).all()
    assert 0 < np.isfinite(outcome.sent_s).sum() < len(SOME)
    assert outcome.end_s == heard[-1][2]
    under_way = np.isfinite(outcome.sent_s) & ~ended
    assert outcome.output_tokens[ended].sum() + outcome.output_tokens[under_way].sum() == outcome.tokens_out.sum()


def test_an_interrupted_stream_ends_with_what_is_under_way(monkeypatch):
    monkeypatch.setattr("drivetrain.serving.sim.kernel.run._EVENTS", 40)
    progress, _ = stopping_after(5)
    *parts, totals = kernel.stream(FLEET, [SOME], r.Options(), progress)
    status = np.concatenate([part.done.status for part in parts])
    assert {r.COMPLETED, r.UNFINISHED} == set(status)
    assert len(totals.status) == 0
    assert totals.tokens_out.sum() == sum(part.done.output_tokens.sum() for part in parts)


def test_progress_ends_with_everything():
    heard = []
    kernel.simulate(FLEET, SOME, r.Options(), lambda *look: heard.append(look))
    assert heard[-1][:2] == (len(SOME), len(SOME))


def test_a_stream_is_checked_part_by_part():
    def streamed(*parts, fleet=FLEET):
        return list(run.stream(fleet, parts))

    later = replace(SOME, arrival_s=SOME.arrival_s + 10.0)
    assert len(streamed(SOME, later)[0].rows) > 0
    with pytest.raises(BadInputError, match="row 200 arrives at 0 s"):
        streamed(later, SOME)
    with pytest.raises(BadInputError, match="by themselves"):
        streamed(replace(SOME, concurrency=4))
    with pytest.raises(BadInputError, match="no requests"):
        streamed()
    with pytest.raises(BadInputError, match="hashes name 16 tokens, before 0"):
        streamed(SOME, replace(later, hash_tokens=16))


def test_memory_of_a_stream_does_not_grow_with_it():
    # Requests of ten parts in turn: slots are those of the requests in the system.
    from drivetrain.serving.sim.kernel.loop import DONE, STARVED
    from drivetrain.serving.sim.kernel.run import Run

    stream = Run(FLEET, r.Options(), 0, -1)
    sizes = []
    for k in range(10):
        stream.feed(replace(SOME, arrival_s=SOME.arrival_s + k), k * len(SOME), more=k < 9)
        while stream.advance() not in (STARVED, DONE):
            stream.ended()
        sizes.append(sum(table.nbytes for table in stream._arrays.values()))
    assert sizes[-1] == sizes[0]


PLAIN = """
import numpy as np, simulated as s
from test_kernel import FLEET, SOME, digest
from drivetrain.serving.sim import kernel
print(digest(kernel.simulate(FLEET, SOME)))
"""


def test_without_the_compiler_the_same_code_gives_the_same_bytes():
    here = Path(__file__).parent
    paths = [str(here), str(here.parents[2])]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(paths)}
    plain = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PLAIN], env=environment, capture_output=True, text=True, check=True
    )
    assert plain.stdout.strip() == digest(kernel.simulate(FLEET, SOME))
