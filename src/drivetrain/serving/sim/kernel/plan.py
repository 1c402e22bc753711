"""What a lane does next: its cores decide by themselves, then step together, or leap."""

from __future__ import annotations

from drivetrain.cost.jit import inner
from drivetrain.serving.sim.kernel import admission, lanes, leap, members, preempt, steptime
from drivetrain.serving.sim.kernel.tables import IDLE, OPEN, STEPPING
from drivetrain.serving.sim.kernel.world import World

prompts = admission.prompts
ends_at = lanes.ends_at
boundary, longest = leap.boundary, leap.longest
join_arrived = members.join_arrived
grow = preempt.grow
core_step, decode_contexts, prompt_contexts = steptime.core_step, steptime.decode_contexts, steptime.prompt_contexts


@inner
def plan(w: World, lane: int) -> None:
    """Begin the next step, or leap, of ``lane`` now; with nothing to do it is idle."""
    c, ln, cores = w.clock[0], w.lanes[lane], w.cores
    verified = w.pools[ln.pool].verified
    decoding = 0
    tokens = 0
    leaps = c.leap > 0 and verified == 1 and w.pools[ln.pool].hidden <= 0.0
    for core in range(ln.core0, ln.core1):
        _plan_core(w, core)
        q = cores[core]
        decoding += q.decoding if q.decodes > 0 else 0
        tokens += q.prompt_tokens
        leaps = leaps and q.preempted == 0 and q.fresh == 0
    if decoding + tokens == 0:
        ln.state = IDLE
        return
    ln.state = STEPPING
    ln.start = c.now
    ln.steps = 1
    ln.more = 0.0
    ln.joules_more = 0.0
    ln.decoding = decoding
    ln.prompt_tokens = tokens
    if leaps and tokens == 0:
        ln.steps = longest(w, lane, float(decoding))
    if ln.steps > 1:
        ln.pure = -1.0  # all of it
    else:
        _step(w, lane, float(verified * decoding), float(tokens))
    ends_at(w, lane, boundary(w, lane, ln.steps))


@inner
def _plan_core(w: World, core: int) -> None:
    """Growth, prompts and admission of one core, in the order of its engine's rules."""
    q = w.cores[core]
    pool = w.pools[q.pool]
    q.preempted = 0
    q.admission = OPEN
    q.chunks = 0
    q.prompt_tokens = 0
    q.decodes = 0
    if q.arrived > 0:
        join_arrived(w, core)
    if pool.mixed == 0:
        prompts(w, core, pool.budget, True)
        if q.chunks > 0:
            return
    if q.decoding > 0:
        grow(w, core)
        q.decodes = 1 if q.decoding > 0 else 0
    if pool.mixed > 0:
        prompts(w, core, pool.budget - pool.verified * q.decoding, q.preempted == 0)


@inner
def _step(w: World, lane: int, decode_tokens: float, prompt_tokens: float) -> None:
    """Time and energy of one step of the lane: as long as its slowest core takes, and its decodes alone would."""
    ln, cores = w.lanes[lane], w.cores
    seconds = 0.0
    pure = 0.0
    joules = 0.0
    for core in range(ln.core0, ln.core1):
        q = cores[core]
        decode = float(q.decoding) if q.decodes > 0 else 0.0
        if decode == 0.0 and q.chunks == 0:
            continue
        if decode > 0.0:
            decode_contexts(w, core)
        if q.chunks > 0:
            prompt_contexts(w, core)
        t, j = core_step(w, core, decode, float(q.prompt_tokens), float(q.chunks), decode_tokens + prompt_tokens)
        seconds = max(seconds, t)
        joules += j
        if decode > 0.0 and prompt_tokens > 0.0:
            pure = max(pure, core_step(w, core, decode, 0.0, 0.0, decode_tokens)[0])
    slowness = w.replicas[ln.replica].slow
    ln.first = slowness * seconds
    ln.pure = slowness * pure if prompt_tokens > 0.0 else ln.first
    ln.joules = joules / w.pools[ln.pool].dp
