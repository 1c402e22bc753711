"""Every check of the ledger: runs as shipped, is sourced, and moves when its inputs move."""

from __future__ import annotations

import math
import re
from functools import cache

import pytest

from drivetrain.catalogue import loader
from drivetrain.insight.claims import ledger
from drivetrain.insight.claims.ledger import Finding
from drivetrain.insight.claims.text import claims

CHECKS = ledger.all_checks()


@cache
def shipped(name: str) -> Finding:
    return ledger.run([name])[0]


@pytest.mark.parametrize("name", CHECKS)
def test_it_answers_with_a_range_around_the_value(name):
    found = shipped(name)
    assert found.computed is not None
    assert found.range is not None
    low, high = found.range
    assert all(math.isfinite(number) for number in (found.computed, low, high))
    assert low <= found.computed <= high
    assert found.unit
    assert found.quantity
    assert found.evidence.endswith(".")
    assert found.verdict in ledger.VERDICTS
    assert found.verdict != ledger.UNTESTED


@pytest.mark.parametrize("name", CHECKS)
def test_moved_inputs_move_the_number_the_verdict_and_the_words(name):
    check = CHECKS[name]
    before, after = shipped(name), ledger.run([name], check.moved)[0]
    assert set(check.moved) <= set(before.inputs)
    assert any(check.moved[key] != before.inputs[key].value for key in check.moved)
    assert after.computed != pytest.approx(before.computed, rel=1e-6)
    assert after.verdict != before.verdict
    assert after.evidence != before.evidence


@pytest.mark.parametrize("name", CHECKS)
def test_every_input_has_a_unit_and_an_origin(name):
    known = loader.sources()
    for key, item in shipped(name).inputs.items():
        assert item.unit, key
        start = re.split(r"[,:;\s]", item.source.strip())[0]
        assert start in {"choice", "essay", "catalogue"} or start in known, f"{key}: {item.source}"
        low, high = (item.value if end is None else end for end in (item.low, item.high))
        assert low <= item.value <= high, key


@pytest.mark.parametrize("name", CHECKS)
def test_its_command_is_one_line_of_ours(name):
    command = CHECKS[name].command
    assert command.startswith("drivetrain ")
    assert "\n" not in command
    if command.startswith("drivetrain claims"):
        assert name in command


def test_ids_are_those_of_the_essays():
    assert set(CHECKS) <= set(claims())
