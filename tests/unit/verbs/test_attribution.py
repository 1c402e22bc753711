"""Laws of attribution over made-up values: effects sum, order is respected, parts that do nothing get nothing."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.verbs.attribution import averaged, in_turn

NUMBERS = st.floats(-1e3, 1e3)


def states(n):
    return [frozenset(c) for k in range(n + 1) for c in combinations(range(n), k)]


@st.composite
def worlds(draw, most=4, gaps=False):
    """(n, value of every state); with ``gaps`` states between may have none."""
    n = draw(st.integers(1, most))
    between = st.one_of(NUMBERS, st.none()) if gaps else NUMBERS
    return n, {s: draw(between if 0 < len(s) < n else NUMBERS) for s in states(n)}


@given(worlds(gaps=True))
def test_effects_in_turn_sum_to_the_whole_change(world):
    n, value = world
    shares = in_turn(range(n), value.__getitem__)
    known = [share.delta for share in shares.values() if share.delta is not None]
    assert sum(known) == pytest.approx(value[frozenset(range(n))] - value[frozenset()], abs=1e-6)
    assert shares[n - 1].delta is not None


@given(worlds(gaps=True))
def test_averaged_effects_sum_to_the_whole_change(world):
    n, value = world
    found = averaged(n, value.__getitem__)
    if found is None:
        assert any(v is None for v in value.values())
        return
    assert sum(found.deltas) == pytest.approx(value[frozenset(range(n))] - value[frozenset()], abs=1e-6)
    assert 0 < found.n_used <= found.n_orders
    if not any(v is None for v in value.values()):
        assert found.n_used == found.n_orders


@given(st.lists(NUMBERS, min_size=1, max_size=4), NUMBERS)
def test_parts_that_add_get_what_they_add_whatever_the_order(parts, start):
    def value(state):
        return start + sum(parts[i] for i in state)

    n = len(parts)
    assert averaged(n, value).deltas == pytest.approx(parts, abs=1e-6)
    assert [in_turn(range(n), value)[i].delta for i in range(n)] == pytest.approx(parts, abs=1e-6)


@given(worlds(most=3))
def test_a_part_that_changes_nothing_explains_nothing(world):
    n, value = world

    def wider(state):
        return value[frozenset(state - {n})]

    assert averaged(n + 1, wider).deltas[n] == pytest.approx(0, abs=1e-9)


@given(worlds(most=2))
def test_parts_that_do_the_same_get_the_same(world):
    n, value = world

    def twins(state):  # parts n and n + 1 matter only by how many of them are there
        return value[frozenset(state - {n, n + 1})] + 7.0 * len(state & {n, n + 1}) ** 2

    deltas = averaged(n + 2, twins).deltas
    assert deltas[n] == pytest.approx(deltas[n + 1], abs=1e-6)


def test_two_that_work_only_together_share_by_halves():
    found = averaged(2, lambda state: 10.0 - (4.0 if len(state) == 2 else 0.0))
    assert found.deltas == (-2.0, -2.0)
    assert found.n_orders == 2


def test_a_state_that_nothing_serves_joins_its_neighbours():
    value = {(): 10.0, (0,): 9.0, (0, 1): None, (0, 1, 2): None, (0, 1, 2, 3): 5.0}
    shares = in_turn(range(4), lambda state: value[tuple(sorted(state))])
    assert [shares[i].delta for i in range(4)] == [-1.0, None, None, -4.0]
    assert shares[3].together_with == (1, 2)
    assert shares[1].together_with == (2, 3)


def test_without_an_end_there_is_nothing_to_explain():
    assert in_turn((0,), lambda state: None if state else 1.0) is None
    assert averaged(2, lambda state: None if len(state) == 1 else 1.0) is None
