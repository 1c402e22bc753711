"""Laws of buying under limits, over arbitrary deployments: the sweep against the arithmetic of purchase."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.serving import steady
from drivetrain.serving import sweep as sw
from drivetrain.serving.deployment import deploy
from drivetrain.serving.purchase import LOOSE, UNLIMITED, Limits, Quota, Unit, claims
from drivetrain.serving.search import Job, Offer, Traffic, resized, search
from drivetrain.serving.slo import Target
from strategies import lengths, systems

PUE, HOST_W, PLATE_W, MOST = 1.2, 150.0, 200.0, 4096


class Question:
    """Ways to serve one workload, its traffic and targets."""

    def __init__(self, jobs, traffic, targets):
        self.jobs, self.traffic, self.targets = jobs, traffic, targets

    def __repr__(self):
        ways = ", ".join(f"{job.deployment.cut.layout} at {job.offer.usd_per_hour:g}" for job in self.jobs)
        return f"<{ways}; {self.traffic.peak_rate:g}/s, {self.targets}>"


@st.composite
def questions(draw):
    """Two ways to serve one workload at different prices, traffic for up to 30 replicas, a target or none."""
    first = draw(systems())
    d = first.deployment
    faster = deploy(d.cut, d.hardware.scaled(flops=2.0, hbm_bytes_per_s=2.0), d.engine, d.efficiency, d.links)
    ways = [first, steady.prepare(faster, first.lengths, first.budget)]
    prices = [draw(st.floats(0.5, 10.0)), draw(st.floats(0.5, 10.0))]
    jobs = [job_of(p, f"part-{i}", usd) for i, (p, usd) in enumerate(zip(ways, prices, strict=True))]
    peak = draw(st.floats(0.3, 30.0)) * steady.max_rate(first)
    alone = steady.at_rate(first, 1e-9 * peak).latency("ttft").p95
    targets = (Target("ttft", "p95", alone * draw(st.floats(1.0, 10.0))),) if draw(st.booleans()) else ()
    return Question(jobs, Traffic(first.lengths, peak / draw(st.floats(1.0, 4.0)), peak), targets)


def job_of(prepared, name, usd):
    d = prepared.deployment
    hardware = replace(d.hardware, name=name)
    offer = Offer(hardware, "drawn", HOST_W, usd, 8, server="box", host_nameplate_w=PLATE_W)
    return Job(offer, replace(d, hardware=hardware), prepared.memory, prepared.budget, prepared.max_seqs)


def sold(jobs, unit):
    return [replace(job, offer=replace(job.offer, unit=unit)) for job in jobs]


def run(question, limits=UNLIMITED, unit=LOOSE, mean_energy=True):
    return search(sold(question.jobs, unit), question.traffic, question.targets, pue=PUE, max_accelerators=MOST,
                  limits=limits, mean_energy=mean_energy)  # fmt: skip


def best(outcome, column=sw.USD_PER_HOUR):
    meets = outcome.rows[outcome.rows[:, sw.MEETS] == 1.0]
    return meets[:, column].min(initial=math.inf)


units = st.one_of(
    st.just(LOOSE), st.builds(Unit, st.sampled_from(["server", "instance"]), st.just("box"), st.integers(1, 80))
)
spare = st.integers(0, 3)


def around(value, decades=1.5):
    """Log-uniform around ``value``, or no limit."""
    return st.one_of(st.just(math.inf), st.floats(-decades, decades).map(lambda e: value * 10.0**e))


@st.composite
def limited(draw):
    """Limits around what the question's fleets take: a few dozen accelerators."""
    return Limits(
        accelerators=draw(around(100.0)),
        power_w=draw(around(1e5)),
        usd_per_hour=draw(around(300.0)),
        quotas=(Quota("accelerator", "part-0", float(draw(st.integers(0, 300)))),),
        spares=draw(spare),
    )


