"""What a run comes to, on outcomes small enough to check by hand."""

import json

import numpy as np
import pytest

from drivetrain.serving.sim import sketch
from drivetrain.serving.sim.records import COMPLETED, LOST, REJECTED, UNFINISHED
from drivetrain.serving.sim.replications import replicated
from drivetrain.serving.sim.results import summary
from drivetrain.serving.slo import parse_slo
from played import fleet, outcome, pool, requests

NAN = float("nan")
CONTRACT = ("n_requests", "completed", "rejected", "lost", "ttft_s", "itl_s", "tpot_s", "e2e_s", "slo_goodput_frac",
            "output_tokens_per_s", "utilisation_frac", "kv_occupancy_frac", "cache_hit_frac", "preemptions",
            "usd_per_million_output_tokens", "joules_per_output_token", "attribution")  # fmt: skip


def four():
    """Two completed (one of them of one token), one rejected, one under way with three of ten tokens out."""
    asked = requests([100, 50, 10, 40], [11, 1, 5, 10])
    done = outcome([0, 1, 2, 3], [0.5, 1.25, NAN, 3.5], [1.5, 1.25, NAN, NAN],
                   status=[COMPLETED, COMPLETED, REJECTED, UNFINISHED], osl=[11, 1, 0, 3], end_s=4.0,
                   on_s=[4.0], busy_s=np.array([3.0]), joules=np.array([1200.0]), cached_tokens=np.array([75, 0, 0, 0]),
                   preemptions=np.array([1, 0, 0, 2]))  # fmt: skip
    return done, asked


def test_every_field_of_the_contract_is_there_and_none_is_nan():
    done, asked = four()
    found = summary(done, fleet(), asked, parse_slo("ttft_p95=1s"))
    assert set(CONTRACT) <= set(found)
    for name in ("ttft_s", "itl_s", "tpot_s", "e2e_s"):
        assert list(found[name])[:5] == ["mean", "p50", "p90", "p95", "p99"]
    json.dumps(found, allow_nan=False)


def test_latencies_counts_and_tokens_by_hand():
    done, asked = four()
    found = summary(done, fleet(), asked)
    assert (found["n_requests"], found["completed"], found["rejected"], found["lost"], found["unfinished"]) == (
        4, 2, 1, 0, 1)  # fmt: skip
    assert found["ttft_s"]["mean"] == pytest.approx((0.5 + 0.25) / 2)
    assert found["e2e_s"]["p50"] == pytest.approx((1.5 + 0.25) / 2)
    assert found["tpot_s"]["mean"] == pytest.approx(1.0 / 10)  # the request of one token has none
    assert found["output_tokens"] == 11 + 1 + 3
    assert found["output_tokens_per_s"] == pytest.approx(15 / 4.0)
    assert found["cache_hit_frac"] == pytest.approx(75 / 150)
    assert found["preemptions"] == 3
    assert found["utilisation_frac"] == pytest.approx(0.75)


def test_money_and_energy_count_host_pue_and_idle_time():
    done, asked = four()
    eight = pool(n_accelerators=8, host_w=50.0, usd_per_s=0.01)
    found = summary(done, fleet(eight), asked, pue=1.5, usd_per_token=np.array([[0.02 / 15]]))
    assert found["usd"] == pytest.approx(4 * 0.01 + 0.02)
    assert found["usd_per_million_output_tokens"] == pytest.approx(0.06 / 15 * 1e6)
    assert found["joules_per_output_token"] == pytest.approx(1.5 * (1200 + 4 * 8 * 50) / 15)
    assert found["power_w"] == pytest.approx(1.5 * (1200 + 4 * 8 * 50) / 4)
    unpriced = summary(done, fleet(pool(usd_per_s=NAN)), asked)
    assert unpriced["usd_per_million_output_tokens"] is None


