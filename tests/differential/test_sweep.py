"""The machine-code sweep and the search over it against the readable solver in plain loops."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.econ.tokens import usd_per_million, wall_power_w
from drivetrain.errors import BadInputError
from drivetrain.serving import steady
from drivetrain.serving import sweep as sw
from drivetrain.serving.deployment import deploy
from drivetrain.serving.search import Job, Offer, Traffic, pareto, search
from drivetrain.serving.slo import Target
from strategies import systems

PUE, HOST_W = 1.2, 150.0


class Question:
    """Ways to serve one workload, its traffic and targets, and how many accelerators there are."""

    def __init__(self, ways, traffic, targets, most):
        self.ways, self.traffic, self.targets, self.most = ways, traffic, targets, most

    def __repr__(self):
        cuts = ", ".join(f"{p.deployment.cut.layout} x{p.max_seqs:g}" for p, _ in self.ways)
        return f"<{cuts}; {self.traffic.peak_rate:g}/s, {self.targets}, {self.most:g} accelerators>"

    def rows(self):
        jobs = [job for _, job in self.ways]
        return search(jobs, self.traffic, self.targets, pue=PUE, max_accelerators=self.most, mean_energy=True).rows

    def meets(self, prepared, replicas):
        state = steady.at_rate(prepared, self.traffic.peak_rate / replicas)
        settled = state.stable and state.queue_s <= state.e2e.mean - state.queue_s  # no longer queued than served
        return settled and all(getattr(state.latency(t.metric), t.statistic) <= t.limit_s for t in self.targets)


def job_of(prepared, usd):
    d = prepared.deployment
    return Job(Offer(d.hardware, "drawn", HOST_W, usd, 8), d, prepared.memory, prepared.budget, prepared.max_seqs)


@st.composite
def questions(draw):
    """One to three ways to serve one workload, traffic for 1 to 30 replicas of the first, a target or none."""
    first = draw(systems())
    d, ways = first.deployment, []
    for n in range(draw(st.integers(1, 3))):
        faster = d.hardware.scaled(flops=1.0 + n, hbm_bytes_per_s=1.0 + 0.5 * n)
        other = deploy(d.cut, faster, d.engine, d.efficiency, d.links)
        way = steady.prepare(other, first.lengths, first.budget, max(1.0, first.memory.fits / (n + 1)))
        ways.append((way, job_of(way, draw(st.floats(0.5, 10.0)))))
    peak = draw(st.floats(0.3, 30.0)) * steady.max_rate(first)
    alone = steady.at_rate(first, 1e-9 * peak).latency("ttft").p95
    return Question(
        ways,
        Traffic(first.lengths, peak / draw(st.floats(1.0, 4.0)), peak),
        (Target("ttft", "p95", alone * draw(st.floats(0.5, 10.0))),) if draw(st.booleans()) else (),
        float(draw(st.integers(1, 40)) * d.cut.layout.n_accelerators),
    )


@settings(max_examples=40)
@given(questions())
def test_every_row_is_what_the_readable_solver_says(question):
    traffic = question.traffic
    tokens = traffic.mean_rate * traffic.lengths.osl_mean
    for row in question.rows():
        prepared, job = question.ways[int(row[sw.JOB])]
        state = steady.at_rate(prepared, traffic.peak_rate / row[sw.REPLICAS])
        assert row[sw.TTFT_MEAN] == pytest.approx(state.ttft.mean, rel=1e-9, nan_ok=True)
        assert row[sw.TPOT_MEAN] == pytest.approx(state.tpot.mean, rel=1e-9, nan_ok=True)
        assert row[sw.MEETS] == question.meets(prepared, row[sw.REPLICAS])
        assert row[sw.ACCELERATORS] == row[sw.REPLICAS] * job.deployment.cut.layout.n_accelerators
        assert row[sw.ACCELERATORS] <= question.most
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
    found = min((row[sw.USD_PER_HOUR] for row in question.rows() if row[sw.MEETS]), default=math.inf)
    cheapest = math.inf
    for prepared, job in question.ways:
        each = job.deployment.cut.layout.n_accelerators
        for n in range(1, int(question.most // each) + 1):
            if question.meets(prepared, n):
                cheapest = min(cheapest, n * each * job.offer.usd_per_hour)
    assert found == pytest.approx(cheapest)


@settings(max_examples=40)
@given(questions())
def test_no_row_beats_the_pareto_front(question):
    rows = question.rows()
    front = pareto(rows)
    tpot, tokens = rows[:, sw.TPOT_MEAN], rows[:, sw.TOKENS_PER_ACCELERATOR]
    assert list(tpot[front]) == sorted(tpot[front])
    assert list(tokens[front]) == sorted(tokens[front])
    for i in np.flatnonzero(np.isfinite(tpot)):
        assert any(tpot[f] <= tpot[i] and tokens[f] >= tokens[i] * (1 - 1e-8) for f in front)


def test_no_jobs_give_no_rows_and_impossible_traffic_is_refused():
    assert search([], Traffic(None, 1.0, 2.0), (), pue=PUE, max_accelerators=8).n_evaluated == 0
    with pytest.raises(BadInputError):
        search([object()], Traffic(None, 2.0, 1.0), (), pue=PUE, max_accelerators=8)
