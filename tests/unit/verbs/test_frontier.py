"""Cost against quality: nothing on the frontier is beaten, nothing unknown is on it."""

import itertools

import pytest
from plans_to_pull import DENSE

import drivetrain

BUSY = DENSE | {"rate": 40.0}  # so many requests that whole replicas do not hide the difference


@pytest.fixture(scope="module")
def plan():
    return drivetrain.plan_serve(**BUSY)


def points(answer):
    return [(row["recovery_frac"], row["usd_per_million_output_tokens"]) for row in answer["quality_frontier"]]


def test_the_frontier_falls_in_both_and_nothing_on_it_is_beaten(plan):
    found = points(plan)
    assert len(found) >= 3
    for (q1, c1), (q2, c2) in itertools.pairwise(found):
        assert q1 > q2
        assert c1 > c2
    assert all(0 < q <= 1 for q, _ in found)


def test_it_starts_at_the_plan_where_that_is_as_shipped(plan):
    first = plan["quality_frontier"][0]
    assert first["label"] == "as shipped"
    assert first["usd_per_million_output_tokens"] == pytest.approx(plan["best"]["usd_per_million_output_tokens"])
    assert (first["layout"], first["accelerator"]) == (plan["best"]["layout"], plan["best"]["accelerator"])


def test_rows_say_what_changes_and_on_what_evidence(plan):
    for row in plan["quality_frontier"]:
        assert row["label"].startswith(" + ".join(row["changes"]) or "as shipped")
        recovery = row["quality_delta"]["recovery"]
        assert row["recovery_frac"] == pytest.approx(min(recovery, 1.0))


@pytest.mark.parametrize("at", [1, 2])
def test_a_point_is_what_planning_with_its_choices_gives(plan, at):
    row = plan["quality_frontier"][at]
    changes = dict(change.split("=") for change in row["changes"])
    question = {"weights": changes.get("weights", "shipped"), "kv": changes.get("kv", "bf16")}
    if "sibling" in changes:
        question = {"model": changes["sibling"]}
    again = drivetrain.plan_serve(**(BUSY | question | {"levers": "off"}))["best"]
    assert again["usd_per_million_output_tokens"] <= row["usd_per_million_output_tokens"] * (1 + 1e-9)
    assert again["usd_per_million_output_tokens"] >= row["usd_per_million_output_tokens"] * 0.98


def test_what_is_unknown_stands_apart(plan):
    assert plan["quality_unknown"] == []  # nothing unknown is known to start
    wide = drivetrain.plan_serve(**BUSY, allow_unverified=True)
    assert wide["quality_unknown"]
    assert all(row["recovery_frac"] is None for row in wide["quality_unknown"])
    assert all("kv-compression" in row["label"] or "sparsity" in row["label"] for row in wide["quality_unknown"])


def test_more_offers_never_make_a_share_of_quality_dearer(plan):
    wide = drivetrain.plan_serve(**(BUSY | {"accelerators": ("h100-sxm", "mi300x"), "levers": "all"}))
    for quality, usd in points(plan):
        assert min(c for q, c in points(wide) if q >= quality - 1e-9) <= usd * (1 + 1e-9)


def test_a_plan_that_is_not_as_shipped_is_on_it_or_beaten():
    lighter = drivetrain.plan_serve(**(BUSY | {"weights": "int4"}))
    assert "as shipped" in {row["label"] for row in lighter["quality_frontier"]}
    mine = lighter["best"]
    assert any(q >= mine["quality_delta"]["recovery"] - 1e-9 and c <= mine["usd_per_million_output_tokens"] * (1 + 1e-9)
               for q, c in points(lighter))  # fmt: skip


def test_off_means_off():
    answer = drivetrain.plan_serve(**(BUSY | {"levers": "off"}))
    assert (answer["quality_frontier"], answer["quality_unknown"], answer["levers"]) == ([], [], [])


def test_a_plan_of_pools_has_no_frontier_of_undivided_replicas():
    answer = drivetrain.plan_serve(**(BUSY | {"disaggregate": "on"}))
    assert isinstance(answer["best"]["layout"], dict)
    assert (answer["quality_frontier"], answer["quality_unknown"]) == ([], [])
    assert any("not computed for pools" in one["reason"] for one in answer["levers_not_available"])
