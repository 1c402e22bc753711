"""Tables that are nearly full become twice as large; what router indexes no longer need is left behind."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.sim.kernel import memory, names
from drivetrain.serving.sim.kernel import tables as t
from drivetrain.serving.sim.kernel.setup_engines import Arrays
from drivetrain.serving.sim.kernel.world import World

place_in = memory.place_in
home = names.home


def grow(a: Arrays) -> None:
    """Make room in every table that might not hold what one more event adds."""
    c = a["clock"][0]
    in_use = len(a["slots"]) - c["free_slots"]
    if c["free_slots"] < c["margin"]:
        _add_slots(a, max(len(a["slots"]), 2 * int(c["margin"]), 256))
    timed = c["timed"] + max(4 * c["margin"] + c["most_children"], in_use + c["n_children"])
    _lengthen(a, "timed", int(timed), c["timed"])
    _lengthen(a, "ended", max(int(c["margin"]), in_use) + int(c["ended"]), c["ended"])
    _lengthen(a, "ended_parts", len(a["ended"]), c["ended"])
    if c["free_entries"] < c["most_entries"]:
        _add_entries(a, max(len(a["entries"]), 2 * int(c["most_entries"])))
    if c["news1"] + c["most_news"] > len(a["news"]):
        fresh = a["news"][c["news0"] : c["news1"]].copy()
        a["news"][: len(fresh)] = fresh
        c["news0"], c["news1"] = 0, len(fresh)
        _lengthen(a, "news", 2 * (len(fresh) + int(c["most_news"])), len(fresh))
    to_come = c["news1"] - c["news0"]
    if 2 * (c["n_told"] + to_come) >= len(a["told"]):
        a["told"], c["n_told"] = _copied(a["told"], int(to_come), a["told_serial"], -np.inf, of_cores=True)
        c["told_mask"] = len(a["told"]) - 1
    if 2 * (c["n_seen"] + c["most_sightings"]) >= len(a["seen"]):
        oldest = c["now"] - c["ttl"]
        a["seen"], c["n_seen"] = _copied(
            a["seen"], int(c["most_sightings"]), a["told_serial"], oldest - 1e-9 * abs(oldest), of_cores=False
        )
        c["seen_mask"] = len(a["seen"]) - 1
    if c["sample_s"] > 0.0:
        _lengthen(a, "series", int(c["n_series"]) + len(a["pools"]), c["n_series"])
    if c["n_log"] < c["log_steps"]:
        _lengthen(a, "log", int(c["n_log"]) + len(a["lanes"]), c["n_log"])


def _lengthen(a: Arrays, name: str, needed: int, used: int) -> None:
    """Have table ``name`` hold ``needed`` rows, and as many again where it does not; the first ``used`` stay."""
    old = a[name]
    if needed <= len(old):
        return
    new = np.zeros((2 * needed, *old.shape[1:]), old.dtype)
    new[:used] = old[:used]
    a[name] = new


def _add_slots(a: Arrays, n: int) -> None:
    c, old, parts = a["clock"][0], a["slots"], a["parts"]
    a["slots"] = np.concatenate([old, np.zeros(n, t.SLOTS)])
    a["parts"] = np.concatenate([parts, np.zeros((n, parts.shape[1]))])
    _thread(a["slots"]["next"], len(old), n, c["free_slot"])
    c["free_slot"], c["free_slots"] = len(old), c["free_slots"] + n


def _add_entries(a: Arrays, n: int) -> None:
    c, old = a["clock"][0], a["entries"]
    a["entries"] = np.concatenate([old, np.zeros(n, t.ENTRIES)])
    _thread(a["entries"]["after"], len(old), n, c["free_entry"])
    c["free_entry"], c["free_entries"] = len(old), c["free_entries"] + n
    places = np.full(1 << (2 * len(a["entries"]) - 1).bit_length(), -1, np.int32)
    _place_entries(a["entries"], places)
    a["entry_places"], c["entry_mask"] = places, len(places) - 1


def _thread(following: NDArray[Any], first: int, n: int, last: int) -> None:
    """A list of the ``n`` free rows from ``first`` on, before the list that begins at ``last``."""
    following[first : first + n] = np.arange(first + 1, first + n + 1)
    following[first + n - 1] = last


def _copied(
    old: NDArray[Any], more: int, serials: NDArray[Any], oldest: float, *, of_cores: bool
) -> tuple[NDArray[Any], int]:
    """A table of what is still valid in ``old``, with room for at least ``more``, and how much that is."""
    valid = (old["place"] >= 0) & (old["time"] > oldest if of_cores else old["time"] >= oldest)
    if of_cores:
        valid &= old["serial"] == serials[np.maximum(old["place"], 0)]
    n = int(valid.sum())
    new = np.zeros(1 << (4 * (n + more) + 64).bit_length(), t.SIGHTINGS)
    new["place"] = -1
    _place_sightings(old[valid], new)
    return new, n


@jit
def _place_entries(entries: World, places: World) -> None:
    mask = places.shape[0] - 1
    for e in range(entries.shape[0]):
        if entries[e].where != t.NOWHERE:
            i = home(entries[e].name, entries[e].core, mask)
            while places[i] >= 0:
                i = (i + 1) & mask
            places[i] = e


@jit
def _place_sightings(old: World, new: World) -> None:
    for j in range(old.shape[0]):
        new[place_in(new, new.shape[0] - 1, old[j].name, old[j].place)] = old[j]
