"""What is counted along the way, and the outcome that is made of it in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from drivetrain.serving.sim.records import COMPLETED, N_PARTS, SERIES, Outcome
from drivetrain.serving.sim.reference.life import Life
from drivetrain.serving.sim.reference.replica import Lane, Step
from drivetrain.serving.sim.sketch import N_BINS, bin_of

if TYPE_CHECKING:
    from drivetrain.serving.sim.reference.simulation import Simulation


class Ledger:
    """Tokens, gaps between them, steps, the time series and the log."""

    def __init__(self, simulation: Simulation) -> None:
        self._s = simulation
        self.n_ended = 0
        self._gaps = [0] * N_BINS
        self._gap_sum_s = 0.0
        self._tokens_out = [0] * len(simulation.fleet.pools)
        self._n_steps = 0
        self._log: list[tuple[float, ...]] = []
        self._series: list[tuple[float, ...]] = []
        self._sampled = [(0.0,) * 6 for _ in simulation.fleet.pools]

    def emitted(self, life: Life, n: int, pool: int, now: float) -> None:
        """A request got ``n`` tokens at once."""
        gaps = n if life.emitted else n - 1
        if life.emitted:
            gap = now - life.last_emission_s
            self._gap_sum_s += gap
            self._gaps[bin_of.py_func(gap)] += 1
            gaps -= 1
        self._gaps[0] += gaps  # tokens of one step come together
        life.emitted += n
        life.output_tokens += n
        life.last_emission_s = now
        self._tokens_out[pool] += n

    def stepped(self, lane: Lane, step: Step) -> None:
        """A step has ended."""
        self._n_steps += 1
        if len(self._log) < self._s.options.log_steps:
            decoding = sum(len(plan.decoding) for plan in step.plans)
            tokens = sum(chunk.size for plan in step.plans for _, chunk in plan.prompts)
            self._log.append((lane.number, step.start_s, step.end_s, decoding, tokens, 1.0))

    def sample(self) -> None:
        """A row of the time series for each pool."""
        now = self._s.timeline.now
        for number, pool in enumerate(self._s.fleet.pools):
            counts, (paid_s, busy_s, _) = self._s.counts[number], self._so_far(number, now)
            totals = (paid_s * pool.pp, busy_s, counts.completed, counts.preemptions, counts.input_tokens,
                      counts.cached_tokens)  # fmt: skip
            paid, busy, *since = (b - a for a, b in zip(self._sampled[number], totals, strict=True))
            share = busy / paid if paid > 0.0 else 0.0
            self._series.append((now, number, *self._s.signals.sample(number), share, *since))
            self._sampled[number] = totals

    def outcome(self, end_s: float) -> Outcome:
        """All of it, as of ``end_s``."""
        for lane in self._s.lanes:
            lane.account(end_s)
        lives, n_pools = self._s.lives, len(self._s.fleet.pools)
        pools = [self._so_far(number, end_s) for number in range(n_pools)]
        idle_w = [pool.n_accelerators * pool.idle_w for pool in self._s.fleet.pools]
        return Outcome(
            sent_s=_floats(life.sent_s for life in lives),
            first_s=_floats(life.first_s if life.first_s <= end_s else np.nan for life in lives),
            finish_s=_floats(life.finish_s for life in lives),
            status=_ints(life.status for life in lives),
            replica=_ints(life.replica for life in lives),
            cached_tokens=_ints(life.cached_tokens for life in lives),
            preemptions=_ints(life.preemptions for life in lives),
            retries=_ints(life.retries for life in lives),
            stages=_ints(life.stage + 1 for life in lives),
            output_tokens=_ints(life.output_tokens for life in lives),
            parts=np.array([life.parts if life.status == COMPLETED else [0.0] * N_PARTS for life in lives]).reshape(
                len(lives), N_PARTS
            ),
            gaps=_ints(self._gaps),
            gap_sum_s=self._gap_sum_s,
            end_s=end_s,
            on_s=_floats(paid for paid, _, _ in pools),
            busy_s=_floats(busy / pool.pp for (_, busy, _), pool in zip(pools, self._s.fleet.pools, strict=True)),
            joules=_floats(over + watts * paid for (paid, _, over), watts in zip(pools, idle_w, strict=True)),
            tokens_out=_ints(self._tokens_out),
            steps=self._n_steps,
            leaps=0,
            series=np.array(self._series, dtype=np.float64).reshape(len(self._series), len(SERIES)),
            log=np.array(self._log, dtype=np.float64).reshape(len(self._log), 6),
        )

    def _so_far(self, pool: int, now: float) -> tuple[float, float, float]:
        """Replica-seconds paid for, lane-seconds of steps, joules above idle of a pool."""
        replicas = [replica for replica in self._s.replicas if replica.pool_number == pool]
        lanes = [lane for replica in replicas for lane in replica.lanes]
        return (
            sum(replica.paid_until(now) for replica in replicas),
            sum(lane.busy_until(now) for lane in lanes),
            sum(lane.joules_over_idle for lane in lanes),
        )


def _floats(values: object) -> NDArray[np.float64]:
    return np.array(list(values), dtype=np.float64)  # type: ignore[call-overload]


def _ints(values: object) -> NDArray[np.int64]:
    return np.array(list(values), dtype=np.int64)  # type: ignore[call-overload]
