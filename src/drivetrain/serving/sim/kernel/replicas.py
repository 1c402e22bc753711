"""States of replicas: what is paid for, and when one that drains is off."""

from __future__ import annotations

from drivetrain.cost.jit import inner
from drivetrain.serving.sim.kernel import signals
from drivetrain.serving.sim.kernel.tables import DRAINING, OFF
from drivetrain.serving.sim.kernel.world import World

changed = signals.changed


@inner
def become(w: World, r: int, state: int) -> None:
    """Replica ``r`` changes to ``state``; those that are not off are paid for."""
    replica, now = w.replicas[r], w.clock[0].now
    if replica.state == OFF:
        replica.on_since = now
    elif state == OFF:
        w.pools[replica.pool].on_s += now - replica.on_since
    replica.state = state
    changed(w, r)


@inner
def leave(w: World, r: int) -> None:
    """A request is no longer at replica ``r``, which is off if it drains and is empty."""
    w.replicas[r].present -= 1
    rest(w, r)


@inner
def rest(w: World, r: int) -> None:
    """Replica ``r`` is off if it drains and is empty."""
    if w.replicas[r].state == DRAINING and w.replicas[r].present == 0:
        become(w, r, OFF)
