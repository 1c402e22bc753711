"""One scheduler with its KV blocks: who waits, who runs, what each holds.

A core knows its own state; what its decisions mean elsewhere (transfers, loads, tokens) is its engine's business.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from drivetrain.serving.sim.records import DECODE, Pool
from drivetrain.serving.sim.reference.blocks import Blocks
from drivetrain.serving.sim.reference.life import HELD, WAITING, Sequence


@dataclass(slots=True)
class Counts:
    """What happened in a pool so far."""

    completed: int = 0
    preemptions: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0


class Links(Protocol):
    """What moves caches: see :class:`drivetrain.serving.sim.reference.engine.Engines`."""

    def begin(self, core: Core, sequence: Sequence) -> None:
        """The load or transfer of a sequence just admitted begins."""

    def orphan(self, source: Sequence) -> None:
        """Nobody waits any more for the prompt that a prefill core holds."""


class Core:
    """Core ``number`` (over the fleet) of a replica of ``pool``; ``links`` move caches for it."""

    def __init__(
        self,
        number: int,
        pool: Pool,
        hash_tokens: int,
        counts: Counts,
        blocks: Blocks,
        links: Links,
    ) -> None:
        self.number = number
        self.pool = pool
        self.hash_tokens = hash_tokens
        self.caches = pool.cache.prefix and pool.role != DECODE and hash_tokens > 0
        self.counts = counts
        self.blocks = blocks
        self.links = links
        self.running: dict[Sequence, None] = {}  # in order of admission
        self.n_waiting = 0
        self.held: dict[Sequence, None] = {}
        self.host_link_free_s = self.network_link_free_s = 0.0
        self._queue: list[tuple[float, int, Sequence]] = []
        self._orders: Iterator[int] = count()

    @property
    def n_requests(self) -> int:
        """All that is here: waiting, running, held for transfer."""
        return self.n_waiting + len(self.running) + len(self.held)

    @property
    def kv_frac(self) -> float:
        """Share of the blocks in use."""
        return self.blocks.used / self.blocks.total if self.blocks.total else 0.0

    def enqueue(self, sequence: Sequence) -> None:
        """A new request waits."""
        sequence.order = next(self._orders)
        self.wait(sequence)

    def wait(self, sequence: Sequence) -> None:
        """Put a sequence into the queue, by its key and the order of first enqueueing."""
        sequence.state = WAITING
        self.n_waiting += 1
        heapq.heappush(self._queue, (sequence.key, sequence.order, sequence))

    def first_waiting(self) -> Sequence:
        """The first in schedule order; somebody must be waiting."""
        while self._queue[0][2].gone:
            heapq.heappop(self._queue)
        return self._queue[0][2]

    def run(self, sequence: Sequence) -> None:
        """The first in schedule order waits no longer and runs."""
        heapq.heappop(self._queue)
        self.n_waiting -= 1
        self.running[sequence] = None
        sequence.n_admitted += 1

    def remove(self, sequence: Sequence) -> None:
        """Take a request out, whatever it does here, and free its blocks."""
        sequence.gone = True
        if sequence.state == WAITING:
            self.n_waiting -= 1  # it stays in the heap, where it is passed over
        elif sequence.state == HELD:
            del self.held[sequence]
        else:
            del self.running[sequence]
        self.free_blocks(sequence)

    def hold(self, sequence: Sequence) -> None:
        """A computed prompt no longer runs but keeps its blocks until it is sent."""
        del self.running[sequence]
        sequence.state = HELD
        self.held[sequence] = None

    def name_blocks(self, sequence: Sequence) -> None:
        """Full blocks of what a sequence stores become entries, as far as they have names."""
        if not self.caches:
            return
        full = min(len(sequence.life.names), sequence.stored // self.hash_tokens)
        for name in sequence.life.names[len(sequence.entries) : full]:
            self.blocks.enter(name)
            sequence.private -= self.blocks.per_entry
            sequence.entries.append(name)

    def blocks_of(self, tokens: int) -> int:
        """Blocks that ``tokens`` stored tokens take."""
        block = self.pool.cache.block_tokens
        return -(-tokens // block) if block else 0

    def blocks_held(self, sequence: Sequence) -> int:
        """Blocks of tokens it holds."""
        return sequence.private + len(sequence.entries) * self.blocks.per_entry

    def blocks_in_the_end(self, sequence: Sequence) -> int:
        """Blocks of tokens it will have held in the end."""
        return self.blocks_of(sequence.life.isl + sequence.life.osl)

    def blocks_fixed(self, sequence: Sequence) -> int:
        """Blocks that states and windows take."""
        cache, total = self.pool.cache, sequence.life.isl + sequence.life.osl
        windows = sum(b * min(total, span) for b, span in zip(cache.window_blocks, cache.window_spans, strict=True))
        return math.ceil(cache.state_blocks + windows)

    def free_blocks(self, sequence: Sequence) -> None:
        """A sequence no longer holds anything; its entries stay until their blocks are needed."""
        self.blocks.release(sequence.entries)
        self.blocks.give(sequence.private + sequence.fixed)
        sequence.entries, sequence.private, sequence.fixed = [], 0, 0
