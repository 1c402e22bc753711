"""The machine-code sweep and the search over it against the readable solver in plain loops."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import systems

from drivetrain.econ.tokens import usd_per_million, wall_power_w
from drivetrain.errors import BadInputError
from drivetrain.serving import steady
from drivetrain.serving import sweep as sw
from drivetrain.serving.search import Job, Offer, Traffic, pareto, search
from drivetrain.serving.slo import Target

PUE, HOST_W = 1.2, 150.0


def job_of(prepared, usd, max_seqs):
    d = prepared.deployment
    offer = Offer(d.hardware, "drawn", HOST_W, usd, 8)
    return Job(offer, d, prepared.memory, prepared.budget, max_seqs)


@st.composite
def questions(draw):
    """One to three ways to serve one workload, traffic for 1 to 30 replicas of the first, a target or none."""
    first = draw(systems())
    jobs = []
    for n in range(draw(st.integers(1, 3))):
        hardware = first.deployment.hardware
        faster = hardware.scaled(flops=1.0 + n, hbm_bytes_per_s=1.0 + 0.5 * n)
        other = steady.prepare(
            replace(first.deployment, hardware=faster) if n == 0 else _recompiled(first, faster),
            first.lengths, first.budget, max(1.0, first.memory.fits / (n + 1)),
        )  # fmt: skip
        jobs.append((other, job_of(other, draw(st.floats(0.5, 10.0)), other.max_seqs)))
    peak = draw(st.floats(0.3, 30.0)) * steady.max_rate(first)
    mean = peak / draw(st.floats(1.0, 4.0))
    alone = steady.at_rate(first, 1e-9 * peak).latency("ttft").p95
    targets = (Target("ttft", "p95", alone * draw(st.floats(0.5, 10.0))),) if draw(st.booleans()) else ()
    most = draw(st.integers(1, 40)) * first.deployment.cut.layout.n_accelerators
    return jobs, Traffic(first.lengths, mean, peak), targets, float(most)


def _recompiled(prepared, hardware):
    from drivetrain.serving.deployment import deploy

    d = prepared.deployment
    return deploy(d.cut, hardware, d.engine, d.efficiency, d.links)


def meets(prepared, rate, targets):
    state = steady.at_rate(prepared, rate)
    return state.stable and all(getattr(state.latency(t.metric), t.statistic) <= t.limit_s for t in targets)


@settings(max_examples=40)
@given(questions())
def test_every_row_is_what_the_readable_solver_says(question):
    jobs, traffic, targets, most = question
    rows = search([job for _, job in jobs], traffic, targets, pue=PUE, max_accelerators=most).rows
    tokens = traffic.mean_rate * traffic.lengths.osl_mean
    for row in rows:
        prepared, job = jobs[int(row[sw.JOB])]
        state = steady.at_rate(prepared, traffic.peak_rate / row[sw.REPLICAS])
        assert row[sw.TTFT_MEAN] == pytest.approx(state.ttft.mean, rel=1e-9, nan_ok=True)
        assert row[sw.TPOT_MEAN] == pytest.approx(state.tpot.mean, rel=1e-9, nan_ok=True)
        assert row[sw.MEETS] == meets(prepared, traffic.peak_rate / row[sw.REPLICAS], targets)
        assert row[sw.ACCELERATORS] == row[sw.REPLICAS] * job.deployment.cut.layout.n_accelerators
        assert row[sw.ACCELERATORS] <= most
        assert row[sw.USD_PER_HOUR] == pytest.approx(row[sw.ACCELERATORS] * job.offer.usd_per_hour)
        assert row[sw.USD_PER_MILLION] == pytest.approx(usd_per_million(row[sw.USD_PER_HOUR], tokens))
        if row[sw.MEETS]:
            calm = steady.at_rate(prepared, traffic.mean_rate / row[sw.REPLICAS])
            wall = wall_power_w(row[sw.ACCELERATORS], calm.power_w, HOST_W, PUE)
            assert row[sw.WALL_W] == pytest.approx(wall, rel=1e-9)
            assert row[sw.JOULES_PER_TOKEN] == pytest.approx(wall / tokens, rel=1e-9)


@settings(max_examples=40)
@given(questions())
def test_search_finds_the_cheapest_that_a_loop_over_everything_finds(question):
    jobs, traffic, targets, most = question
    rows = search([job for _, job in jobs], traffic, targets, pue=PUE, max_accelerators=most).rows
    found = min((row[sw.USD_PER_HOUR] for row in rows if row[sw.MEETS]), default=math.inf)
    cheapest = math.inf
    for prepared, job in jobs:
        each = job.deployment.cut.layout.n_accelerators
        for n in range(1, int(most // each) + 1):
            if meets(prepared, traffic.peak_rate / n, targets):
                cheapest = min(cheapest, n * each * job.offer.usd_per_hour)
    assert found == pytest.approx(cheapest)


@settings(max_examples=40)
@given(questions())
def test_no_row_beats_the_pareto_front(question):
    jobs, traffic, targets, most = question
    rows = search([job for _, job in jobs], traffic, targets, pue=PUE, max_accelerators=most).rows
    front = pareto(rows)
    tpot, tokens = rows[:, sw.TPOT_MEAN], rows[:, sw.TOKENS_PER_ACCELERATOR]
    assert list(tpot[front]) == sorted(tpot[front])
    assert list(tokens[front]) == sorted(tokens[front])
    for i in np.flatnonzero(np.isfinite(tpot)):
        assert any(tpot[f] <= tpot[i] and tokens[f] >= tokens[i] * (1 - 1e-8) for f in front)


def test_no_jobs_give_no_rows_and_impossible_traffic_is_refused():
    traffic = Traffic(None, 1.0, 2.0)
    assert search([], traffic, (), pue=PUE, max_accelerators=8).n_evaluated == 0
    with pytest.raises(BadInputError):
        search([object()], Traffic(None, 2.0, 1.0), (), pue=PUE, max_accelerators=8)
