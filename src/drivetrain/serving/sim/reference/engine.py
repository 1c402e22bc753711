"""What engines do: take requests, step, emit tokens, load and transfer caches, and fail."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from drivetrain.serving.sim.draws import ACCEPT, uniform
from drivetrain.serving.sim.records import PREFILL, PREFILL_PART, QUEUE_PART, STALL_PART, TRANSFER_PART
from drivetrain.serving.sim.reference.core import Core
from drivetrain.serving.sim.reference.life import DECODING, LOADING, PREFILLING, TRANSFERRING, Life, Sequence
from drivetrain.serving.sim.reference.planning import plan_step
from drivetrain.serving.sim.reference.replica import Lane, Replica, Step

if TYPE_CHECKING:
    from drivetrain.serving.sim.reference.simulation import Simulation


class Engines:
    """The engines of all replicas."""

    def __init__(self, simulation: Simulation) -> None:
        self._s = simulation

    # ---------------------------------------------------------------- requests come

    def enqueue(self, life: Life, replica: Replica) -> None:
        """A request has reached a replica: it waits at the core with the fewest."""
        now = self._s.timeline.now
        core = min(replica.cores, key=lambda c: c.n_requests)  # the first among equals
        sequence = Sequence(life, core.number, key=self._s.policies.key(life), order=0)
        if life.held is not None:
            sequence.source = life.held
        else:
            life.enter(QUEUE_PART, now)
        life.sequence = sequence
        core.enqueue(sequence)
        self.touch(core)

    def begin(self, core: Core, sequence: Sequence) -> None:
        """An admitted sequence loads entries from host memory, or its cache is sent by a prefill core."""
        now = self._s.timeline.now
        stamp = sequence.n_admitted
        if sequence.source is None:
            start = max(now, core.host_link_free_s)
            core.host_link_free_s = start + core.pool.cache.host_s_per_token * sequence.loads
            self._s.timeline.make(core.host_link_free_s, self._loaded, sequence, stamp)
            return
        source = sequence.source
        sender = self._s.cores[source.core]
        transfer = self._s.fleet.transfers[core.pool.service]
        whole = transfer.fixed_s + transfer.s_per_token * sequence.life.isl
        computed = source.computed_s
        exposed = max(whole / transfer.pieces, whole - computed * (1.0 - 1.0 / transfer.pieces))
        done = max(now, core.network_link_free_s, sender.network_link_free_s) + exposed
        core.network_link_free_s = sender.network_link_free_s = done
        self._s.timeline.make(done, self._transferred, source, sequence, stamp)

    def _loaded(self, sequence: Sequence, stamp: int) -> None:
        if sequence.gone or sequence.state != LOADING or sequence.n_admitted != stamp:
            return
        now = self._s.timeline.now
        sequence.state = PREFILLING
        sequence.computing_since_s = now
        if not sequence.preempted:
            sequence.life.enter(PREFILL_PART, now)
        self.touch(self._s.cores[sequence.core])

    def _transferred(self, source: Sequence, sequence: Sequence, stamp: int) -> None:
        now = self._s.timeline.now
        if not source.gone:
            self._drop_held(source)
        if sequence.gone or sequence.state != TRANSFERRING or sequence.n_admitted != stamp:
            return
        life, core = sequence.life, self._s.cores[sequence.core]
        sequence.source = None
        transfer = self._s.fleet.transfers[core.pool.service]
        sequence.stored = life.isl
        if transfer.first_token_by_decode:
            sequence.state = PREFILLING
            sequence.need, sequence.done = life.isl, life.isl - 1
            life.enter(PREFILL_PART, now)
        else:
            if transfer.shown_by_decode:
                self._emit(sequence, 1, now)
            sequence.state = DECODING
            life.enter(STALL_PART, now)
        self.touch(core)

    def _drop_held(self, source: Sequence) -> None:
        """The prefill core no longer keeps a prompt."""
        now = self._s.timeline.now
        core = self._s.cores[source.core]
        replica = self._s.replica_of(core)
        core.remove(source)
        self.touch(core)
        if source.orphaned:
            replica.left(now)
        else:
            source.life.held = None
            replica.leave(source.life, now)

    def orphan(self, source: Sequence) -> None:
        """The decode side will compute again what a prefill core still holds and sends."""
        source.orphaned = True
        source.life.held = None
        del self._s.replica_of(self._s.cores[source.core]).lives[source.life]

    # ---------------------------------------------------------------- steps

    def touch(self, core: Core) -> None:
        """Something changed at a core: its lane is planned before time goes on, if it is in no step."""
        lane = self._s.lane_of(core)
        if lane.step is None and not lane.to_plan and lane.replica.works:
            lane.to_plan = True
            self._s.timeline.plan(lane.number, self._plan, lane)

    def _plan(self, lane: Lane) -> None:
        lane.to_plan = False
        if lane.step is not None or not lane.replica.works:
            return
        now = self._s.timeline.now
        plans = [plan_step(core, now) for core in lane.cores]
        works = [plan.work for plan in plans]
        if not any(works):
            return
        timed = lane.replica.clock.time(works, lane.replica.slowness)
        lane.step = Step(now, now + timed.seconds, plans, timed)
        self._s.timeline.step_end(lane.step.end_s, lane.number, self._end, lane, lane.step)

    def _end(self, lane: Lane, step: Step) -> None:
        if lane.step is not step:
            return  # its replica failed meanwhile
        now = self._s.timeline.now
        lane.account(now)
        self._s.ledger.stepped(lane, step)
        for core, plan in zip(lane.cores, step.plans, strict=True):
            for sequence in plan.decoding:
                self._decoded(core, sequence, step.timed.pure_s, now)
        for core, plan in zip(lane.cores, step.plans, strict=True):
            for sequence, chunk in plan.prompts:
                sequence.done += chunk.size
                if sequence.done == sequence.need:
                    self._computed(core, sequence, now)
        self.touch(lane.cores[0])

    def _decoded(self, core: Core, sequence: Sequence, pure_s: float, now: float) -> None:
        life = sequence.life
        life.decoded(pure_s)
        n = min(self._luck(core, life), life.osl - life.emitted)
        sequence.stored += n
        self._emit(sequence, n, now)
        if life.emitted == life.osl:
            self._finish(core, sequence, now)

    def _luck(self, core: Core, life: Life) -> int:
        """Tokens that a step yields: one, and drafted ones until the first that is not accepted."""
        verified, acceptance = core.pool.step.verified, core.pool.step.acceptance
        if verified == 1:
            return 1
        u = uniform(self._s.options.seed, ACCEPT, life.row, life.n_luck)
        life.n_luck += 1
        if acceptance <= 0.0:
            return 1
        if acceptance >= 1.0 or u <= 0.0:
            return verified
        return min(1 + math.floor(math.log(u) / math.log(acceptance)), verified)

    def _computed(self, core: Core, sequence: Sequence, now: float) -> None:
        """The last chunk of a prompt has been computed."""
        life = sequence.life
        sequence.stored = sequence.need
        core.name_blocks(sequence)
        transfer = self._s.fleet.transfers[core.pool.service] if core.pool.role == PREFILL else None
        if transfer is not None and (transfer.first_token_by_decode or life.osl > 1):
            if not (transfer.first_token_by_decode or transfer.shown_by_decode):
                self._emit(sequence, 1, now)
            life.enter(TRANSFER_PART, now)
            sequence.computed_s = now - sequence.computing_since_s
            core.hold(sequence)
            life.held, life.sequence = sequence, None
            self._s.router.send_on(life)
            return
        self._emit(sequence, 1, now)
        if life.emitted == life.osl:
            self._finish(core, sequence, now)
        else:
            sequence.state = DECODING
            life.enter(STALL_PART, now)

    def _emit(self, sequence: Sequence, n: int, now: float) -> None:
        life, replica = sequence.life, self._s.replica_of(self._s.cores[sequence.core])
        self._s.ledger.emitted(life, n, replica.pool_number, now)
        self._s.router.shown(life, replica)

    def _finish(self, core: Core, sequence: Sequence, now: float) -> None:
        """The last token: blocks are freed, the answer is on its way."""
        life, replica = sequence.life, self._s.replica_of(core)
        core.name_blocks(sequence)
        core.remove(sequence)
        core.counts.completed += 1
        life.sequence = None
        replica.leave(life, now)
        self._s.router.answer(life, replica)

    # ---------------------------------------------------------------- failures

    def withdraw(self, life: Life) -> None:
        """Take a request out of all engines and off all ways: its replica failed or none takes it on."""
        now = self._s.timeline.now
        if life.held is not None:
            self._drop_held(life.held)
        if life.sequence is not None:
            core = self._s.cores[life.sequence.core]
            core.remove(life.sequence)
            life.sequence = None
            self._s.replica_of(core).leave(life, now)
            self.touch(core)
        if life.way >= 0:
            self._s.replicas[life.way].leave(life, now)
            life.way = -1

    def stop(self, replica: Replica, state: int) -> list[Life]:
        """A replica fails and is in ``state`` from now on: what was on it or on its way to it, by row, withdrawn."""
        now = self._s.timeline.now
        for lane in replica.lanes:
            lane.account(now)
        replica.become(state, now)
        lost = sorted(replica.lives, key=lambda life: life.row)
        for life in lost:
            self.withdraw(life)
        for core in replica.cores:
            for sequence in list(core.held):  # sent for nothing
                self._drop_held(sequence)
            self._s.forget(core)
        return lost
