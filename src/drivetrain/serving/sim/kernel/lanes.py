"""Which lane's step ends next, and which lanes are to be planned now."""

from __future__ import annotations

from drivetrain.cost.jit import inner
from drivetrain.serving.sim.kernel.tables import BOUNDARY, IDLE
from drivetrain.serving.sim.kernel.world import World


@inner
def ends_at(w: World, lane: int, time_s: float) -> None:
    """Lane ``lane``'s step ends at ``time_s`` (inf: it has none). A tournament: the earlier, then the lower, wins."""
    lanes, winners = w.lanes, w.winners
    lanes[lane].end = time_s
    node = (winners.shape[0] // 2 + lane) >> 1
    while node > 0:
        left, right = winners[2 * node], winners[2 * node + 1]
        winners[node] = right if right >= 0 and lanes[right].end < lanes[left].end else left
        node >>= 1


@inner
def first_end(w: World) -> float:
    """When the next step ends."""
    return float(w.lanes[w.winners[1]].end)


@inner
def to_plan(w: World, lane: int) -> None:
    """Have an idle ``lane`` planned at this time."""
    if w.lanes[lane].state == IDLE:
        at_boundary(w, lane)


@inner
def at_boundary(w: World, lane: int) -> None:
    """``lane`` is between steps; it is planned at this time, after what else happens at it, in order of lanes."""
    c = w.clock[0]
    plans = w.plans
    w.lanes[lane].state = BOUNDARY
    i = c.plans
    c.plans = i + 1
    while i > 0 and plans[i - 1] < lane:  # descending, so that the next is the last
        plans[i] = plans[i - 1]
        i -= 1
    plans[i] = lane
