"""Distances between regions: measured pairs, stand-ins, edge sites, prices."""

from itertools import combinations, product

import numpy as np
import pytest

from drivetrain.catalogue import loader, wan
from drivetrain.catalogue.check import _is_month
from drivetrain.errors import FileError, UnknownNameError

MEASURED = [one for one in wan.wan().places.values() if one.node == one.name]
LIGHT_IN_FIBRE = 200_000.0  # km/s


def test_every_region_of_the_catalogue_is_somewhere():
    for name in loader.names("regions"):
        if name != "world":
            assert loader.load("regions", wan.place(name).region)


def test_every_value_has_a_source_and_a_month():
    known = loader.sources()
    found = list(wan.facts())
    assert len(found) > 15
    for name, fact in found:
        assert fact.source in known, name
        assert _is_month(fact.seen), name
        assert (fact.source == "assumption") == (fact.kind == "assumed"), name
        assert fact.unverified or not name.startswith("stands_in"), name


def test_round_trips_are_symmetric_and_none_is_free():
    for a, b in combinations(MEASURED, 2):
        there, back = wan.round_trip_s(a, b), wan.round_trip_s(b, a)
        assert there == back > 0.004
        assert there < 0.4
    assert all(wan.round_trip_s(a, a) == 0.0 for a in MEASURED)


def test_no_detour_is_much_quicker_than_the_way_itself():
    """Routes are not geodesics, but a relay that saves half of a round trip would be an error of the table."""
    for a, b, c in product(MEASURED, repeat=3):
        if len({a.name, b.name, c.name}) == 3:
            assert wan.round_trip_s(a, b) + wan.round_trip_s(b, c) > 0.7 * wan.round_trip_s(a, c), (
                a.name,
                b.name,
                c.name,
            )


def test_nothing_is_faster_than_light_in_fibre():
    us, japan = wan.place("us-west"), wan.place("japan")
    assert wan.round_trip_s(us, japan) > 2 * 7_700 / LIGHT_IN_FIBRE
    assert wan.round_trip_s(wan.place("uk"), wan.place("australia")) > 2 * 17_000 / LIGHT_IN_FIBRE


def test_spellings_lead_to_one_place():
    assert wan.place("USA") == wan.place("united-states") == wan.place("us")
    assert wan.round_trip_s(wan.place("us"), wan.place("us-east")) == 0.0
    assert wan.place("edge", home="germany").name == "edge@germany"
    assert wan.place("edge@Great Britain").node == "uk"


def test_unknown_places_are_suggested():
    with pytest.raises(UnknownNameError, match="sweden"):
        wan.place("swedn")
    with pytest.raises(UnknownNameError):
        wan.place("world")


def test_where_nothing_is_measured_the_nearest_stands_in():
    finland, sweden, uk = (wan.place(name) for name in ("finland", "sweden", "uk"))
    assert finland.unverified
    assert not sweden.unverified
    assert wan.round_trip_s(finland, uk) == pytest.approx(wan.round_trip_s(sweden, uk) + 0.008)
    assert wan.round_trip_s(finland, sweden) == pytest.approx(0.008)


def test_users_reach_regions_and_edge_sites():
    us, eu, near, far = (wan.place(name) for name in ("us", "eu", "edge@us", "edge@eu"))
    access, edge = wan.wan().access.value / 2, wan.wan().edge.value / 2
    delays = wan.network_s([us, near], [us, eu, near, far])
    assert np.array_equal(delays[0], delays[1])  # users of a site are those of its city
    assert delays[0] == pytest.approx([access, access + 0.042, edge, access + 0.042 + edge])
    assert edge < access


def test_stated_delays_stand_instead():
    us, eu, near = (wan.place(name) for name in ("us", "eu", "edge@us"))
    delays = wan.network_s(
        [us, eu], [us, eu, near], access_s=0.001, edge_s=0.002, between_s={frozenset(("us", "eu")): 0.05}
    )
    assert delays[0] == pytest.approx([0.001, 0.051, 0.002])
    assert delays[1, 0] == pytest.approx(0.051)


def test_leaving_costs_by_where_it_leaves():
    price = {(a, b): wan.egress_usd_per_gb(wan.place(a), wan.place(b))
             for a, b in product(("us", "us-west", "eu", "brazil", "edge@us"), repeat=2)}  # fmt: skip
    assert price["us", "us"] == price["us", "edge@us"] == 0.0
    assert 0.0 < price["us", "us-west"] < price["us", "eu"] < price["brazil", "eu"]


def test_bytes_take_time_across():
    us, eu = wan.place("us"), wan.place("eu")
    assert wan.transfer_s(6.25e9, us, eu) == pytest.approx(1.042)


def test_a_folder_of_ones_own_is_laid_over(tmp_path, monkeypatch):
    cloud = '[access]\ncloud = { value = "2 ms", source = "assumption", seen = "2026-11", kind = "assumed" }\n'
    (tmp_path / "wan.toml").write_text(cloud)
    monkeypatch.setenv("DRIVETRAIN_CATALOGUE", str(tmp_path))
    assert wan.network_s([wan.place("us")], [wan.place("us")])[0, 0] == pytest.approx(0.001)
    (tmp_path / "wan.toml").write_text(cloud.replace("2 ms", "2 m"))
    wan._wan.cache_clear()
    with pytest.raises(FileError):
        wan.place("us")
    wan._wan.cache_clear()