@settings(max_examples=50)
@given(questions(), limited(), units)
def test_every_row_is_within_every_limit(question, limits, unit):
    outcome = run(question, limits, unit)
    for row in outcome.rows:
        job = outcome.jobs[int(row[sw.JOB])]
        p = job.packing(limits.spares)
        assert row[sw.ACCELERATORS] == p.accelerators(int(row[sw.REPLICAS]))
        for claim in claims(job.part, p.unit, limits):
            assert claim.needed(row[sw.ACCELERATORS] / p.unit) <= claim.value * (1 + 1e-9)


@settings(max_examples=50)
@given(questions(), units, spare)
def test_all_that_is_bought_is_paid_and_powered(question, unit, spares):
    outcome = run(question, Limits(spares=spares), unit)
    traffic = question.traffic
    for row in outcome.rows:
        job = outcome.jobs[int(row[sw.JOB])]
        serving = row[sw.REPLICAS] * job.deployment.cut.layout.n_accelerators
        idle = row[sw.ACCELERATORS] - serving
        assert idle >= spares * job.packing(spares).unit
        assert row[sw.USD_PER_HOUR] == pytest.approx(row[sw.ACCELERATORS] * job.offer.usd_per_hour)
        if row[sw.MEETS] == 1.0:
            prepared = steady.prepare(job.deployment, traffic.lengths, job.budget, job.max_seqs)
            state = steady.at_rate(prepared, traffic.mean_rate / row[sw.REPLICAS])
            watts = serving * (state.power_w + HOST_W) + idle * (job.deployment.hardware.idle_w + HOST_W)
            assert row[sw.WALL_W] == pytest.approx(watts * PUE, rel=1e-9)


@settings(max_examples=50)
@given(questions(), units, spare)
def test_a_spare_never_makes_a_fleet_cheaper(question, unit, spares):
    fewer, more = (best(run(question, Limits(spares=n), unit)) for n in (spares, spares + 1))
    assert more > fewer or math.isinf(fewer)


@settings(max_examples=60)
@given(
    questions(), limited(), units, st.floats(1.0, 10.0), st.sampled_from(["accelerators", "power_w", "usd_per_hour"])
)
def test_a_looser_limit_never_makes_the_best_dearer(question, limits, unit, factor, name):
    looser = replace(limits, **{name: getattr(limits, name) * factor})
    assert best(run(question, looser, unit)) <= best(run(question, limits, unit)) * (1 + 1e-9)


@settings(max_examples=50)
@given(questions(), st.integers(1, 80))
def test_whole_servers_are_never_cheaper_than_loose_accelerators(question, held):
    whole = best(run(question, unit=Unit("server", "box", held)))
    assert whole >= best(run(question)) * (1 - 1e-9)


@settings(max_examples=30)
@given(questions())
def test_servers_of_one_are_loose_accelerators(question):
    jobs = question.jobs
    if jobs[0].deployment.cut.layout.n_accelerators == 1:
        one, loose = run(question, unit=Unit("server", "box", 1)), run(question)
        np.testing.assert_array_equal(one.rows, loose.rows)


@settings(max_examples=40)
@given(questions(), st.integers(2, 80))
def test_a_started_server_is_filled_with_replicas(question, held):
    """Of the rows at the least cost one leaves no room for another replica."""
    outcome = run(question, unit=Unit("server", "box", held))
    rows = outcome.rows
    for job in {int(j) for j in rows[rows[:, sw.MEETS] == 1.0, sw.JOB]}:
        mine = rows[(rows[:, sw.JOB] == job) & (rows[:, sw.MEETS] == 1.0)]
        cheapest = mine[mine[:, sw.USD_PER_HOUR] == mine[:, sw.USD_PER_HOUR].min()]
        p = outcome.jobs[job].packing()
        most = p.replicas(cheapest[0, sw.ACCELERATORS] / p.unit)
        assert most in cheapest[:, sw.REPLICAS]


@settings(max_examples=30)
@given(questions(), lengths())
def test_deployments_for_other_lengths_are_sized_as_if_prepared_anew(question, other):
    jobs = question.jobs
    for job in resized(jobs, other):
        fresh = steady.prepare(job.deployment, other, job.budget)
        assert job.memory == fresh.memory
        assert 1 <= job.max_seqs <= fresh.memory.fits
