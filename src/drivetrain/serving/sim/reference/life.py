"""A request from the client's side (:class:`Life`) and its presence in one core (:class:`Sequence`)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from drivetrain.serving.sim.records import DECODE_PART, N_PARTS, NETWORK_PART, STALL_PART, UNFINISHED

WAITING, LOADING, PREFILLING, TRANSFERRING, DECODING, HELD = range(6)
"""What a sequence does in its core: waits for admission; waits for entries from host memory, is computed, waits for its
cache from a prefill replica or decodes (all running); or keeps its blocks until a decode replica has them."""


@dataclass(slots=True, eq=False)
class Life:
    """All that happens to one row of the requests."""

    row: int
    isl: int
    osl: int
    priority: float
    session: float
    origin: int
    difficulty: float
    names: tuple[int, ...]
    service: int
    selected: bool  # the service was left to the select policy

    # to the end
    status: int = UNFINISHED
    sent_s: float = math.nan
    finish_s: float = math.nan
    replica: int = -1
    preemptions: int = 0
    retries: int = 0
    stage: int = 0
    output_tokens: int = 0
    n_routed: int = 0  # decisions of route so far
    n_luck: int = 0  # speculating steps so far

    # of the last sending
    last_sent_s: float = math.nan
    first_s: float = math.nan
    cached_tokens: int = 0
    emitted: int = 0
    last_emission_s: float = math.nan
    parts: list[float] = field(default_factory=lambda: [0.0] * N_PARTS)
    _part: int = NETWORK_PART
    _since_s: float = math.nan
    _pure_s: float = 0.0

    # where it is now
    serial: int = 0  # of its way to a replica: what was made for an earlier one is void
    way: int = -1  # the replica it is on its way to
    at: int = -1  # the replica where the router counts it in flight
    tokens_counted: bool = False
    sight: int = 0  # the serial for which the router's sight of a first token is on its way or was had
    sequence: Sequence | None = None
    held: Sequence | None = None  # in a prefill core, while the decode side counts on it

    def begin(self, now: float) -> None:
        """A new sending: nothing of earlier ones counts, but that they took time."""
        self.last_sent_s = now
        self.first_s = self.last_emission_s = math.nan
        self.cached_tokens = self.emitted = 0
        self.parts = [0.0] * N_PARTS
        self._part, self._since_s, self._pure_s = NETWORK_PART, now, 0.0

    def enter(self, part: int, now: float) -> None:
        """Book the time since the last call on the part it was in; from now on it is in ``part``."""
        self.parts[self._part] += now - self._since_s
        if self._part == STALL_PART:  # of the time between being decodable and now, steps' pure time is decoding
            self.parts[STALL_PART] -= self._pure_s
            self.parts[DECODE_PART] += self._pure_s
            self._pure_s = 0.0
        self._part, self._since_s = part, now

    def decoded(self, pure_s: float) -> None:
        """A step in which it decoded has ended."""
        self._pure_s += pure_s


@dataclass(slots=True, eq=False)
class Sequence:
    """A request in a core. ``need`` tokens are to be computed, ``done`` of them are, or were found in cache."""

    life: Life
    core: int  # over the whole fleet
    key: float
    order: int  # of its first enqueueing
    state: int = WAITING
    gone: bool = False
    preempted: bool = False
    n_admitted: int = 0
    need: int = 0
    done: int = 0
    stored: int = 0
    entries: list[int] = field(default_factory=list)  # names it holds, from the first on
    private: int = 0  # blocks of tokens that are its own
    fixed: int = 0
    loads: int = 0  # tokens to load from host memory
    computing_since_s: float = math.nan  # admitted and loaded, for the last time
    computed_s: float = math.nan  # how long its prompt was computed
    source: Sequence | None = None  # its prompt in a prefill core, whose cache it waits for
    orphaned: bool = False  # held for a request that no longer waits for it
