"""Inputs of checks keep the value, range and origin of what they are read from."""

from __future__ import annotations

import pytest

from drivetrain.catalogue import ceilings, loader
from drivetrain.insight.claims.check import Input, spread
from drivetrain.insight.claims.inputs import choice, claimed, of_economic, of_fact, of_spread


def test_a_fact_keeps_its_source_and_month():
    fact = loader.load("accelerators", "h100-sxm-80gb").facts["tdp_w"]
    found = of_fact(fact)
    assert (found.value, found.unit) == (fact.value, "W")
    assert found.source == f"{fact.source}, {fact.seen}"


def test_a_range_that_is_given_wins_over_sources_that_disagree():
    fact = loader.load("accelerators", "b200-sxm-180gb").facts["hbm_bytes_per_s"]
    assert fact.also  # sources disagree about it
    wide, given = of_fact(fact), of_fact(fact, low=fact.value, high=2 * fact.value)
    assert wide.low is not None
    assert wide.high is not None
    assert wide.low <= fact.value <= wide.high
    assert wide.low < wide.high
    assert (given.low, given.high) == (fact.value, 2 * fact.value)


def test_quantities_and_spreads_bring_their_ends():
    pue = loader.economics()["pue"]
    assert (of_economic("pue").low, of_economic("pue").high) == (pue.low.value, pue.high.value)
    campus = ceilings.spread("power.campus")
    assert of_spread("power.campus") == Input(
        campus.mid, "W", f"{campus.stated.source}, {campus.stated.seen}", campus.low, campus.high
    )


def test_what_has_no_ends_adds_nothing_to_a_range():
    found = spread(lambda v: v["a"] * v["b"], {"a": claimed(2.0, "1"), "b": choice(3.0, "1", "so many")})
    assert (found.value, found.low, found.high) == (6.0, 6.0, 6.0)


def test_ends_add_in_quadrature_on_either_side():
    inputs = {"a": choice(10.0, "1", "x", 7.0, 10.0), "b": choice(10.0, "1", "x", 6.0, 15.0)}
    found = spread(lambda v: v["a"] + v["b"], inputs)
    assert found.low == pytest.approx(20.0 - 5.0)
    assert found.high == pytest.approx(20.0 + 5.0)
