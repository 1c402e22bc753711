"""The most a replica takes within targets: the sweep against the readable solver, and its laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.scenario import ServeScenario
from drivetrain.serving.capacity import capacities
from drivetrain.serving.slo import Target, parse_slo
from drivetrain.serving.steady import at_rate, max_rate, prepare
from drivetrain.verbs.resolve import resolve
from drivetrain.verbs.space import jobs_of

QUESTION = {"model": "llama-3.1-8b", "workload": "azure-2023-conv", "rate": 5.0, "engines": ("vllm",),
            "accelerators": ("h100-sxm", "mi300x", "l4")}  # fmt: skip
RESOLVED = resolve(ServeScenario(**QUESTION))
JOBS = jobs_of(RESOLVED)


def most(slo, jobs=JOBS):
    return capacities(jobs, RESOLVED.lengths, parse_slo(slo))


@pytest.mark.parametrize("slo", ["ttft_p95=2s,tpot_p95=50ms", "ttft_p99=700ms", "e2e_mean=20s,itl_p99=200ms"])
def keeps(state, targets):
    """The plan's own rules: stable, queues no longer than it serves, every target."""
    if not state.stable or state.queue_s > state.e2e.mean - state.queue_s:
        return False
    return all(getattr(state.latency(t.metric), t.statistic) <= t.limit_s for t in targets)


@pytest.mark.parametrize("slo", ["ttft_p95=2s,tpot_p95=50ms", "ttft_p99=700ms", "e2e_mean=20s,itl_p99=200ms"])
def test_every_job_reaches_its_most_and_no_more_by_the_readable_solver(slo):
    targets, found = parse_slo(slo), most(slo)
    checked = 0
    for i in range(0, len(JOBS), 9):
        job = JOBS[i]
        prepared = prepare(job.deployment, RESOLVED.lengths, job.budget, job.max_seqs)
        reached = max_rate(prepared, targets)
        if found.rate[i] == 0.0:
            assert not keeps(at_rate(prepared, 1e-5), targets)
            continue
        state = at_rate(prepared, found.rate[i])
        assert keeps(state, targets)
        assert not keeps(at_rate(prepared, found.rate[i] * 1.001), targets)
        assert found.rate[i] <= reached * 1.001
        assert found.power_w[i] == pytest.approx(state.power_w, rel=1e-3)
        checked += 1
    assert checked > 5


@given(st.floats(0.02, 5.0), st.floats(1.0, 3.0), st.sampled_from(["ttft", "tpot", "e2e"]))
@settings(max_examples=15, deadline=None)
def test_looser_targets_never_take_less(limit, factor, metric):
    few = JOBS[::7]
    tight, loose = (capacities(few, RESOLVED.lengths, (Target(metric, "p95", limit * f),)).rate for f in (1.0, factor))
    assert np.all(loose >= tight * (1 - 5e-4))


def test_what_no_rate_keeps_is_zero_and_has_no_power():
    found = most("tpot_p95=10us")
    assert np.all(found.rate == 0.0)
    assert np.all(np.isnan(found.power_w))


def test_no_jobs_no_capacities():
    found = most("", jobs=[])
    assert (len(found.rate), found.n_evaluated) == (0, 0)
