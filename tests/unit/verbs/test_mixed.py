"""Splitting requests over two fleets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import drivetrain
from drivetrain.errors import BadInputError
from drivetrain.serving.search import Traffic
from drivetrain.verbs.mixed import split, thresholds
from strategies import lengths

QUESTION = {"model": "llama-3.1-8b", "workload": "azure-2023-conv", "rate": 40.0, "slo": "tpot_p95=50ms,ttft_p95=1s",
            "engines": ("vllm",), "accelerators": ("h100-sxm", "l40s", "l4", "h200-sxm")}  # fmt: skip


@given(lengths(), st.floats(0.1, 100.0), st.floats(1.0, 4.0))
def test_two_streams_add_up_to_the_whole(load, rate, peak):
    traffic = Traffic(load, rate, rate * peak)
    for threshold in thresholds(load):
        parts = split(traffic, threshold)
        short, long = (part.lengths for part in parts)
        assert short.isl.max() <= threshold < long.isl.min()
        assert sum(part.mean_rate for part in parts) == pytest.approx(rate)
        assert sum(part.peak_rate for part in parts) == pytest.approx(rate * peak)
        for mean in ("isl_mean", "osl_mean"):
            together = sum(part.mean_rate * getattr(part.lengths, mean) for part in parts)
            assert together == pytest.approx(rate * getattr(load, mean))
        for part in parts:  # a random share of a stream is nearer to Poisson
            assert abs(part.lengths.arrival_cv2 - 1.0) <= abs(load.arrival_cv2 - 1.0) + 1e-12
            assert part.lengths.weight.sum() == pytest.approx(1.0)


@given(lengths())
def test_thresholds_leave_requests_on_both_sides(load):
    found = thresholds(load)
    assert found == sorted(set(found))
    assert len(found) <= 4
    assert all(load.isl.min() <= t < load.isl.max() for t in found)
    assert bool(found) == (len(np.unique(load.isl)) > 1)


def total(mixed, name):
    return sum(pool[name] for pool in mixed["pools"])


@pytest.mark.parametrize("objective", ["cost", "energy", "accelerators", "carbon"])
def test_the_gain_is_against_the_best_single_fleet(objective):
    answer = drivetrain.plan_serve(**QUESTION, mix=True, objective=objective)
    mixed, best = answer["mixed_fleet"], answer["best"]
    metric = {"cost": "usd_per_hour", "accelerators": "n_accelerators"}.get(objective, "power_w")
    assert mixed["metric"] == metric
    assert mixed["gain_frac"] == pytest.approx(1 - total(mixed, metric) / best[metric])
    assert mixed["usd_per_hour"] == pytest.approx(total(mixed, "usd_per_hour"))
    assert total(mixed, "request_share_frac") == pytest.approx(1.0)
    assert mixed["split"]["short"] == mixed["pools"][0]["request_share_frac"]
    tokens = answer["offered_output_tokens_per_s"]["mean"]
    assert mixed["usd_per_million_output_tokens"] == pytest.approx(mixed["usd_per_hour"] / 3600 / tokens * 1e6)
    for pool in mixed["pools"]:
        assert pool["tpot_s"]["p95"] <= 0.05
        assert pool["ttft_s"]["p95"] <= 1.0


def test_fleets_together_keep_the_limits_and_do_what_one_cannot():
    rows = drivetrain.plan_serve(**QUESTION)["by_accelerator"]
    quotas = {row["accelerator"]: row["n_accelerators"] - 1 for row in rows}
    answer = drivetrain.plan_serve(**QUESTION, max=quotas, mix=True)
    assert answer["best"] is None
    used = {}
    for pool in answer["mixed_fleet"]["pools"]:
        used[pool["accelerator"]] = used.get(pool["accelerator"], 0) + pool["n_accelerators"]
    assert all(n <= quotas[name] for name, n in used.items())
    assert answer["mixed_fleet"]["gain_frac"] is None
    assert "two together do" in answer["verdict"]


def test_a_budget_holds_for_both_fleets_together():
    free = drivetrain.plan_serve(**QUESTION, mix=True)["mixed_fleet"]
    tight = drivetrain.plan_serve(**QUESTION, mix=True, budget_usd_per_hour=free["usd_per_hour"] * 0.9)
    assert tight["mixed_fleet"] is None or tight["mixed_fleet"]["usd_per_hour"] <= free["usd_per_hour"] * 0.9


def test_requests_of_one_length_cannot_be_split():
    with pytest.raises(BadInputError, match="--workload"):
        drivetrain.plan_serve(**(QUESTION | {"workload": "", "isl": 1000, "osl": 100}), mix=True)
