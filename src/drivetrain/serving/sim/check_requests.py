"""Whether requests are sound by themselves: the first row that is not, and what to do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import BadInputError
from drivetrain.serving.sim.records import Requests

Bools = NDArray[np.bool_]


def check_requests(r: Requests) -> None:
    """Raise BadInputError for the first thing in ``r`` that no run can make sense of."""
    _check_columns(r)
    _check_order(r)


def refuse_rows(wrong: Bools, name: str, values: NDArray[np.float64] | NDArray[np.int64], remedy: str) -> None:
    """Raise BadInputError for the first row whose column ``name`` is ``wrong``."""
    if wrong.any():
        row, more = int(wrong.argmax()), int(wrong.sum()) - 1
        also = f" (and {more} more)" if more else ""
        raise BadInputError(f"request {row}{also}: {name} is {values[row]:g}; {remedy}.")


def _check_columns(r: Requests) -> None:
    n = len(r)
    if n == 0:
        raise BadInputError("there are no requests. Give at least one.")
    for name in ("arrival_s", "osl", "priority", "session", "origin", "service", "difficulty", "after", "gap_s",
                 "hash_start", "hash_count"):  # fmt: skip
        if len(getattr(r, name)) != n:
            raise BadInputError(f"requests have {n} isl but {len(getattr(r, name))} {name}. Give one of each a row.")
    refuse_rows(r.isl < 1, "isl", r.isl, "a prompt has at least one token")
    refuse_rows(r.osl < 1, "osl", r.osl, "an answer has at least one token")
    comes = r.after < 0
    refuse_rows(comes & ~np.isfinite(r.arrival_s), "arrival_s", r.arrival_s, "give seconds from the start")
    refuse_rows(comes & (r.arrival_s < 0), "arrival_s", r.arrival_s, "times count from the start; shift them")
    refuse_rows(~(np.isfinite(r.gap_s) & (r.gap_s >= 0)), "gap_s", r.gap_s, "give seconds of at least 0")
    refuse_rows(~np.isfinite(r.difficulty), "difficulty", r.difficulty, "give a number, 0 to 1 as a rule")
    beyond = r.hash_start + r.hash_count > len(r.hashes)
    refuse_rows((r.hash_start < 0) | beyond, "hash_start", r.hash_start, f"there are {len(r.hashes)} hashes")
    refuse_rows(r.hash_count < 0, "hash_count", r.hash_count, "give 0 for a prompt without names")
    if r.hash_count.any() and r.hash_tokens < 1:
        raise BadInputError(f"requests have prefix hashes of {r.hash_tokens} tokens. Say how many tokens a hash names.")


def _check_order(r: Requests) -> None:
    rows = np.arange(len(r))
    refuse_rows((r.after < -1) | (r.after >= rows), "after", r.after, "name an earlier row, or -1")
    if r.concurrency < 0:
        raise BadInputError(f"a closed loop has at least one request in flight, not {r.concurrency}.")
    if r.concurrency > 0:
        refuse_rows(r.after >= 0, "after", r.after, "a closed loop sends rows in order; use -1")
        return
    own = rows[r.after < 0]
    falls = np.flatnonzero(np.diff(r.arrival_s[own]) < 0)
    if len(falls):
        at = own[falls[0] + 1]
        raise BadInputError(
            f"request {at} arrives at {r.arrival_s[at]:g} s, before the one above it. Sort the rows by arrival_s."
        )
