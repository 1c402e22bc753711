"""What a core does in its next step: growth and preemption, prompts under way, admission of new ones."""

from __future__ import annotations

from dataclasses import dataclass, field

from drivetrain.serving.sim.records import PREEMPTION_PART, PREFILL_PART, TRANSFER_PART
from drivetrain.serving.sim.reference.admission import admit, receive, runs_whole
from drivetrain.serving.sim.reference.clock import Chunk, Work
from drivetrain.serving.sim.reference.core import Core
from drivetrain.serving.sim.reference.life import DECODING, PREFILLING, Sequence


@dataclass(slots=True)
class Plan:
    """A core's part of a step: who decodes and whose prompts are computed."""

    decoding: list[Sequence] = field(default_factory=list)
    prompts: list[tuple[Sequence, Chunk]] = field(default_factory=list)

    @property
    def work(self) -> Work:
        """The same in numbers."""
        return Work(tuple(s.stored for s in self.decoding), tuple(chunk for _, chunk in self.prompts))


def plan_step(core: Core, now: float) -> Plan:
    """The core's part of the step that begins ``now``."""
    plan, rules = Plan(), core.pool.rules
    if not rules.mixed:
        _prompts(core, plan, rules.token_budget, now, admits=True)
        if plan.prompts:
            return plan
    preempted = _grow(core, now)
    plan.decoding = _decoding(core)
    if rules.mixed:
        room = rules.token_budget - core.pool.step.verified * len(plan.decoding)
        _prompts(core, plan, room, now, admits=not preempted)
    return plan


# ---------------------------------------------------------------- decodes


def _decoding(core: Core) -> list[Sequence]:
    return [s for s in core.running if s.state == DECODING]


def _grow(core: Core, now: float) -> bool:
    """Blocks for the tokens this step will store; whether anybody was preempted for them."""
    needs = {sequence: _growth(core, sequence) for sequence in _decoding(core)}
    total = sum(needs.values())
    preempted = False
    while total > core.blocks.available:
        victim = _victim(core)
        total -= needs.pop(victim, 0)
        _preempt(core, victim, now)
        preempted = True
    core.blocks.take(total)
    for sequence, more in needs.items():
        sequence.private += more
    return preempted


def _growth(core: Core, sequence: Sequence) -> int:
    life = sequence.life
    stored = min(sequence.stored + core.pool.step.verified, life.isl + life.osl)
    return max(core.blocks_of(stored) - core.blocks_held(sequence), 0)


def _victim(core: Core) -> Sequence:
    latest_first = reversed(core.running)
    if core.pool.rules.priority_preempts:
        return max(latest_first, key=lambda s: s.key)  # the first among equals, which is the last admitted
    decoding = _decoding(core)
    if core.pool.rules.fewest_preempts and decoding:
        return min(reversed(decoding), key=lambda s: (s.life.emitted, -s.life.isl))
    return next(latest_first)


def _preempt(core: Core, victim: Sequence, now: float) -> None:
    del core.running[victim]
    core.free_blocks(victim)
    if victim.source is not None:
        core.links.orphan(victim.source)
        victim.source = None
    victim.preempted = True
    victim.life.preemptions += 1
    victim.life.enter(PREEMPTION_PART, now)
    core.counts.preemptions += 1
    core.wait(victim)


# ---------------------------------------------------------------- prompts


def _prompts(core: Core, plan: Plan, room: int, now: float, *, admits: bool) -> None:
    """Chunks of prompts under way, then of new ones, within ``room`` tokens."""
    rules = core.pool.rules
    for sequence in core.running:
        if sequence.state != PREFILLING:
            continue
        may = rules.chunked or runs_whole(sequence.need - sequence.done, room, alone=not plan.prompts)
        if room < 1 or not may:
            break
        room -= _compute(core, plan, sequence, room)
    while admits and room >= 1 and len(core.running) < rules.max_num_seqs and core.n_waiting:
        sequence = core.first_waiting()
        if sequence.source is not None:
            admitted = receive(core, sequence)
        else:
            admitted = admit(core, sequence, room, alone=not plan.prompts)
        if not admitted:
            return
        core.run(sequence)
        if not sequence.preempted:
            sequence.life.enter(PREFILL_PART if sequence.state == PREFILLING else TRANSFER_PART, now)
        if sequence.state == PREFILLING:
            sequence.computing_since_s = now
            room -= _compute(core, plan, sequence, room)
        else:
            core.links.begin(core, sequence)


def _compute(core: Core, plan: Plan, sequence: Sequence, room: int) -> int:
    """Put a chunk into the step: its size."""
    left = sequence.need - sequence.done
    size = min(left, room) if core.pool.rules.chunked else left
    plan.prompts.append((sequence, Chunk(sequence.done, size)))
    return size
