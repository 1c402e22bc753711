"""The fit recovers what it is given, is deterministic, and leaves out what it says it leaves out."""

import csv
import io

import numpy as np
import pytest

from drivetrain.cost.efficiency import CAPS, calibration, capped, efficiency, software_factors, software_years
from drivetrain.errors import BadInputError
from drivetrain.measure import crossval, table
from drivetrain.measure.coefficients import Free, coefficients, informed, lookup
from drivetrain.measure.fit import Problem, fit, read_rows
from drivetrain.measure.refit import refit
from drivetrain.measure.serving import REQUIRED

COLUMNS = ("row_id", "engine", "model", "accelerator", "weight_dtype", "concurrency_requests", "n_gpus", "tp_corrected",
           "input_tokens_mean", "output_tokens_mean", "harness", "curve_group", "tpot_s", "ttft_s")  # fmt: skip
FREE = (
    Free("base", "kernel_s", 1e-7, 1e-4, 5e-6, 2.0),
    Free("base", "gemm_bandwidth", 0.3, 0.95, 0.8, 2.0),
    Free("base", "request_s", 1e-3, 0.5, 0.02, 2.0),
    Free("generation.hopper", "gemm_compute", 0.2, 5.0, 1.0, 2.0),
)
TRUTH = np.log([8e-6, 0.65, 0.05, 0.8])


def a_file(rows):
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    return table.parse(buffer.getvalue(), REQUIRED, "row_id", "made.csv").rows


def runs():
    """Twenty-four load tests of two models on two parts under two engines, unmeasured."""
    out = []
    for model, dtype in (("llama-3.1-8b", "bf16"), ("qwen3-30b-a3b", "bf16")):
        for accelerator in ("h100-sxm", "b200-sxm"):
            for engine in ("vllm", "trtllm"):
                for c, isl in ((1, 128), (4, 2048), (16, 1024)):
                    out.append({"row_id": f"r{len(out)}", "engine": engine, "model": model, "accelerator": accelerator,
                                "weight_dtype": dtype, "concurrency_requests": c, "n_gpus": 2, "tp_corrected": 2,
                                "input_tokens_mean": isl, "output_tokens_mean": 64, "harness": "",
                                "curve_group": f"{model}{accelerator}{engine}", "tpot_s": 1, "ttft_s": 1})  # fmt: skip
    return out


def fixed():
    return {**calibration("serving")["base"], **calibration("power")["base"]}


@pytest.fixture(scope="module")
def measured():
    """The rows, measured by a world whose coefficients are TRUTH."""
    rows, skipped = read_rows(a_file(runs()))
    assert not skipped
    world = Problem(rows, fixed(), FREE).predict(TRUTH)
    told = [dict(row, tpot_s=t, ttft_s=f) for row, (t, f) in zip(runs(), world, strict=True)]
    return read_rows(a_file(told))[0]


def test_known_coefficients_come_back(measured):
    found = fit(Problem(measured, fixed(), FREE), evaluations=25)
    assert np.exp(found.x) == pytest.approx(np.exp(TRUTH), rel=0.03)
    assert np.all(found.error < 0.3)
    assert found.n[0] == len(measured)
    assert found.n[3] == len(measured) // 2  # a factor of one generation moves that generation's rows only


def test_the_same_rows_give_the_same_bits(measured):
    problem = Problem(measured, fixed(), FREE)
    assert fit(problem, evaluations=4).x.tobytes() == fit(problem, evaluations=4).x.tobytes()


def test_rows_that_say_nothing_leave_the_prior(measured):
    silent = [row for row in measured if row.query.accelerator.generation != "hopper"]
    found = fit(Problem(silent, fixed(), FREE), evaluations=25)
    assert np.exp(found.x[3]) == pytest.approx(1.0, abs=1e-3)
    assert found.error[3] == pytest.approx(2.0, rel=0.05)


def test_an_informed_prior_holds_against_a_single_strange_row(measured):
    before = {"base": {"kernel_s": 8e-6, "gemm_bandwidth": 0.65, "request_s": 0.05},
              "generation": {"hopper": {"gemm_compute": 0.8}},
              "standard_error": {f.key: 0.01 for f in FREE}}  # fmt: skip
    priors = informed(FREE, before)
    assert [p.prior for p in priors] == pytest.approx(np.exp(TRUTH))
    assert all(p.sigma == pytest.approx(0.03) for p in priors)
    twice = [_slower(measured[0], 2.0)]
    found = fit(Problem(twice, fixed(), priors), evaluations=10)
    assert np.abs(found.x - TRUTH).max() < 0.1


def _slower(row, factor):
    from dataclasses import replace

    return replace(row, tpot=row.tpot * factor, ttft=row.ttft * factor)


