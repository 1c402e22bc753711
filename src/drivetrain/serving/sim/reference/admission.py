"""Whether the first that waits gets its blocks, and taking them."""

from __future__ import annotations

import math

from drivetrain.serving.sim.records import PREFILL
from drivetrain.serving.sim.reference.core import Core
from drivetrain.serving.sim.reference.life import LOADING, PREFILLING, TRANSFERRING, Sequence


def admit(core: Core, sequence: Sequence, room: int, *, alone: bool) -> bool:
    """Give a prompt its blocks, unless they or the ``room`` are not there; ``alone``: no prompt is in the step yet."""
    life, blocks, size = sequence.life, core.blocks, core.hash_tokens
    need = life.isl + life.emitted
    device, host = blocks.match(life.names, (need - 1) // size) if core.caches else (0, 0)
    found = life.names[: device + host]
    fixed = core.blocks_fixed(sequence)
    own = core.blocks_of(need) - device * blocks.per_entry + fixed
    idle = blocks.n_idle(found[:device]) * blocks.per_entry
    if not _fits(core, sequence, own, blocks.available - idle, need):
        return False
    if not core.pool.rules.chunked and not runs_whole(need - len(found) * size, room, alone=alone):
        return False
    for name in found[:device]:
        blocks.hold(name)
    blocks.fetch(found[device:])
    blocks.take(own)
    for name in found[device:]:
        blocks.enter(name, fetched=True)
    sequence.entries = list(found)
    sequence.fixed = fixed
    sequence.private = core.blocks_of(need) - len(found) * blocks.per_entry
    sequence.need, sequence.done = need, len(found) * size
    sequence.loads = host * size
    sequence.state = LOADING if host else PREFILLING
    core.counts.input_tokens += need
    core.counts.cached_tokens += sequence.done
    if not sequence.preempted:
        life.cached_tokens = sequence.done
    return True


def receive(core: Core, sequence: Sequence) -> bool:
    """Give a request its blocks whose cache comes from a prefill core, unless they are not there."""
    need, fixed = sequence.life.isl, core.blocks_fixed(sequence)
    own = core.blocks_of(need) + fixed
    if not _fits(core, sequence, own, core.blocks.available, need):
        return False
    core.blocks.take(own)
    sequence.fixed = fixed
    sequence.private = own - fixed
    sequence.state = TRANSFERRING
    return True


def runs_whole(left: int, room: int, *, alone: bool) -> bool:
    """Whether a prompt that is not cut may run in a step."""
    return left <= room or alone


def _fits(core: Core, sequence: Sequence, own: int, available: int, need: int) -> bool:
    """Whether ``own`` blocks are there beside the watermark and what is kept for answers to grow."""
    if not core.running:
        return own <= available
    rules, reserve = core.pool.rules, 0
    if rules.reserve_output_frac > 0.0 and core.pool.role != PREFILL:
        growth = sum(core.blocks_in_the_end(s) - core.blocks_held(s) for s in core.running)
        growth += core.blocks_in_the_end(sequence) - core.blocks_of(need)
        reserve = math.floor(rules.reserve_output_frac * growth)
    return own <= available - math.floor(rules.watermark_frac * core.blocks.total) - reserve
