"""The refit of the Chinchilla runs against the reference: objective, exponents, bootstrap bounds, time."""

import json
import time
from pathlib import Path

import pytest

from drivetrain.catalogue import scaling
from drivetrain.verbs.fit_scaling import fit_scaling

FACTS = Path(__file__).resolve().parents[3] / "shared/facts"
RUNS, REFERENCE = FACTS / "chinchilla_points.csv", FACTS / "chinchilla_refit_reference.json"
pytestmark = pytest.mark.skipif(not RUNS.exists(), reason="needs ../shared/facts/chinchilla_points.csv")


@pytest.fixture(scope="module")
def refitted():
    started = time.process_time()
    answer, _ = fit_scaling(RUNS)
    return answer, json.loads(REFERENCE.read_text()), time.process_time() - started


def test_the_minimum_and_its_place(refitted):
    answer, reference, _ = refitted
    assert answer["n"] == 240
    assert answer["objective"] <= 0.0010183
    assert answer["objective"] == pytest.approx(reference["drop5"]["huber_sum"], rel=1e-6)
    for name in ("alpha", "beta", "a_opt"):
        assert answer[name] == pytest.approx(reference["drop5"][name], abs=0.002)
    for name in ("E", "A", "B"):
        assert answer[name] == pytest.approx(reference["drop5"][name], rel=1e-3)
    for name in ("rms_log_resid", "mean_log_resid", "median_abs_pct"):
        assert answer[name] == pytest.approx(reference["drop5"][name], rel=1e-3)


def test_bootstrap_bounds(refitted):
    """The draws are those of the reference (seed 42), so that the bounds agree far closer than they need to."""
    answer, reference, _ = refitted
    assert answer["bootstrap"]["n"] == reference["bootstrap"]["n"]
    for name in ("E", "A", "B", "alpha", "beta", "a_opt"):
        for key, value in reference["bootstrap"][name].items():
            assert answer["bootstrap"][name][key] == pytest.approx(value, rel=2e-3), (name, key)


def test_it_takes_far_less_than_a_minute_of_one_core(refitted):
    assert refitted[2] < 45.0


def test_all_runs_give_another_law(refitted):
    reference = refitted[1]["all245"]
    answer, _ = fit_scaling(RUNS, drop=0, n_bootstrap=0)
    assert answer["objective"] == pytest.approx(reference["huber_sum"], rel=1e-6)
    assert answer["beta"] == pytest.approx(reference["beta"], abs=1e-4)


def test_the_catalogue_holds_what_the_refit_gives(refitted):
    """Errors beyond the runs, scatter, draws: as shipped."""
    answer, entry = refitted[0], scaling.law("chinchilla")
    assert entry.loss_error.value == pytest.approx(answer["holdout"]["loss_error"], rel=0.03)
    assert entry.ratio_error.value == pytest.approx(answer["holdout"]["ratio_error"], rel=0.03)
    assert entry.run_error.value == pytest.approx(answer["rms_log_resid"], rel=0.03)
    assert entry.draws.mean[3] == pytest.approx(answer["bootstrap"]["alpha"]["median"], rel=0.01)
    for key, span in answer["fitted"].items():
        assert getattr(entry.fitted, key) == pytest.approx(span, rel=0.01), key
