import pytest

from drivetrain.comms.topology import Topology
from drivetrain.errors import LayoutError

SWITCH = Topology("switch", 18, 25e9, 8, 50e9, "nvlink4")
MESH = Topology("mesh", 7, 64e9, 8, 50e9, "xgmi")
TORUS = Topology("torus", 6, 100e9, 4096, 0.0, "ici")


def test_links_a_group_can_use():
    assert SWITCH.group_bytes_per_s(2) == 450e9
    assert [MESH.links_used(n) for n in (2, 4, 8)] == [1, 3, 7]
    assert [TORUS.links_used(n) for n in (2, 3, 4, 8, 64)] == [1, 2, 2, 3, 6]


def test_all_to_all_is_relayed_on_a_torus_only():
    assert SWITCH.relays(64) == 1.0
    assert TORUS.relays(4096) == pytest.approx(3 * 16 / 4)


@pytest.mark.parametrize(("n", "n_inner"), [(0, None), (12, None), (16, 16), (8, 3), (4, 0)])
def test_groups_that_do_not_tile_are_refused(n, n_inner):
    with pytest.raises(LayoutError) as caught:
        SWITCH.inner_ranks(n, n_inner)
    assert caught.value.code == "DT030"


def test_a_group_cannot_leave_a_domain_without_a_network():
    assert TORUS.inner_ranks(64) == 64
    with pytest.raises(LayoutError, match="no scale-out network"):
        TORUS.inner_ranks(8192)
