"""The fit to MLPerf recovers what it is given and does not peek at what it leaves out."""

import math
from dataclasses import replace

import numpy as np
import pytest

from drivetrain.errors import BadInputError
from drivetrain.measure.benchmarks import find_benchmark
from drivetrain.measure.mlperf import Case, Tuning
from drivetrain.measure.mlperf_fit import COMPUTE, LEFT_OUT, Run, estimate_tuning, fit, left_out, rates

TRUTH = Tuning({"trtllm": 1.25}, 500.0, {"Server": 0.9, "Interactive": 0.8})


def runs(truth=TRUTH, noise=0.0):
    """Three accelerators, two benchmarks, three scenarios, two submitters and two engines, measured by ``truth``."""
    out, rng = [], np.random.default_rng(3)
    for name, osl in (("llama2-70b", 293.0), ("llama3.1-8b", 128.0)):
        for k, accelerator in enumerate(("h200-sxm-141gb", "b200-sxm-180gb", "mi325x")):
            family = "vllm" if accelerator == "mi325x" else "trtllm"
            for scenario in ("Offline", "Server", "Interactive"):
                case = Case(find_benchmark(name), scenario, accelerator, "fp8", family, 8, 300.0, osl, ())
                rate = 4e4 * (1 + k) * (128.0 / osl) ** 0.2 * (0.6 if scenario == "Interactive" else 1.0)
                slope = 0.7 if family == "trtllm" else 0.0
                curve = tuple(math.log(rate) + slope * math.log(c) for c in COMPUTE)
                out += [Run(case, 1.0, who, f"{who} {accelerator}", curve) for who in ("one", "two")]
    made = rates(out, truth) * np.exp(noise * rng.standard_normal(len(out)))
    return [replace(run, measured=float(m)) for run, m in zip(out, made, strict=True)]


def test_known_tuning_comes_back():
    found = estimate_tuning(runs())
    assert found.compute["trtllm"] == pytest.approx(1.25, rel=0.03)  # a little drawn to 1
    assert found.host_requests_per_s == pytest.approx(500.0, rel=0.03)
    assert found.kept["Server"] == pytest.approx(0.9, rel=0.03)
    assert found.kept["Interactive"] == pytest.approx(0.8, rel=0.05)


def test_no_host_limit_is_found_where_there_is_none():
    free = replace(TRUTH, host_requests_per_s=math.inf)
    assert math.isinf(estimate_tuning(runs(free)).host_requests_per_s)
    assert math.isinf(estimate_tuning(runs(free, noise=0.05)).host_requests_per_s)


def test_little_data_stay_near_no_tuning():
    one = [r for r in runs() if r.case.engine_family == "vllm"][:1]
    assert estimate_tuning(one).compute["trtllm"] == pytest.approx(1.0, abs=0.02)


def test_errors_are_small_in_and_out_of_sample_and_the_fit_is_deterministic():
    made = runs(noise=0.05)
    found, again = fit(made), fit(made)
    assert found == again
    for kind in ("in_sample", "submitters_left_out", "systems_left_out"):
        assert found.errors[kind]["offline_and_server"].median_abs < 0.06
    assert set(found.spread) == {"offline", "server", "interactive"}


def test_what_is_left_out_is_not_seen():
    made = runs()
    by = LEFT_OUT["accelerators"]
    before = left_out(made, by)
    wrong = [replace(r, measured=r.measured * (3.0 if by(r) == "mi325x" else 1.0)) for r in made]
    after = left_out(wrong, by)
    held = np.array([by(r) == "mi325x" for r in made])
    assert after[held] == pytest.approx(before[held])


def test_nothing_to_fit_is_told():
    with pytest.raises(BadInputError, match="no row"):
        estimate_tuning([])
    with pytest.raises(BadInputError, match="nothing is left"):
        left_out(runs()[:1], LEFT_OUT["accelerators"])
