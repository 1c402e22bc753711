"""One-way delays of a simulated fleet: from the catalogue, or as people write them (``access=10ms, us-eu=45ms``).

One region, nothing said: clients beside the server, as load tests have them. Several regions: users reach the nearest
cloud region in ``access``, a site in their city in ``edge``, another region in ``access`` plus what lies between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from drivetrain import units
from drivetrain.catalogue.wan import Place, network_s, place, round_trip_s, wan
from drivetrain.errors import BadInputError, UnitError
from drivetrain.units import show
from drivetrain.verbs.assumption import Assumption

Floats = NDArray[np.float64]
_EXAMPLE = 'Write for example "access=10ms, us-eu=45ms", one-way delays.'


def network_of(places: Sequence[Place], text: str) -> tuple[Floats, list[Assumption]]:
    """Delays from the users of each place to each place, and what they rest on."""
    said = _said(text, places)
    if len(places) == 1 and not said:
        return np.zeros((1, 1)), [Assumption("network", "clients beside the servers, no delay", "default")]
    pairs = {frozenset(key): value for key, value in said.items() if isinstance(key, tuple)}
    access, edge = said.get("access"), said.get("edge")
    delays = network_s(places, places, access_s=access, edge_s=edge, between_s=pairs)
    notes = []
    known = wan()
    if access is None:
        notes.append(Assumption("network, user to the nearest region, one way", show(known.access.value / 2.0, "s"),
                                f"{known.access.source}, {known.access.seen}"))  # fmt: skip
    if edge is None and any(one.is_edge for one in places):
        notes.append(Assumption("network, user to a site in the city, one way", show(known.edge.value / 2.0, "s"),
                                f"{known.edge.source}, {known.edge.seen}"))  # fmt: skip
    looked_up = {f"{b.name}-{a.name}": show(round_trip_s(a, b) / 2.0, "s") for i, a in enumerate(places)
                 for b in places[:i] if frozenset((a.name, b.name)) not in pairs}  # fmt: skip
    if looked_up:
        source = f"{known.measured.source}, {known.measured.seen}: medians, no jitter"
        notes.append(Assumption("network between regions, one way", looked_up, source))
    guessed = [one.name for one in places if one.unverified]
    if guessed:
        notes.append(Assumption("network of " + ", ".join(guessed), "guessed from the nearest place", "unverified"))
    if text:
        notes.append(Assumption("network", text, "your choice"))
    return delays, notes


def _said(text: str, places: Sequence[Place]) -> dict[str | tuple[str, str], float]:
    """Delays by ``access``, ``edge`` or a pair of the fleet's places."""
    said: dict[str | tuple[str, str], float] = {}
    names = {one.name: one for one in places}
    for term in filter(None, (part.strip() for part in text.split(","))):
        spelled, equals, value = (part.strip() for part in term.partition("="))
        if not equals or not value:
            raise BadInputError(f"cannot read '{term}' of --network. {_EXAMPLE}")
        key = spelled.lower() if spelled.lower() in ("access", "edge") else pair_of(spelled, names)
        try:
            said[key] = units.parse(value, "s")
        except UnitError as error:
            raise BadInputError(f"--network {spelled}: {error.args[0]}") from None
        if said[key] < 0.0:
            raise BadInputError(f"--network {spelled}: a delay cannot be negative.")
    return said


def pair_of(text: str, names: Mapping[str, Place]) -> tuple[str, str]:
    """The two places of the fleet that ``us-eu`` names; either may have dashes of its own."""
    parts = text.lower().split("-")
    for i in range(1, len(parts)):
        pair = ["-".join(parts[:i]), "-".join(parts[i:])]
        found = [one if one in names else _name(one) for one in pair]
        if all(one in names for one in found) and found[0] != found[1]:
            return found[0], found[1]
    raise BadInputError(
        f"'{text}' is no pair of the fleet's regions, which are {', '.join(names)}. Write for example us-eu."
    )


def _name(text: str) -> str:
    try:
        return place(text).name
    except BadInputError:
        return ""
