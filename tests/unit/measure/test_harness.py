"""The replayed load test."""

import numpy as np
import pytest

from drivetrain.measure.harness import lengths, simulate
from drivetrain.measure.serving import prepared_for, read_query
from drivetrain.measure.table import Raw

ROW = {
    "engine": "vllm", "model": "llama-3.1-8b", "accelerator": "h100-sxm", "weight_dtype": "bf16", "n_gpus": "1",
    "concurrency_requests": "8", "input_tokens_mean": "900", "output_tokens_mean": "90",
}  # fmt: skip


def prepared(**cells):
    return prepared_for(read_query(Raw("x", 2, ROW | cells), []))[0]


def test_lengths_are_stratified_and_fixed():
    drawn = lengths(900.0, 0.2, 1000, 1)
    assert drawn.mean() == pytest.approx(900, abs=0.5)
    assert (drawn.min(), drawn.max()) == (800, 1000)
    assert np.array_equal(drawn, lengths(900.0, 0.2, 1000, 1))
    assert not np.array_equal(drawn, lengths(900.0, 0.2, 1000, 2))
    assert set(lengths(512.0, 0.0, 10, 1)) == {512.0}


def test_the_opening_burst_is_in_the_mean():
    few = simulate(prepared(), 900, 90, 0.0, 8, n_requests=8)
    many = simulate(prepared(), 900, 90, 0.0, 8, n_requests=400)
    assert few.ttft > many.ttft


def test_the_median_is_of_requests():
    mean, median = (simulate(prepared(), 900, 90, 0.2, 8, statistic=s) for s in ("mean", "median"))
    assert median.ttft < mean.ttft
    assert median.tpot == pytest.approx(mean.tpot, rel=0.1)


def test_what_a_request_meets_outside_the_engine_is_in_its_ttft():
    eff = prepared().deployment.efficiency
    assert simulate(prepared(), 900, 90, 0.0, 1).ttft > getattr(eff, "request_s", 0.0)


def test_one_output_token_has_no_gap():
    assert np.isnan(simulate(prepared(), 900, 1, 0.0, 2).tpot)
