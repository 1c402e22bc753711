"""Slots for requests in the system: taken when one is sent, given back when it has ended."""

from __future__ import annotations

from drivetrain.cost.jit import inner
from drivetrain.serving.sim.kernel.tables import FREE
from drivetrain.serving.sim.kernel.world import World


@inner
def taken(w: World) -> int:
    """A free slot. There is one: the loop stops before they run out."""
    c = w.clock[0]
    s = c.free_slot
    c.free_slot = w.slots[s].next
    c.free_slots -= 1
    return int(s)


@inner
def give(w: World, s: int) -> None:
    """Slot ``s`` is free; what was made for whom it held is void."""
    c, slot = w.clock[0], w.slots[s]
    slot.state = FREE
    slot.sending += 1  # never the same again
    slot.ticket = -1
    slot.next = c.free_slot
    c.free_slot = s
    c.free_slots += 1
