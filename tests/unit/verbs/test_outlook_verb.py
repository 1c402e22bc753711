"""``outlook`` as a function: the shape of the contract, ranges in order, what was solved for, NaN nowhere."""

import json

import numpy as np
import pytest

import drivetrain
from drivetrain.demand.limits import LIMITS
from drivetrain.report.output import as_json
from drivetrain.verbs.outlook import NOTE, outlook, quantity_rows
from drivetrain.verbs.outlook_file import OutlookQuestion
from drivetrain.verbs.outlook_set import known_quantities, parse_set


@pytest.fixture(scope="module")
def answer():
    return outlook(OutlookQuestion(end_year=2029, draws=30))


def test_the_contract(answer):
    assert [row["year"] for row in answer["years"]] == [2026, 2027, 2028]
    for row in answer["years"]:
        assert set(row["tokens"]) == {"p10", "p50", "p90"}
        assert set(row["compute_flop"]) == {"training", "inference"}
        assert row["accelerators"]
        assert all(n > 0 for n in row["accelerators"].values())
        for key in ("power_w", "capex_usd", "price_usd_per_million_tokens", "energy_j", "cost_usd"):
            assert row[key] == row["ranges"][key]["p50"] > 0
        for one in row["binding"]:
            assert one["constraint"] in LIMITS
            assert one["shadow_price_usd"] >= 0
            assert one["unit"]
    assert answer["note"] == NOTE
    assert "not investment advice" in NOTE


def test_everything_asked_for_is_there_and_is_json(answer):
    for key in ("verdict", "question", "growth", "elasticity", "drivers", "classes", "value", "program", "start",
                "assumptions", "sources", "draws", "seed", "meta"):  # fmt: skip
        assert answer[key]
    assert json.loads(as_json(answer))["draws"] == 30


def test_ranges_are_in_order(answer):
    for row in answer["years"]:
        for span in [row["tokens"], *row["ranges"].values(), *row["tokens_by_class"].values()]:
            assert span["p10"] <= span["p50"] <= span["p90"]


def test_drivers_multiply_to_their_total_and_begin_near_one(answer):
    for row in answer["drivers"]:
        assert np.prod(list(row["factors"].values())) == pytest.approx(row["total"])
    assert answer["drivers"][-1]["total"] > answer["drivers"][0]["total"] > 1.0


def test_every_quantity_is_listed_with_its_source(answer):
    rows = {row["what"]: row for row in answer["assumptions"]}
    assert set(rows) == set(known_quantities()) == {row["what"] for row in quantity_rows()}
    assert all(row["source"] and row["kind"] for row in rows.values())


def test_what_is_set_is_told_as_the_questions_own():
    own = parse_set("training.growth=2.2")
    answer = outlook(OutlookQuestion(end_year=2027, draws=2, quantities={own.name: own}, switches=("adoption-fails",)))
    assert [row["what"] for row in answer["assumptions"] if row["source"] == "the question"] == ["training.growth"]
    assert [row["name"] for row in answer["switches"]] == ["adoption-fails"]


def test_one_draw_is_the_mids():
    answer = outlook(OutlookQuestion(end_year=2027, draws=1))
    for row in answer["years"]:
        assert row["tokens"]["p10"] == row["tokens"]["p90"]


def test_progress_reaches_its_end():
    seen = []
    outlook(OutlookQuestion(end_year=2027, draws=2), seen=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (16, 16)
    assert [done for done, _ in seen] == list(range(1, 17))


def test_it_is_public():
    assert drivetrain.outlook is outlook
