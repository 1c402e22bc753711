"""The switches side by side: paired with the base, the base against itself all ones."""

import numpy as np
import pytest

from drivetrain.demand.switches import switches
from drivetrain.verbs.outlook_file import OutlookQuestion
from drivetrain.verbs.outlook_scenarios import BASE, _against, outlook_scenarios


@pytest.fixture(scope="module")
def answer():
    return outlook_scenarios(OutlookQuestion(end_year=2031, draws=60))


def test_every_switch_stands_beside_the_base(answer):
    assert [row["switch"] for row in answer["scenarios"]] == [BASE, *switches()]
    assert answer["year"] == 2030
    for row in answer["scenarios"]:
        assert set(row["question"]) == {"compute", "dollars", "hbm", "power"}
        for both in row["question"].values():
            assert set(both) == {"limited", "unlimited"}


def test_the_base_against_itself_is_one(answer):
    for span in answer["scenarios"][0]["against_base"].values():
        assert span == {"p10": 1.0, "p50": 1.0, "p90": 1.0}


def test_each_condition_does_what_its_name_says(answer):
    rows = {row["switch"]: row for row in answer["scenarios"]}
    assert rows["efficiency-flattens"]["against_base"]["price_usd_per_million_tokens"]["p50"] > 1.5
    assert rows["adoption-fails"]["against_base"]["tokens"]["p50"] < 0.8
    assert rows["training-outgrows"]["against_base"]["inference_frac"]["p50"] < 0.9
    assert rows["commodity-serves"]["against_base"]["tokens"]["p50"] < 1.0


def test_a_switch_that_is_on_already_is_not_run_again():
    answer = outlook_scenarios(OutlookQuestion(end_year=2027, draws=3, switches=tuple(list(switches())[:3])))
    assert [row["switch"] for row in answer["scenarios"]] == [BASE, list(switches())[3]]


def test_progress_reaches_its_end():
    seen = []
    outlook_scenarios(OutlookQuestion(end_year=2027, draws=2), seen=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (80, 80)


def test_draws_in_which_the_base_has_nothing_have_no_ratio():
    assert _against(np.array([1.0, 2.0, 4.0]), np.array([0.0, 1.0, 2.0])) == {"p10": 2.0, "p50": 2.0, "p90": 2.0}
    assert _against(np.ones(2), np.zeros(2)) is None
