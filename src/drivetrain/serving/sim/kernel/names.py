"""Entries of all cores' prefix caches by (core, name): open addressing with linear probing, and lists of the idle.

A name that leaves closes its gap, so that no table ever needs cleaning.
"""

from __future__ import annotations

from drivetrain.cost.jit import inner
from drivetrain.serving.sim.kernel.tables import NOWHERE
from drivetrain.serving.sim.kernel.world import World


@inner
def home(name: int, place: int, mask: int) -> int:
    """Where in a table of ``mask + 1`` places the search for ``name`` at ``place`` begins."""
    h = (name ^ (name >> 32)) & 0xFFFFFFFF
    h = (h * 0x85EBCA6B) & 0xFFFFFFFF
    h ^= h >> 15
    h = ((h + place * 0x9E3779B1) * 0xC2B2AE35) & 0xFFFFFFFF
    return (h ^ (h >> 14)) & mask


@inner
def found(w: World, core: int, name: int) -> int:
    """The entry of ``name`` at ``core``; -1 where there is none."""
    places, entries = w.entry_places, w.entries
    mask = w.clock[0].entry_mask
    i = home(name, core, mask)
    while places[i] >= 0:
        e = places[i]
        if entries[e].name == name and entries[e].core == core:
            return int(e)
        i = (i + 1) & mask
    return -1


@inner
def added(w: World, core: int, name: int) -> int:
    """A new entry of ``name`` at ``core``, nowhere yet. There is room: the loop stops before it runs out."""
    c, places, entries = w.clock[0], w.entry_places, w.entries
    e = c.free_entry
    c.free_entry = entries[e].after
    c.free_entries -= 1
    entries[e].name = name
    entries[e].core = core
    entries[e].where = NOWHERE
    entries[e].holders = 0
    i = home(name, core, c.entry_mask)
    while places[i] >= 0:
        i = (i + 1) & c.entry_mask
    places[i] = e
    return int(e)


@inner
def dropped(w: World, e: int) -> None:
    """Entry ``e`` is gone."""
    c, places, entries = w.clock[0], w.entry_places, w.entries
    mask = c.entry_mask
    i = home(entries[e].name, entries[e].core, mask)
    while places[i] != e:
        i = (i + 1) & mask
    j = i
    while True:  # move up whoever would no longer be found past the gap at i
        j = (j + 1) & mask
        other = places[j]
        if other < 0:
            break
        begins = home(entries[other].name, entries[other].core, mask)
        if ((j - begins) & mask) >= ((j - i) & mask):
            places[i] = other
            i = j
    places[i] = -1
    entries[e].where = NOWHERE
    entries[e].after = c.free_entry
    c.free_entry = e
    c.free_entries += 1
