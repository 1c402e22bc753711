import pytest

from drivetrain.comms import collectives
from drivetrain.comms.coefficients import OPS, Coefficients, LinkFit, Regime
from drivetrain.comms.collectives import all_reduce, all_to_all, distinct_places, send_recv
from drivetrain.comms.topology import Topology

SWITCH = Topology("switch", 10, 10e9, 8, 10e9, "test")
MESH = Topology("mesh", 7, 10e9, 8, 10e9, "test")


def ideal(link, **changes):
    regime = Regime(**({"algorithm": "ring", "launch_s": 0.0, "hop_s": 0.0, "efficiency": 1.0} | changes))
    return tuple(LinkFit(op, link, (regime,)) for op in OPS)


IDEAL = Coefficients("ideal", ideal("switch") + ideal("mesh") + ideal("network"))


@pytest.mark.parametrize("op", OPS)
def test_one_rank_sends_nothing(op):
    assert getattr(collectives, op)(1, SWITCH).regimes == ((0.0, 0.0),)


def test_ring_all_reduce_by_hand():
    assert all_reduce(4, SWITCH, IDEAL).seconds(100e9) == pytest.approx(1.5)


def test_in_switch_reduction_by_hand():
    fits = Coefficients("sharp", ideal("switch", in_switch=1.0))
    assert all_reduce(8, SWITCH, fits).seconds(100e9) == pytest.approx(9 / 8)
    assert all_reduce(2, SWITCH, fits).seconds(100e9) == pytest.approx(1.0)  # a ring of two is better


def test_one_shot_reads_every_peer():
    assert all_reduce(4, SWITCH, Coefficients("custom", ideal("switch", algorithm="one_shot"))).seconds(
        100e9
    ) == pytest.approx(3.0)


def test_two_ranks_of_a_mesh_share_one_link():
    assert all_reduce(2, MESH, IDEAL).seconds(10e9) == pytest.approx(1.0)
    assert all_reduce(8, MESH, IDEAL).seconds(70e9) == pytest.approx(1.75)
    assert send_recv(8, MESH, IDEAL).seconds(10e9) == pytest.approx(1.0)


def test_domains_are_joined_by_the_nic_with_a_share_each():
    # 2 domains of 8: each NIC all-reduces 1/8 of the tensor, 2 (2-1)/2 times, at 10 GB/s
    assert all_reduce(16, SWITCH, IDEAL).seconds(100e9) == pytest.approx(max(1.75, 100e9 / 8 / 10e9))
    assert all_reduce(2, SWITCH, IDEAL, n_inner=1).seconds(10e9) == pytest.approx(1.0)
    assert send_recv(16, SWITCH, IDEAL).seconds(10e9) == pytest.approx(1.0)


def test_experts_across_domains_send_one_merged_copy():
    copies = distinct_places(16, 8) / distinct_places(2, 8)
    plain, merged = all_to_all(16, SWITCH, IDEAL), all_to_all(16, SWITCH, IDEAL, merged=copies)
    assert plain.seconds(10e9) == pytest.approx(0.5)
    assert merged.seconds(10e9) == pytest.approx(0.5 / copies)


def test_host_bridges_are_shared():
    shared = Coefficients("pcie", (LinkFit("all_reduce", "pcie", (Regime("ring", 0.0, 0.0, 1.0),), sharing=1.0),))
    box = Topology("pcie", 1, 10e9, 8, 0.0, "pcie4")
    assert all_reduce(2, box, shared).seconds(10e9) == pytest.approx(1.0)
    assert all_reduce(8, box, shared).seconds(10e9) == pytest.approx(1.75 * 4)
