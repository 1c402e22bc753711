"""Distances between regions: delay, bandwidth and the price of data that leaves. Facts of ``data/wan.toml``.

A *place* is where a pool of replicas, or the users of some requests, are: a catalogue region (``eu``), a part of one
(``us-west``), or ``edge``, a site in the city of the users of a place (``edge@eu``). With R the round trip between two
places, half of it is the one-way delay, and users reach the nearest cloud region in half of ``access``::

    delay(users of a, pool in b) = access / 2 + R(a, b) / 2
    delay(users of a, edge at b) = edge / 2 if a = b, else (access + R(a, b) + edge) / 2

Medians over a month between the data centres of one provider, in quiet network: no jitter, no loss.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.catalogue import loader
from drivetrain.catalogue.fact import Fact
from drivetrain.catalogue.files import overlaid, user_folder
from drivetrain.catalogue.stated import Stated
from drivetrain.catalogue.table import Table
from drivetrain.errors import FileError, UnknownNameError
from drivetrain.registry import slug, suggest

Floats = NDArray[np.float64]
EDGE = "edge"


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere on the network. ``region`` is the catalogue region whose prices and grid hold there.

    ``node`` is the measured place it is at, ``away`` what the round trip to that adds where it is only the nearest.
    ``is_edge``: a site near the users of ``node``.
    """

    name: str
    title: str
    region: str
    zone: str
    node: str
    away: Fact | None = None
    is_edge: bool = False

    @property
    def unverified(self) -> bool:
        """Whether its distances are guessed."""
        return self.away is not None


@dataclass(frozen=True, slots=True)
class Wan:
    """All of ``wan.toml``: SI; ``round_trip_s`` by pair of measured places, in both orders."""

    places: Mapping[str, Place]
    round_trip_s: Mapping[tuple[str, str], float]
    measured: Stated
    access: Fact
    edge: Fact
    flow: Fact
    server: Fact
    same_zone: Mapping[str, Fact]
    other_zone: Mapping[str, Fact]


def place(name: str, home: str = "us") -> Place:
    """The place called ``name``: a place, a region in any spelling, ``edge`` (of ``home``) or ``edge@region``.

    >>> place("united-states").name, place("us-west").region, place("edge@eu").node
    ('us', 'us', 'eu')
    """
    head, _, of = slug(name).partition("@")
    if head == EDGE:
        near = place(of or home)
        title = f"edge of {near.title}"
        return Place(f"{EDGE}@{near.name}", title, near.region, near.zone, near.node, near.away, is_edge=True)
    known = wan().places
    if head in known:
        return known[head]
    try:
        region = loader.resolve("regions", name)
    except UnknownNameError:
        region = ""
    if region not in known:
        close = suggest(head, [*known, EDGE], 3)
        raise UnknownNameError("place on the network", name, close, f"Places: {', '.join(known)}, {EDGE}.")
    return known[region]


def round_trip_s(a: Place, b: Place) -> float:
    """Round trip between the data centres of two places; 0 within one.

    >>> round_trip_s(place("us"), place("eu"))
    0.084
    """
    if a.name == b.name:
        return 0.0
    known = wan()
    sites = sum(known.edge.value for one in (a, b) if one.is_edge)
    if _city(a) == _city(b):
        return sites
    between = 0.0 if a.node == b.node else known.round_trip_s[a.node, b.node]
    return between + sites + sum(one.away.value for one in (a, b) if one.away)


def network_s(
    origins: Sequence[Place], regions: Sequence[Place], *, access_s: float | None = None, edge_s: float | None = None,
    between_s: Mapping[frozenset[str], float] | None = None,
) -> Floats:  # fmt: skip
    """One-way delay from the users of each origin (rows) to each region (columns), seconds.

    One-way delays that are stated stand instead of the catalogue's: ``access_s`` to the nearest cloud region,
    ``edge_s`` to a site in the city, ``between_s`` between two places by their names.

    >>> network_s([place("us")], [place("us"), place("eu"), place("edge")]).round(6).tolist()
    [[0.01, 0.052, 0.0045]]
    """
    cloud = wan().access.value / 2.0 if access_s is None else access_s
    site = wan().edge.value / 2.0 if edge_s is None else edge_s
    stated = between_s or {}

    def delay_s(users: Place, pool: Place) -> float:
        city = _city(users)
        if pool.is_edge and _city(pool) == city:
            return site
        known = stated.get(frozenset((users.name, pool.name)))
        return cloud + (round_trip_s(city, pool) / 2.0 if known is None else known)

    return np.array([[delay_s(users, pool) for pool in regions] for users in origins])


