"""A run played in parts against the same run as a whole: sums alike, percentiles within the sketch's error."""

import numpy as np
import pytest

from drivetrain.serving.sim import sketch
from drivetrain.serving.sim.finished import Finished, finished, sums_of
from drivetrain.serving.sim.latency import Exact, Sketched
from drivetrain.serving.sim.records import COMPLETED, REJECTED
from drivetrain.serving.sim.results import fields_of, summary
from drivetrain.serving.slo import parse_slo
from played import fleet, outcome, pool, requests

SLO = parse_slo("ttft_p95=1s,tpot_p95=80ms")


def drawn(n=6000):
    rng = np.random.default_rng(5)
    parts = np.zeros((n, 9))
    parts[:, :4] = rng.exponential([0.3, 0.1, 1.0, 0.2], (n, 4))
    sent = np.arange(n) / 10.0
    first, finish = sent + parts[:, :2].sum(axis=1), sent + parts.sum(axis=1)
    status = np.where(rng.random(n) < 0.05, REJECTED, COMPLETED)
    for column in (first, finish):
        column[status == REJECTED] = np.nan
    osl = rng.integers(1, 40, n)
    done = outcome(sent, first, finish, parts=parts, status=status, osl=osl, pools=2, replica=rng.integers(0, 3, n),
                   cached_tokens=rng.integers(0, 50, n), preemptions=rng.integers(0, 2, n))  # fmt: skip
    return done, fleet(pool("a", 1, usd_per_s=0.01), pool("b", 2, host_w=10.0)), requests(rng.integers(60, 900, n), osl)


def cut(whole, size):
    for start in range(0, len(whole), size):
        yield Finished(**{name: getattr(whole, name)[start : start + size] for name in Finished.__slots__})


def test_parts_come_to_the_same_as_the_whole():
    done, there, asked = drawn()
    exact = summary(done, there, asked, SLO)
    latency, sums = Sketched(SLO), None
    for part in cut(finished(done, asked), 250):
        latency.add(part)
        mine = sums_of(part, there, SLO)
        sums = mine if sums is None else (sums.add(mine), sums)[1]
    found = fields_of(sums, latency, done, there, len(asked), SLO)
    for name in ("completed", "rejected", "output_tokens", "preemptions", "cache_hit_frac", "slo_goodput_frac"):
        assert found[name] == pytest.approx(exact[name], rel=1e-12)
    for mine, other in zip(found["replicas"] + found["pools"], exact["replicas"] + exact["pools"], strict=True):
        assert mine == pytest.approx(other)
    assert found["attribution"] == pytest.approx(exact["attribution"])
    for name in ("ttft_s", "tpot_s", "e2e_s"):
        assert found[name]["mean"] == pytest.approx(exact[name]["mean"], rel=1e-12)
        for q in ("p50", "p90", "p95", "p99"):
            assert found[name][q] == pytest.approx(exact[name][q], rel=3 * sketch.RELATIVE_ERROR)
        assert found[name]["mean_low"] < exact[name]["mean"] < found[name]["mean_high"]
    assert exact["percentiles"] == "exact"
    assert "0.5 %" in found["percentiles"]
    assert len(found["distribution"]["ttft_s"]) == len(exact["distribution"]["ttft_s"])
    assert found["attribution_slowest_s"]["queue"] is None


def test_sketched_quantiles_hold_their_stated_error_at_order_statistics():
    done, _, asked = drawn()
    latency = Sketched(())
    latency.add(finished(done, asked))
    values = np.sort(Exact(finished(done, asked), ()).columns["e2e_s"])
    for q in (0.01, 0.5, 0.9, 0.99, 0.999):
        true = values[int(q * (len(values) - 1))]
        assert abs(sketch.quantile(latency.counts["e2e_s"], q) / true - 1) <= sketch.RELATIVE_ERROR * 1.0001


def test_few_parts_give_no_interval():
    done, _, asked = drawn(600)
    latency = Sketched(SLO)
    for part in cut(finished(done, asked), 100):
        latency.add(part)
    assert "mean_low" not in latency.statistics("ttft_s")
    assert latency.goodput_bounds(0.5) == {}