@pytest.mark.parametrize(
    ("slo", "good"),
    [
        ("", 2),
        ("ttft_p95=0.4s", 1),
        ("ttft_p50=0.1s,ttft_p99=0.4s", 1),  # the loosest limit on a metric is what a single request is held to
        ("tpot_mean=50ms", 1),  # one token: nothing to be late with
        ("itl_p99=50ms", 1),
        ("e2e_p95=2s,tpot_p95=1s", 2),
    ],
)
def test_goodput_is_over_all_requests_that_were_sent(slo, good):
    done, asked = four()
    assert summary(done, fleet(), asked, parse_slo(slo))["slo_goodput_frac"] == good / 4


def test_what_was_never_sent_is_no_miss():
    asked = requests([10] * 4, [5] * 4)
    cut = outcome([0, 1, NAN, NAN], [0.5, NAN, NAN, NAN], [1.0, NAN, NAN, NAN],
                  status=[COMPLETED, UNFINISHED, UNFINISHED, UNFINISHED], end_s=1.5)  # fmt: skip
    assert summary(cut, fleet(), asked)["slo_goodput_frac"] == 1 / 2


def test_targets_say_what_was_reached():
    done, asked = four()
    found = summary(done, fleet(), asked, parse_slo("ttft_p50=0.4s,tpot_p95=50ms"))
    assert [t["met"] for t in found["targets"]] == [True, False]
    assert found["targets"][1]["reached_s"] == pytest.approx(0.1)


def test_attribution_sums_to_one_and_to_the_mean_latency():
    parts = np.zeros((3, 9))
    parts[:, 0], parts[:, 1], parts[:, 2] = [1, 2, 3], 0.5, [2, 2, 2]
    done = outcome([0, 0, 0], [1, 1, 1], parts.sum(axis=1), parts=parts)
    found = summary(done, fleet(), requests([10] * 3, [5] * 3))
    assert sum(found["attribution"].values()) == pytest.approx(1.0, abs=1e-12)
    assert sum(found["attribution_s"].values()) == pytest.approx(found["e2e_s"]["mean"])
    assert found["attribution"]["queue"] == pytest.approx(2 / 4.5)


def test_the_slowest_are_attributed_apart():
    parts = np.zeros((40, 9))
    parts[:, 2] = 1.0
    parts[[7, 30], 0] = 5.0  # the slowest 5 % of 40
    done = outcome(np.zeros(40), np.ones(40), parts.sum(axis=1), parts=parts)
    found = summary(done, fleet(), requests([10] * 40, [5] * 40))
    assert found["attribution_slowest_s"]["queue"] == pytest.approx(5.0)
    assert found["attribution_s"]["queue"] == pytest.approx(10 / 40)


def test_nothing_completed_is_nulls_not_an_error():
    done = outcome([0.0], [NAN], [NAN], status=[LOST], end_s=1.0, on_s=[1.0])
    found = summary(done, fleet(), requests([10], [5]), parse_slo("ttft_p95=1s"))
    assert found["ttft_s"]["p95"] is None
    assert found["attribution"] is None
    assert found["usd_per_million_output_tokens"] is None
    assert found["slo_goodput_frac"] == 0.0
    assert found["targets"][0]["met"] is False
    json.dumps(found, allow_nan=False)


def test_gaps_between_tokens_come_from_the_sketch():
    gaps = np.zeros(sketch.N_BINS, dtype=np.int64)
    for gap in [0.01] * 90 + [0.5] * 10:
        gaps[sketch.bin_of(gap)] += 1
    done = outcome([0.0], [1.0], [2.0], gaps=gaps, gap_sum_s=0.9 + 5.0)
    found = summary(done, fleet(), requests([10], [101]))["itl_s"]
    assert found["mean"] == pytest.approx(0.059)
    assert found["p50"] == pytest.approx(0.01, rel=sketch.RELATIVE_ERROR)
    assert found["p99"] == pytest.approx(0.5, rel=sketch.RELATIVE_ERROR)