def egress_usd_per_gb(a: Place, b: Place) -> float:
    """Price of a decimal gigabyte that leaves ``a`` for ``b``; nothing within a place.

    >>> egress_usd_per_gb(place("us"), place("us-west")), egress_usd_per_gb(place("us"), place("eu"))
    (0.02, 0.05)
    """
    if a.node == b.node and a.region == b.region:
        return 0.0
    known = wan().same_zone if a.zone == b.zone else wan().other_zone
    return known[a.zone].value


def transfer_s(n_bytes: float, a: Place, b: Place) -> float:
    """Time for ``n_bytes`` from a server in ``a`` to one in ``b``, over many flows at once."""
    return round_trip_s(a, b) / 2.0 + n_bytes / wan().server.value


def wan() -> Wan:
    """The shipped distances with those of the user's folder laid over them."""
    return _wan(user_folder())


def facts() -> Iterator[tuple[str, Fact | Stated]]:
    """Every sourced value of ``wan.toml`` by the name of its field, for the check of the catalogue."""
    known = wan()
    yield "round_trip", known.measured
    yield from (("access.cloud", known.access), ("access.edge", known.edge), ("bandwidth.flow", known.flow),
                ("bandwidth.server", known.server))  # fmt: skip
    yield from ((f"egress.same_zone.{zone}", fact) for zone, fact in known.same_zone.items())
    yield from ((f"egress.other_zone.{zone}", fact) for zone, fact in known.other_zone.items())
    yield from ((f"stands_in.{name}", one.away) for name, one in known.places.items() if one.away)


def _city(at: Place) -> Place:
    """Where an edge site is; any other place itself."""
    return replace(at, name=at.name.removeprefix(f"{EDGE}@"), title="", is_edge=False)


@cache
def _wan(user: str) -> Wan:
    merged: dict[str, Any] = {}
    where = ""
    for path, tables in overlaid("wan", user):
        where = str(path)
        for name, table in tables.items():
            merged[name] = {**merged.get(name, {}), **table}
    return _read(Table(merged, where))


def _read(table: Table) -> Wan:
    places: dict[str, Place] = {}
    for name, raw in table.take("places").items():
        one = Table(raw, table.field(f"places.{name}"))
        places[name] = Place(name, one.text("title"), one.text("region"), one.text("zone"), name)
        one.text("probe")
        one.done()
    measured = tuple(places)
    for name, raw in table.take("stands_in").items():
        one = Table(raw, table.field(f"stands_in.{name}"))
        near = places.get(one.text("place"))
        if near is None:
            raise FileError(f"{one.field('place')} names no place of this file.")
        title = loader.load("regions", name).title
        places[name] = Place(name, title, name, near.zone, near.node, one.optional_fact("away", "s"))
        one.done()
    stated, times = _round_trips(table.table("round_trip"), measured)
    access, band, egress = (table.table(name) for name in ("access", "bandwidth", "egress"))
    zones = {one.zone for one in places.values()}
    record = Wan(
        places=places, round_trip_s=times, measured=stated,
        access=access.fact("cloud", "s"), edge=access.fact("edge", "s"),
        flow=band.fact("flow", "bytes/s"), server=band.fact("server", "bytes/s"),
        same_zone=_by_zone(egress.table("same_zone"), zones), other_zone=_by_zone(egress.table("other_zone"), zones),
    )  # fmt: skip
    for part in (access, band, egress, table):
        part.done()
    return record


def _by_zone(table: Table, zones: set[str]) -> dict[str, Fact]:
    found = {zone: table.fact(zone, "USD") for zone in sorted(zones)}
    table.done()
    return found


def _round_trips(table: Table, places: Sequence[str]) -> tuple[Stated, dict[tuple[str, str], float]]:
    """Where the round trips are written, and each in both orders; the table is a triangle in milliseconds."""
    stated = Stated(table.text("source"), table.text("seen"), table.text("kind"), False, table.text("note", ""))
    table.text("title")
    table.text("unit", among=("ms",))
    rows: dict[str, list[float]] = table.take("of")
    found: dict[tuple[str, str], float] = {}
    for i, name in enumerate(places[1:], 1):
        row = rows.get(name, ())
        if len(row) != i or not all(isinstance(v, (int, float)) and v > 0 for v in row):
            raise FileError(f"{table.field('of')}.{name} needs {i} round trips above zero, to the places before it.")
        for other, milliseconds in zip(places[:i], row, strict=True):
            found[name, other] = found[other, name] = milliseconds / 1e3
    table.done()
    return stated, found
