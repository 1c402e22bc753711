"""All tables of a run behind one pointer, so that compiled functions pass a word and not a hundred.

Written as a numba struct; with ``NUMBA_DISABLE_JIT`` the same names are on a plain object, for stepping through.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, TypeAlias

import numba
import numpy as np
from numba.experimental import structref

from drivetrain.cost.jit import jit

World: TypeAlias = Any
"""A struct of the arrays :data:`FIELDS`: numba's types have no static form."""

FIELDS = (
    # things
    "clock", "pools", "replicas", "lanes", "cores", "slots", "parts", "entries", "controls", "timed", "ended",
    "ended_parts",
    # by core: decoding sequences in order of admission, those that run otherwise, how many store k mod block tokens
    "decoding", "base", "end", "others", "histogram",
    # order of lanes by the end of their step; lanes to plan
    "winners", "plans",
    # step models
    "ops", "collectives", "scalars", "spans", "windows", "ctx_decode", "ctx_prefill", "ctx_chunk", "lines",
    # rows of the trace
    "arrivals", "arrival_s", "isl", "osl", "priority", "session", "origin", "service", "difficulty", "gap_s",
    "hash_start", "hash_count", "hashes", "child_start", "children",
    # router
    "groups", "group_of", "row_replica", "endpoints", "scores", "network_s", "heals_s", "services", "request",
    "draws", "options", "route_state", "admit_state", "select_state", "scale_state", "pool_row", "transfers",
    # names: places of entries, of sightings, of what the event index was told, and what it has not heard yet
    "entry_places", "seen", "told", "told_serial", "news",
    # results
    "gaps", "series", "log",
)  # fmt: skip


@structref.register
class WorldType(numba.types.StructRef):
    """Numba's type of a world. All tables have one type, so that it needs no other name than its own.

    Numba's name for a struct spells out all fields of all tables, in every symbol of the compiled code: some 40 MB.
    """

    def __init__(self, fields: tuple[Any, ...]) -> None:
        super().__init__(fields)  # type: ignore[no-untyped-call]
        self.name = "World"


class _Proxy(structref.StructRefProxy):
    """A world seen from Python."""


structref.define_proxy(_Proxy, WorldType, FIELDS)  # type: ignore[no-untyped-call]


@jit
def _joined(arrays: World) -> World:
    return _Proxy(*arrays)  # type: ignore[no-untyped-call]


def world_of(arrays: dict[str, np.ndarray[Any, Any]]) -> World:
    """The world of these arrays, which stay the caller's to read; ``arrays`` has all :data:`FIELDS`."""
    if getattr(numba.config, "DISABLE_JIT"):  # noqa: B009 - made at import, out of a type checker's sight
        views = {name: a.view(np.recarray) if a.dtype.names else a for name, a in arrays.items()}
        return SimpleNamespace(**views)
    return _joined(tuple(arrays[name] for name in FIELDS))
