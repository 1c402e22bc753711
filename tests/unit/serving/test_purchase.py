"""Packing replicas into what can be bought, and what limits leave of it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.serving.purchase import (
    LOOSE,
    UNLIMITED,
    Limits,
    Part,
    Quota,
    Unit,
    claims,
    most_units,
    packing,
)

sizes = st.integers(1, 128)
kinds = st.sampled_from(["server", "instance"])


@st.composite
def units(draw):
    return LOOSE if draw(st.booleans()) else Unit(draw(kinds), "u", draw(st.integers(1, 80)))


@given(units(), sizes, st.integers(1, 500), st.integers(0, 5))
def test_no_less_is_bought_than_serves_and_spares(unit, replica, replicas, spares):
    p = packing(unit, replica, spares)
    assert p.accelerators(replicas) >= replicas * replica + spares * p.unit
    assert p.accelerators(replicas) % p.unit == 0
    if unit is LOOSE:
        assert p.accelerators(replicas) == (replicas + spares) * replica


@given(units(), sizes, st.integers(1, 500), st.integers(0, 5))
def test_less_than_a_unit_or_what_does_not_tile_is_left_over(unit, replica, replicas, spares):
    p = packing(unit, replica, spares)
    without_last = p.units(replicas) - p.spare_units - p.units_per_replica
    assert p.replicas(without_last + p.spare_units) < replicas


@given(units(), sizes, st.integers(1, 500), st.integers(0, 5))
def test_units_hold_the_replicas_they_were_bought_for(unit, replica, replicas, spares):
    p = packing(unit, replica, spares)
    held = p.replicas(p.units(replicas))
    assert held >= replicas
    assert p.units(held) == p.units(replicas)
    assert p.replicas(p.spare_units) == 0


@given(units(), sizes, st.integers(1, 500), st.integers(0, 5))
def test_one_more_spare_or_replica_never_takes_less(unit, replica, replicas, spares):
    p = packing(unit, replica, spares)
    assert packing(unit, replica, spares + 1).accelerators(replicas) == p.accelerators(replicas) + p.unit
    assert p.accelerators(replicas + 1) >= p.accelerators(replicas)


@given(st.integers(1, 80), sizes, st.integers(1, 500))
def test_whole_servers_are_never_fewer_accelerators_than_loose_ones(server, replica, replicas):
    whole = packing(Unit("server", "u", server), replica).accelerators(replicas)
    assert whole >= packing(LOOSE, replica).accelerators(replicas)
    if server % replica == 0 and replicas % (server // replica) == 0:
        assert whole == replicas * replica


@pytest.mark.parametrize(
    ("server", "replica", "replicas", "bought"),
    [(8, 8, 3, 3), (8, 3, 5, 3), (8, 16, 2, 4), (72, 16, 5, 2), (8, 1, 9, 2), (4, 6, 1, 2)],
)
def test_known_packings(server, replica, replicas, bought):
    assert packing(Unit("server", "u", server), replica).units(replicas) == bought


def part(unit=LOOSE, usd=2.0, watts=1275.0):
    return Part("h100", unit, "dgx-h100" if unit.kind != "instance" else "", 8, usd, watts)


@given(
    units(), sizes, st.integers(0, 3), st.floats(0.1, 20.0), st.floats(100.0, 3000.0),
    st.floats(1.0, 1e4), st.floats(1e2, 1e7), st.floats(0.1, 1e4),
)  # fmt: skip
def test_the_most_units_keep_every_limit_and_one_more_breaks_one(unit, size, spares, usd, watts, most, power, budget):
    limits = Limits(most, power, budget, quotas=(Quota("accelerator", "h100", math.floor(most)),), spares=spares)
    p = packing(unit, size, spares)
    found = claims(part(unit, usd, watts), p.unit, limits)
    n = most_units(found)
    assert all(claim.needed(n) <= claim.value * (1 + 1e-9) for claim in found)
    assert any(claim.needed(n + 1) > claim.value for claim in found)
    replicas = p.replicas(n)
    if replicas:
        assert p.accelerators(replicas) * watts <= power * (1 + 1e-9)
        assert p.accelerators(replicas) * usd <= budget * (1 + 1e-9)
        assert p.accelerators(replicas) <= most


def test_nothing_limits_without_limits():
    assert claims(part(), 8, UNLIMITED) == []
    assert most_units([]) == math.inf


def test_what_has_no_price_fits_no_budget():
    assert most_units(claims(part(usd=math.nan), 1, Limits(usd_per_hour=1e9))) == 0


@pytest.mark.parametrize(
    ("unit", "quota", "most"),
    [
        (LOOSE, Quota("accelerator", "h100", 20), 10),
        (LOOSE, Quota("accelerator", "h200", 0), math.inf),
        (LOOSE, Quota("server", "dgx-h100", 2), 8),  # 16 accelerators, two a replica
        (Unit("server", "dgx-h100", 8), Quota("server", "dgx-h100", 2), 2),
        (Unit("server", "dgx-h100", 8), Quota("accelerator", "h100", 20), 2),
        (Unit("instance", "p5", 8), Quota("instance", "p5", 3), 3),
        (Unit("instance", "p5", 8), Quota("instance", "p4d", 0), math.inf),
        (Unit("instance", "p5", 8), Quota("server", "dgx-h100", 0), math.inf),
        (Unit("server", "h100", 8), Quota("accelerator", "h100", 8), 1),  # a rack may be called as its accelerator
        (Unit("server", "h100", 8), Quota("server", "h100", 8), 8),
    ],
)
def test_quotas_count_what_they_name(unit, quota, most):
    size = 2 if unit is LOOSE else unit.n_accelerators
    assert most_units(claims(part(unit), size, Limits(quotas=(quota,)))) == most


def test_racks_take_as_many_servers_as_they_feed():
    unit = Unit("server", "dgx-h100", 8)  # 10.2 kW
    (claim,) = claims(part(unit), 8, Limits(racks=3, rack_power_w=40e3))
    assert claim.most_units == 9
    assert claim.needed(7) == 3
    assert most_units(claims(part(unit), 8, Limits(racks=3, rack_power_w=10e3))) == 0
    assert most_units(claims(part(unit), 8, Limits(racks=1, rack_power_w=20.4e3))) == 2
