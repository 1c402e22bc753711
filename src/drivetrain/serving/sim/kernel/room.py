"""Whether tables hold what can be added to them before the driver looks again."""

from __future__ import annotations

from drivetrain.cost.jit import inner
from drivetrain.serving.sim.kernel.world import World


@inner
def room(w: World) -> bool:
    """Whether every table holds what one more event can add."""
    c = w.clock[0]
    return bool(
        c.free_slots >= c.margin
        and c.timed + 4 * c.margin + c.most_children <= w.timed.shape[0]
        and c.ended + c.margin <= w.ended.shape[0]
        and c.free_entries >= c.most_entries
        and c.news1 + c.most_news <= w.news.shape[0]
        and 2 * (c.n_told + c.news1 - c.news0) < w.told.shape[0]
        and 2 * (c.n_seen + c.most_sightings) < w.seen.shape[0]
        and (c.sample_s <= 0.0 or c.n_series + w.pools.shape[0] <= w.series.shape[0])
        and (c.n_log >= c.log_steps or c.n_log + w.lanes.shape[0] <= w.log.shape[0])
    )


@inner
def room_for_failure(w: World) -> bool:
    """Whether all requests in the system can be sent again, or given up, at once."""
    c = w.clock[0]
    n = w.slots.shape[0] - c.free_slots
    return bool(c.timed + n + c.n_children <= w.timed.shape[0] and c.ended + n <= w.ended.shape[0])
