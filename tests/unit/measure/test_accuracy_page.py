"""Pieces of the accuracy page: what it reads and writes, when it calls figures stale, how it judges intervals."""

import doctest
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from drivetrain.errors import FileError
from drivetrain.measure import crossval
from drivetrain.measure.score import Pair
from drivetrain.measure.spread import interval

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tools"))
try:
    import accuracy
    from accuracy_page import choices, explained, headline, left_out, ranges, regimes, runs, text
finally:
    sys.path.pop(0)

STAMP = left_out.Stamp("aa11", "bb22")


def predictions(n):
    return {kind: np.array([[0.01 * (i + 1), 0.1 * (i + 1)] for i in range(n)]) for kind in left_out.NAMES}


def rows(n):
    return [SimpleNamespace(row_id=f"r{i}", tpot=0.01 * (i + 1), ttft=0.1 * (i + 1)) for i in range(n)]


def test_left_out_predictions_come_back_as_they_were_written(tmp_path):
    file = tmp_path / "left-out.csv"
    file.write_text(left_out.dump(STAMP, rows(3), predictions(3)))
    assert file.read_text().splitlines()[0] == "# data sha256 aa11, calibration sha256 bb22"
    made, found = left_out.load(file)
    assert made == STAMP
    assert list(found) == ["r0", "r1", "r2"]
    assert found["r1"] == dict.fromkeys(left_out.NAMES, (0.02, 0.2))


@pytest.mark.parametrize(
    "spoil",
    [lambda t: t.split("\n", 1)[1], lambda t: t.replace("model_tpot_s", "other"), lambda t: t.split("\n")[0]],
    ids=["no stamp", "a column missing", "no rows"],
)
def test_a_file_that_does_not_say_what_it_is_is_refused(tmp_path, spoil):
    file = tmp_path / "left-out.csv"
    file.write_text(spoil(left_out.dump(STAMP, rows(2), predictions(2))))
    with pytest.raises(FileError, match="accuracy-refit"):
        left_out.load(file)


def test_an_absent_file_says_how_to_make_it(tmp_path):
    with pytest.raises(FileError, match="make accuracy-refit"):
        left_out.load(tmp_path / "none.csv")


def test_figures_are_stale_when_data_calibration_or_rows_differ(tmp_path):
    found = {"r0": {}}
    assert left_out.stale(STAMP, STAMP, found, ["r0"]) == []
    assert left_out.stale(STAMP, replace(STAMP, data="cc"), found, ["r0"]) == ["the measured file has changed"]
    assert left_out.stale(STAMP, replace(STAMP, calibration="cc"), found, ["r0"]) == ["the calibration has changed"]
    assert left_out.stale(STAMP, STAMP, found, ["r0", "r1", "r2"]) == ["2 rows have no left-out prediction"]


def test_a_stamp_follows_every_byte(tmp_path):
    data, calibration = tmp_path / "d", tmp_path / "c"
    data.write_text("1"), calibration.write_text("2")
    before = left_out.stamp(data, calibration)
    calibration.write_text("3")
    after = left_out.stamp(data, calibration)
    assert (after.data, after.calibration != before.calibration) == (before.data, True)


def test_code_that_moved_since_the_fit_is_found_by_its_in_sample_errors():
    measured = rows(5)
    now = {row.row_id: (row.tpot * 1.05, row.ttft * 1.2) for row in measured}
    fit = {"tpot_median_abs_in_sample": 0.05, "ttft_median_abs_in_sample": 0.2}
    assert left_out.moved(fit, measured, now) == []
    (reason,) = left_out.moved(fit | {"tpot_median_abs_in_sample": 0.04}, measured, now)
    assert "TPOT in sample 4.0 % then, 5.0 % now" in reason
    measured[0].ttft = float("nan")  # what the fit did not use is not compared
    now["r0"] = (now["r0"][0], 99.0)
    assert left_out.moved(fit, measured, now) == []


def test_refit_writes_the_calibration_and_predictions_that_belong_to_it(tmp_path, monkeypatch):
    from drivetrain.verbs import calibrate as verb

    asked = {}

    def calibrate(path, **options):
        asked.update(options, path=path)
        return {}, SimpleNamespace(calibration={"fit": {"n": 2}}, rows=rows(2), left_out=predictions(2))

    monkeypatch.setattr(verb, "calibrate", calibrate)
    data, calibration, out = tmp_path / "data.csv", tmp_path / "serving.toml", tmp_path / "left-out.csv"
    data.write_text("x")
    left_out.refit(data, calibration, out, print)
    assert (asked["scratch"], asked["cross_validate"], asked["path"]) == (True, True, data)
    assert "n = 2" in calibration.read_text()
    made, found = left_out.load(out)
    assert left_out.stale(made, left_out.stamp(data, calibration), found, ["r0", "r1"]) == []