def test_replicas_and_pools_share_out_what_there_was():
    done = outcome([0, 0, 0], [1, 2, 3], [2, 4, 6], replica=np.array([0, 2, 2]), pools=2, on_s=[6.0, 12.0],
                   busy_s=np.array([3.0, 3.0]), tokens_out=np.array([5, 10]))  # fmt: skip
    found = summary(done, fleet(pool("a", 1), pool("b", 2)), requests([10] * 3, [5] * 3))
    assert [p["completed"] for p in found["pools"]] == [1, 2]
    assert [p["utilisation_frac"] for p in found["pools"]] == [0.5, 0.25]
    assert found["pools"][1]["mean_replicas"] == pytest.approx(2.0)
    assert [(r["pool"], r["completed"]) for r in found["replicas"]] == [("a", 1), ("b", 0), ("b", 2)]
    assert found["replicas"][2]["ttft_mean_s"] == pytest.approx(2.5)
    assert found["replicas"][1]["ttft_mean_s"] is None


def test_series_is_thinned_with_levels_averaged_and_counts_summed():
    rows = [[t, 0, 1, t % 2, 4, 0.5, 1.0, 1, 0, 10, 5] for t in range(1, 1001)]
    done = outcome([0.0], [1.0], [1000.0], series=rows)
    found = summary(done, fleet(), requests([10], [5]))
    assert len(found["series"]) == 120
    assert sum(row["completed"] for row in found["series"]) == 1000
    assert found["series"][-1]["time_s"] == 1000
    assert np.mean([row["queue"] for row in found["series"]]) == pytest.approx(0.5, abs=0.01)
    assert found["kv_occupancy_frac"] == pytest.approx(0.5)


def drawn(seed, n=400, mean=1.0):
    rng = np.random.default_rng(seed)
    ttft = rng.exponential(mean, n)
    return summary(outcome(np.arange(n), np.arange(n) + ttft, np.arange(n) + ttft + 1.0), fleet(),
                   requests([10] * n, [11] * n), parse_slo("ttft_p95=2s"))  # fmt: skip


def test_one_run_has_intervals_of_batch_means_named_so():
    found = drawn(1)
    assert found["confidence"] == {"level_frac": 0.95, "method": "batch means"}
    covered = sum(drawn(s)["ttft_s"]["mean_low"] <= 1.0 <= drawn(s)["ttft_s"]["mean_high"] for s in range(60))
    assert 51 <= covered <= 60  # 95 % of 60 are 57, give or take
    assert found["slo_goodput_frac_low"] < found["slo_goodput_frac"] < found["slo_goodput_frac_high"] <= 1.0
    few = drawn(1, n=50)
    assert few["confidence"]["method"] is None
    assert set(few["ttft_s"]) == {"mean", "p50", "p90", "p95", "p99"}


def test_replications_give_means_sums_and_students_t():
    runs = [drawn(s) for s in range(5)]
    found = replicated(runs, range(5))
    means = [r["ttft_s"]["mean"] for r in runs]
    assert found["ttft_s"]["mean"] == pytest.approx(np.mean(means))
    half = 2.776445 * np.std(means, ddof=1) / np.sqrt(5)  # t(0.975, 4 degrees of freedom)
    assert found["ttft_s"]["mean_high"] - found["ttft_s"]["mean"] == pytest.approx(half, rel=1e-6)
    assert found["n_requests"] == 2000
    assert "5 replications" in found["confidence"]["method"]
    assert [row["seed"] for row in found["replications"]] == list(range(5))
    assert sum(found["attribution"].values()) == pytest.approx(1.0)
    assert found["targets"][0]["reached_s"] == found["ttft_s"]["p95"]
    assert found["distribution"]["ttft_s"][25] == pytest.approx(
        np.mean([r["distribution"]["ttft_s"][25] for r in runs])
    )
    json.dumps(found, allow_nan=False)


def test_replications_that_are_all_alike_keep_batch_means():
    found = replicated([drawn(3), drawn(3), drawn(3)], range(3))
    assert found["confidence"] == {"level_frac": 0.95, "method": "batch means", "alike": True}
    assert found["ttft_s"] == drawn(3)["ttft_s"]
    assert found["n_requests"] == 1200
