"""KV blocks of a core: what sequences take, and the growth of those that decode."""

from __future__ import annotations

import math

from drivetrain.cost.jit import inner
from drivetrain.serving.sim.kernel import prefix
from drivetrain.serving.sim.kernel.world import World

evict = prefix.evict


@inner
def holding(tokens: int, block_tokens: int) -> int:
    """Blocks that hold ``tokens`` tokens; none where no layer keeps all of them."""
    return (tokens + block_tokens - 1) // block_tokens if block_tokens > 0 else 0


@inner
def fixed_blocks(w: World, p: int, tokens: int) -> int:
    """Blocks of states and windows that a sequence of ``tokens`` tokens in all takes for its whole life."""
    pool, windows = w.pools[p], w.windows
    total: float = pool.state_blocks
    for i in range(pool.window0, pool.window1):
        total += windows[i, 1] * min(float(tokens), windows[i, 0])
    return math.ceil(total)


@inner
def available(w: World, core: int) -> int:
    """Blocks that are free or hold only entries that nobody uses."""
    return int(w.cores[core].free + w.cores[core].idle_blocks)


@inner
def take(w: World, core: int, n: int) -> None:
    """Take ``n`` blocks, throwing out idle entries as needed. There are as many available."""
    q = w.cores[core]
    while q.free < n:
        evict(w, core)
    q.free -= n


@inner
def growth_now(w: World, core: int) -> int:
    """Blocks that the decoding sequences (without speculation) need for their next token."""
    q = w.cores[core]
    b = w.pools[q.pool].block_tokens
    return int(w.histogram[q.hist0 + (-q.turns) % b]) if b > 0 else 0


@inner
def growth_over(w: World, core: int, turns: int, steps: int) -> int:
    """Blocks they need for ``steps`` tokens each, from the time on when they have decoded for ``turns``."""
    q = w.cores[core]
    b = w.pools[q.pool].block_tokens
    if b <= 0 or steps <= 0:
        return 0
    cycles = steps // b
    total = cycles * q.decoding
    for k in range(turns + cycles * b, turns + steps):
        total += w.histogram[q.hist0 + (-k) % b]
    return int(total)


@inner
def steps_within(w: World, core: int, turns: int, most: int, blocks: int) -> int:
    """How many tokens each, at most ``most``, ``blocks`` blocks are enough for, from ``turns`` on."""
    q = w.cores[core]
    b = w.pools[q.pool].block_tokens
    if b <= 0 or q.decoding == 0 or (most // b + 1) * q.decoding <= blocks:
        return most
    cycles = min(most // b, blocks // q.decoding)
    left = blocks - cycles * q.decoding
    steps = cycles * b
    while steps < most:
        left -= w.histogram[q.hist0 + (-(turns + steps)) % b]
        if left < 0:
            break
        steps += 1
    return int(steps)