@pytest.mark.parametrize("kind", crossval.KINDS, ids=lambda k: k.name)
def test_folds_cover_every_row_once_and_split_no_key(measured, kind):
    folds = [held for _, held in crossval.folds(measured, kind)]
    assert np.sum(folds, axis=0).tolist() == [1] * len(measured)
    for held in folds:
        inside = {kind.key(r) for r, h in zip(measured, held, strict=True) if h}
        assert not inside & {kind.key(r) for r, h in zip(measured, held, strict=True) if not h}


def test_a_held_out_fit_never_sees_its_fold(measured, monkeypatch):
    seen = []

    def watch(problem, evaluations):
        seen.append({r.row_id for r in problem.rows})
        return fit(problem, evaluations=1)

    monkeypatch.setattr(crossval, "fit", watch)
    kind = crossval.KINDS[2]
    out = crossval.left_out(Problem(measured, fixed(), FREE), kind)
    assert np.isfinite(out).all()
    for rows, (_, held) in zip(seen, crossval.folds(measured, kind), strict=True):
        assert not rows & {r.row_id for r, h in zip(measured, held, strict=True) if h}


def test_a_refit_says_what_moved_and_keeps_what_it_did_not_see(measured):
    shipped = calibration("serving")
    some = [r for r in measured if r.engine == "vllm" and r.accelerator.startswith("h100")]
    found = refit(some, shipped, calibration("power"))
    assert found.calibration["engine"]["sglang"] == shipped["engine"]["sglang"]
    assert found.calibration["generation"]["blackwell"] == shipped["generation"]["blackwell"]
    assert found.errors["after"]["tpot"].mean_abs < found.errors["before"]["tpot"].mean_abs
    row = next(r for r in found.moved if r["coefficient"] == "base.kernel_s")
    assert row["after"] == pytest.approx(found.calibration["base"]["kernel_s"])
    assert row["before"] == shipped["base"]["kernel_s"]
    evidence = found.calibration["evidence"]["generation.hopper"]
    assert evidence["accelerators"] == ["h100-sxm-80gb"]
    assert evidence["concurrency"] == [1, 16]


def test_without_rows_there_is_no_fit():
    with pytest.raises(BadInputError, match="validate serving"):
        refit([], calibration("serving"), calibration("power"))


def test_unreadable_rows_are_named_not_dropped():
    good, *_ = runs()
    bad = [good, good | {"row_id": "r1", "model": "no-such-model-x"}, good | {"row_id": "r2", "tpot_s": "NaN"},
           good | {"row_id": "r3", "concurrency_requests": -1}, good]  # fmt: skip
    rows, skipped = read_rows(a_file(bad))
    assert [r.row_id for r in rows] == ["r0"]
    assert set(skipped) == {"r0", "r1", "r2", "r3"}
    assert "twice" in skipped["r0"]
    assert "no-such-model-x" in skipped["r1"]


def test_every_coefficient_of_the_shipped_file_has_bounds_error_and_evidence():
    raw = calibration("serving")
    for free in coefficients(("hopper", "blackwell"), ("vllm", "sglang", "trtllm")):
        value = lookup(raw, free)
        assert value is not None, free.key
        assert free.lower <= value <= free.upper, free.key
        assert raw["standard_error"][free.key] > 0
        assert raw["evidence"][free.section]["n"] >= 0


def test_software_factors_are_one_at_the_reference_and_held_within_what_was_measured():
    assert set(software_factors({"overhead_per_year": 0.5}, "2026-01").values()) == {1.0}
    assert software_factors({"overhead_per_year": 0.5}, "2026-04")["kernel_s"] == pytest.approx(0.5**0.25)
    assert software_years("2031-01") == software_years("2027-01") > software_years("2026-02")
    assert software_years("2020-01") == software_years("2024-12") < 0


def test_a_generation_known_by_its_kernels_keeps_their_ratio():
    kernels, raw = calibration("kernels"), calibration("serving")
    ada, cap = efficiency("vllm", "ada"), CAPS["gemm_compute"]
    assert ada.tier == "roofline"
    base = raw["base"]["gemm_compute"]
    hopper = base * raw["generation"]["hopper"]["gemm_compute"]
    assert efficiency("vllm", "hopper").gemm_compute == pytest.approx(capped(hopper, cap))
    ratio = kernels["generation"]["ada"]["gemm_compute"] / kernels["generation"]["hopper"]["gemm_compute"]
    assert ada.gemm_compute == pytest.approx(capped(hopper * ratio, cap), rel=1e-6)
    assert efficiency("vllm", "tpu-v6e").gemm_compute == pytest.approx(capped(base, cap))
