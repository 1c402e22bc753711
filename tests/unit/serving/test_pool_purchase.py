"""What two pools take of servers, and of limits on all that is bought."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_steady import BF16, CLOCK, ENGINE, FAST, TINY

from drivetrain.arch.layout import Layout
from drivetrain.catalogue import loader
from drivetrain.comms.collectives import DATASHEET
from drivetrain.serving.deployment import Memory, cut, deploy
from drivetrain.serving.pool_purchase import _packed, allowed, bill
from drivetrain.serving.purchase import LOOSE, Limits, Quota, Unit
from drivetrain.serving.search import Job, Offer

ROOM = Memory(0, 0, 0, 1, 1, 1, 1, 1)
BOX = Unit("server", "box", 8)
powers = st.sampled_from([1, 2, 4, 8, 16])
counts = st.integers(0, 40)


def job(tp, unit=LOOSE, name="fast", usd=2.0):
    hardware = replace(FAST, name=name, topology=replace(FAST.topology, domain=16, nic_bytes_per_s=1e9))
    offer = Offer(hardware, loader.load("accelerators", "h100-sxm"), 100.0, usd, 8, unit, "box", 200.0)
    return Job(
        offer, deploy(cut(TINY, BF16, Layout(tp=tp), "bf16"), hardware, ENGINE, CLOCK, DATASHEET), ROOM, 1.0, 1.0
    )


@given(counts, counts, powers, powers)
def test_powers_of_two_leave_nothing_over_but_the_last_server(x, y, p, d):
    units = _packed([p] * x + [d] * y, 8)
    assert units == math.ceil((x * p + y * d) / 8)


@given(counts, counts, st.integers(1, 20), st.integers(1, 20), st.integers(1, 16))
def test_every_replica_has_its_place(x, y, p, d, unit):
    units = _packed([p] * x + [d] * y, unit)
    needed = x * p + y * d
    assert units * unit >= needed
    alone = sum(math.ceil(n / (unit // s)) if s <= unit else n * math.ceil(s / unit) for n, s in ((x, p), (y, d)))
    assert units <= alone


def test_loose_accelerators_are_bought_by_the_replica():
    (line,) = bill(job(2), 3, job(4), 1, spares=1)
    assert (line.n_accelerators, line.serving, line.spare, line.idle) == (3 * 2 + 4 + 6, 10, 6, 0)
    assert line.usd_per_hour == 32.0


def test_pools_share_servers_of_one_offer():
    (line,) = bill(job(2, BOX), 2, job(4, BOX), 1, spares=1)
    assert (line.units, line.n_accelerators, line.serving, line.spare, line.idle) == (2, 16, 8, 8, 0)


def test_different_offers_are_two_lines():
    lines = bill(job(2, BOX), 2, replace(job(4, replace(BOX, name="crate"), "other")), 1)
    assert [line.units for line in lines] == [1, 1]
    assert [line.idle for line in lines] == [4, 4]


def test_limits_hold_for_both_pools_together():
    lines = bill(job(2, name="a"), 2, job(4, name="b"), 1)
    assert allowed(lines, Limits(accelerators=8))
    assert not allowed(lines, Limits(accelerators=7))
    watts = 8 * (FAST.tdp_w + 200.0)
    assert allowed(lines, Limits(power_w=watts))
    assert not allowed(lines, Limits(power_w=watts - 1))
    assert allowed(lines, Limits(usd_per_hour=16.0))
    assert not allowed(lines, Limits(usd_per_hour=15.9))
    assert not allowed(lines, Limits(quotas=(Quota("accelerator", "b", 3),)))
    assert allowed(lines, Limits(quotas=(Quota("accelerator", "b", 4),)))


def test_no_budget_is_kept_without_a_price():
    lines = bill(job(2, usd=math.nan), 1, job(2, usd=math.nan), 1)
    assert not allowed(lines, Limits(usd_per_hour=1e9))
    assert allowed(lines, Limits(accelerators=4))
    assert lines[0].usd_per_hour != pytest.approx(0.0, nan_ok=True)
