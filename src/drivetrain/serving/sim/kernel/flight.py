"""What the router counts in flight: requests at each endpoint, and their prompts until it sees a token of them."""

from __future__ import annotations

from drivetrain.cost.jit import inner
from drivetrain.serving.policies.signals import INFLIGHT, INFLIGHT_TOKENS
from drivetrain.serving.sim.kernel.world import World


@inner
def into_flight(w: World, s: int, r: int) -> None:
    """Slot ``s`` goes to replica ``r``."""
    slot, replica = w.slots[s], w.replicas[r]
    slot.sending += 1
    slot.replica = r
    slot.at = r
    slot.counted = 1
    row = w.endpoints[replica.row]
    row[INFLIGHT] += 1.0
    row[INFLIGHT_TOKENS] += slot.isl
    w.pools[replica.pool].routed += 1
    replica.present += 1


@inner
def tokens_seen(w: World, s: int) -> None:
    """The prompt tokens of slot ``s`` no longer count in flight."""
    slot = w.slots[s]
    if slot.counted > 0:
        w.endpoints[w.replicas[slot.at].row, INFLIGHT_TOKENS] -= slot.isl
        slot.counted = 0


@inner
def out_of_flight(w: World, s: int) -> None:
    """Slot ``s`` is at no replica any more, as far as the router is concerned."""
    slot = w.slots[s]
    if slot.at >= 0:
        tokens_seen(w, s)
        w.endpoints[w.replicas[slot.at].row, INFLIGHT] -= 1.0
        slot.at = -1
