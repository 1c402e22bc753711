"""How a trace is read: all choices, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass

from drivetrain.serving.traffic.context import RULES
from drivetrain.serving.traffic.formats import CHARS_PER_TOKEN
from drivetrain.serving.traffic.rows import BAD_ROWS
from drivetrain.serving.traffic.wrong import ChoiceError, above_zero, among, whole

HASHES = ("keep", "drop")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a trace is read.

    ``rate`` (requests/s of rows that come by themselves) or ``speedup`` scales its time axis; a file without times
    gets Poisson arrivals at ``rate``. ``limit`` takes the first so many requests, ``duration_s`` those of the first
    so many seconds after scaling. Requests over ``context`` tokens fall under the rule ``too_long``: error, drop or
    truncate. ``jitter``: "auto" spreads arrivals over the tick of a coarse clock, a number of seconds over that, 0 not.
    ``bad_rows``: error or drop. ``hashes``: keep or drop; ``hash_tokens`` merges blocks into larger ones, and
    ``file_hash_tokens`` says what a name of the file stands for where that cannot be told. ``osl`` is the output length
    where the file states none, ``chars_per_token`` turns text into lengths.
    """

    rate: float | None = None
    speedup: float | None = None
    limit: int | None = None
    duration_s: float | None = None
    context: int | None = None
    too_long: str = "error"
    jitter: float | str = "auto"
    bad_rows: str = "error"
    hashes: str = "keep"
    hash_tokens: int | None = None
    file_hash_tokens: int | None = None
    osl: int | None = None
    chars_per_token: float = CHARS_PER_TOKEN
    seed: int = 1

    def __post_init__(self) -> None:
        for name, known in (("bad_rows", BAD_ROWS), ("hashes", HASHES), ("too_long", RULES)):
            among(name, getattr(self, name), known)
        for name in ("limit", "osl", "hash_tokens", "file_hash_tokens"):
            whole(name, getattr(self, name))
        for name in ("rate", "speedup", "duration_s", "chars_per_token"):
            above_zero(name, getattr(self, name))
        if self.rate is not None and self.speedup is not None:
            raise ChoiceError(
                lambda say: f"{say('rate')} and {say('speedup')} both scale the trace's time. Give one of them."
            )
        if self.jitter != "auto" and (isinstance(self.jitter, str) or not 0 <= self.jitter < math.inf):
            raise ChoiceError(lambda say: f"{say('jitter')} is {self.jitter}. Give 'auto' or seconds (0 for none).")
