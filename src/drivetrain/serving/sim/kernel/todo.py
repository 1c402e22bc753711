"""What is to happen at once, before anything else: left to the loop and not called from within what it follows from.

The order is the same, and compiled code stays flat: numba compiles a function anew into each of its callers.
"""

from __future__ import annotations

from drivetrain.cost.jit import inner
from drivetrain.serving.sim.kernel.tables import DISPATCH
from drivetrain.serving.sim.kernel.world import World


@inner
def follows(w: World, kind: int, s: int) -> None:
    """``kind`` happens to slot ``s`` at once."""
    w.clock[0].todo = kind
    w.clock[0].todo_slot = s


@inner
def goes_to(w: World, s: int, group: int) -> None:
    """Slot ``s`` is routed to one of ``group`` at once."""
    w.clock[0].todo_group = group
    follows(w, DISPATCH, s)
