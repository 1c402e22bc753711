"""Variants of a replica that claims are checked on, and the inputs that belong to one accelerator."""

from __future__ import annotations

import math

import pytest

from drivetrain.catalogue import loader
from drivetrain.insight.claims.replica import changed, cost, explained, full_rate, memory_frac, replica, tpot_s
from drivetrain.insight.claims.sourced import over_input, part_input, price_input

H100 = "h100-sxm-80gb"


@pytest.fixture(scope="module")
def plain():
    return replica("llama-3.1-8b", H100, "tp1", 500.0, 500.0)


def test_changing_nothing_changes_nothing(plain):
    same = changed(plain)
    assert tpot_s(same, 8.0) == tpot_s(plain, 8.0)
    assert same.max_seqs == plain.max_seqs


def test_twice_every_rate_without_overhead_is_twice_as_fast(plain):
    bare = changed(plain, overhead=0.0)
    assert tpot_s(changed(bare, flops=2.0, hbm_bytes_per_s=2.0), 8.0) == pytest.approx(
        tpot_s(bare, 8.0) / 2.0, rel=1e-3
    )


def test_less_memory_holds_fewer_requests(plain):
    assert changed(plain, memory_bytes=0.5).max_seqs < plain.max_seqs
    assert full_rate(changed(plain, memory_bytes=0.5), "tpot_p95=50ms") < full_rate(plain, "tpot_p95=50ms")


def test_a_replaced_share_is_taken(plain):
    halved = plain.deployment.efficiency.gemm_bandwidth / 2.0
    slower = changed(plain, shares={"gemm_bandwidth": halved})
    weights = explained(plain, 1.0).breakdown_s["weights"]
    assert explained(slower, 1.0).breakdown_s["weights"] == pytest.approx(2.0 * weights, rel=1e-3)


def test_memory_share_is_that_of_the_breakdown(plain):
    used = explained(plain, 8.0)
    rest = sum(used.breakdown_s[part] for part in ("compute", "network", "overhead"))
    assert memory_frac(used) == pytest.approx(1.0 - rest / sum(used.breakdown_s.values()))


def test_cost_is_rent_over_tokens(plain):
    rate = full_rate(plain, "tpot_p95=50ms")
    usd = cost("llama-3.1-8b", H100, "tp1", 500.0, 500.0, "tpot_p95=50ms", 3.6)
    assert usd == pytest.approx(3.6 / 3600.0 / (rate * 500.0) * 1e6)


def test_a_target_out_of_reach_costs_without_end():
    assert cost("llama-3.1-8b", H100, "tp1", 500.0, 500.0, "tpot_p95=0.1ms", 1.0) == math.inf


def test_the_range_of_a_part_is_that_of_sources_that_disagree():
    found = part_input(H100, "hbm_bytes_per_s", "bytes/s")
    also = [other.value for other in loader.load("accelerators", H100).facts["hbm_bytes_per_s"].also]
    assert found.low == min(found.value, *also)
    assert found.high == max(found.value, *also)


def test_a_given_range_replaces_that_of_the_sources():
    found = part_input("mi300x", "hbm_bytes_per_s", "bytes/s", 5.2e12, 5.3e12)
    assert (found.low, found.high) == (5.2e12, 5.3e12)


@pytest.mark.parametrize("part", [H100, "h200-sxm-141gb", "b200-sxm-180gb", "mi300x"])
def test_a_price_lies_within_its_range(part):
    found = price_input(part)
    assert 0 < found.low <= found.value <= found.high


def test_one_part_over_another_and_back_is_one():
    there, back = (over_input(*pair, "hbm_bytes_per_s").value for pair in ((H100, "l4"), ("l4", H100)))
    assert there * back == pytest.approx(1.0)
    assert there > 1.0
