"""Switches: each says what it does, changes only that, and adds to the others."""

from types import SimpleNamespace

import pytest

from drivetrain.demand import classes, switches
from drivetrain.demand.switches import switched
from drivetrain.demand.world import quantities
from drivetrain.errors import FileError, UnknownNameError


@pytest.mark.parametrize("name", switches.switches())
def test_a_switch_changes_what_it_says_and_nothing_else(name):
    before, after, one = quantities(), switched(quantities(), [name]), switches.switches()[name]
    assert one.title
    changed = {key for key in before if before[key] != after[key]}
    assert changed
    wanted = set(one.sets) | {key for pattern in one.times for key in switches._meant(pattern)}
    assert changed <= wanted
    for key, value in one.sets.items():
        assert (after[key].low, after[key].mid, after[key].high) == (value, value, value)


def test_a_star_stands_for_every_class():
    after, before = switched(quantities(), ["adoption-fails"]), quantities()
    for task in classes.known():
        key = f"{task.name}.imitation"
        assert after[key].mid == pytest.approx(0.2 * before[key].mid)


def test_switches_add_up():
    both = switched(quantities(), ["efficiency-flattens", "adoption-fails"])
    assert both["software.engines_floor"].mid == switched(quantities(), ["efficiency-flattens"])[
        "software.engines_floor"].mid  # fmt: skip
    assert both["world.churn"].mid == switched(quantities(), ["adoption-fails"])["world.churn"].mid


def test_an_unknown_switch_is_told_with_the_known():
    with pytest.raises(UnknownNameError, match=r"adoption-fail'.*Did you mean 'adoption-fails'"):
        switched(quantities(), ["adoption-fail"])


def test_a_switch_on_no_quantity_is_an_error_of_the_file(monkeypatch):
    row = SimpleNamespace(title="t", value={"set": {"no.such": 1.0}})
    monkeypatch.setattr(switches, "choices", lambda _stem: {"switches.odd": row})
    with pytest.raises(FileError, match=r"switches\.odd changes 'no\.such'"):
        switched(quantities(), ["odd"])