@dataclass
class Fake:
    """As much of a run as scores need: its keys, a measurement, predictions by kind."""

    name: str
    measured: float
    predicted: float
    concurrency: int = 8

    @property
    def row(self):
        query = SimpleNamespace(concurrency=self.concurrency, isl=1000.0, osl=1000.0)
        keys = dict.fromkeys(("model", "accelerator", "curve", "deployment"), self.name)
        return SimpleNamespace(**keys, query=query, tpot=self.measured, engine="vllm")

    def pair(self, _metric, _kind=""):
        return Pair(self.predicted, self.measured)


def test_the_width_of_a_fold_comes_from_the_other_folds_alone():
    models = next(kind for kind in crossval.KINDS if kind.name == "model")
    found = [Fake("a", 1.0, 1.1), Fake("a", 1.0, 1.1), Fake("b", 1.0, 1.5), Fake("b", 1.0, 1.5)]
    by_fold = ranges.ranged(found, models, "tpot")
    sigma = np.log(1.5) / 1.2815515655446004  # b's misses, all of one size, set the width for a
    assert (by_fold["a"][0].p10, by_fold["a"][0].p90) == pytest.approx(interval(1.1, sigma))
    assert all(p.p10 <= p.measured for p in by_fold["a"])
    assert all(p.measured < p.p10 for p in by_fold["b"])  # a's are far too narrow for b


def test_a_figure_is_judged_as_it_is_printed():
    assert text.against(0.06049, 0.06) == "6.0 % (6 %: reached)"
    assert text.against(0.06051, 0.06) == "6.1 % (6 %: missed)"
    assert text.against(None, 0.06) == "–"


def test_loads_around_a_measured_tpot():
    runs_ = [Fake("a", tpot, 1.0, c) for c, tpot in ((4, 0.004), (8, 0.006), (16, 0.005), (32, 0.010))]
    odd = Fake("a", 0.0055, 1.0, 512)
    assert explained._loads(odd, [*runs_, odd]) == (4, 8)
    assert explained._loads(replace(odd, measured=1.0), runs_) == (32, float("inf"))
    assert explained._loads(odd, []) == (0, float("inf"))


def test_weak_groups_are_found_from_the_numbers(monkeypatch):
    monkeypatch.setattr(regimes, "KEYS", {"model": lambda run: run.row.model})
    good, bad = [Fake("good", 1.0, 1.05)] * 12, [Fake("bad", 1.0, 1.3)] * 12
    assert "No group" in regimes.weak(good)
    shown = regimes.weak([*good, *bad])
    assert "model bad" in shown
    assert "model good" not in shown


def test_a_loosened_limit_promises_more():
    from drivetrain.measure.choice import Candidate, choose

    made = [Candidate(("c",), (str(i),), Pair(tpot, tpot), Pair(rate, rate))
            for i, (tpot, rate) in enumerate(((0.01, 1.0), (0.014, 2.0), (0.0155, 3.0)))]  # fmt: skip
    assert choose(made, [0.015]).mean_regret == 0.0
    assert choose(choices._loosened(made, 0.05), [0.015]).broken_frac == 0.0
    assert choices._loosened(made, 0.05)[2].tpot.predicted < 0.015 < made[2].tpot.predicted


def test_targets_are_for_kinds_that_are_cross_validated():
    assert set(headline.TARGETS) <= set(left_out.NAMES) == set(headline.WORDS) == set(ranges.SHIPPED)


def test_runs_join_by_row_id_and_leave_out_what_is_not_clean_or_not_predicted():
    raws = [SimpleNamespace(row_id=x) for x in "abc"]
    outcomes = [SimpleNamespace(clean=True, reason=""), SimpleNamespace(clean=False, reason=""),
                SimpleNamespace(clean=True, reason="no")]  # fmt: skip
    fit_rows = [SimpleNamespace(row_id=x) for x in "cba"]
    found = runs.runs_of(raws, outcomes, fit_rows, {"a": {"curve": (1.0, 2.0)}})
    assert [run.row.row_id for run in found] == ["a"]
    assert found[0].left_out["curve"] == (1.0, 2.0)


def test_without_measured_files_the_page_stays_as_it_is(tmp_path, capsys):
    before = accuracy.PAGE.read_bytes()
    assert accuracy.main([str(tmp_path)]) == 0
    assert "the accuracy page stays as it is" in capsys.readouterr().err
    assert accuracy.PAGE.read_bytes() == before


def test_a_stale_page_says_so_at_its_head():
    assert accuracy._warning([]) == []
    (shown,) = accuracy._warning(["the calibration has changed", "2 rows have no left-out prediction"])
    assert shown.startswith("!!! warning")
    assert "the calibration has changed; 2 rows have no left-out prediction." in shown
    assert "make accuracy-refit" in shown


def test_examples_in_docstrings():
    assert doctest.testmod(text).failed == 0
