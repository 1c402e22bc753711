"""Events that follow from others: a binary heap by time, then in the order in which they were made."""

from __future__ import annotations

from drivetrain.cost.jit import inner
from drivetrain.serving.sim.kernel.world import World


@inner
def make(w: World, time_s: float, kind: int, a: int, b: int) -> None:
    """Let event ``kind`` with numbers ``a`` and ``b`` happen at ``time_s``."""
    c = w.clock[0]
    timed = w.timed
    number = c.made
    c.made = number + 1
    i = c.timed
    c.timed = i + 1
    while i > 0:
        parent = (i - 1) >> 1
        if timed[parent].time <= time_s:  # equal ones were made earlier
            break
        timed[i] = timed[parent]
        i = parent
    timed[i].time = time_s
    timed[i].number = number
    timed[i].kind = kind
    timed[i].a = a
    timed[i].b = b


@inner
def remove_first(w: World) -> None:
    """Take the first event off the heap."""
    c = w.clock[0]
    timed = w.timed
    n = c.timed - 1
    c.timed = n
    time_s, number = timed[n].time, timed[n].number
    i = 0
    while True:
        child = 2 * i + 1
        if child >= n:
            break
        if child + 1 < n and _before(timed[child + 1].time, timed[child + 1].number, timed[child].time,
                                     timed[child].number):  # fmt: skip
            child += 1
        if not _before(timed[child].time, timed[child].number, time_s, number):
            break
        timed[i] = timed[child]
        i = child
    timed[i] = timed[n]


@inner
def _before(time_s: float, number: int, other_s: float, other: int) -> bool:
    return time_s < other_s or (time_s == other_s and number < other)
