"""Plans that keep the targets beyond the limits on what is bought: which limits they exceed, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from drivetrain.serving import sweep as sw
from drivetrain.serving.purchase import Claim, Limits, claims
from drivetrain.serving.search import Job, Outcome


@dataclass(frozen=True, slots=True)
class Excess:
    """A plan (``row``) that keeps the targets, and the limits it exceeds with what it needs of each."""

    row: int
    job: Job
    n_accelerators: float
    exceeded: tuple[tuple[Claim, float], ...]

    @property
    def distance(self) -> tuple[float, float]:
        """How far apart: the largest need over its limit; beyond limits of nothing, the need itself."""
        needs = [needed for _, needed in self.exceeded]
        return max(needed / claim.value if claim.value else np.inf for claim, needed in self.exceeded), max(needs)


def excesses(unlimited: Outcome, limits: Limits) -> list[Excess]:
    """For each job its smallest fleet that keeps the targets, and the limits that it exceeds."""
    rows = unlimited.rows
    meets = np.flatnonzero(rows[:, sw.MEETS] == 1.0)
    order = meets[np.lexsort((rows[meets, sw.ACCELERATORS], rows[meets, sw.JOB]))]
    first = order[np.unique(rows[order, sw.JOB], return_index=True)[1]]
    found = []
    for row in first:
        over = exceeded(unlimited, int(row), limits)
        if over and all(np.isfinite(needed) for _, needed in over):
            found.append(Excess(int(row), unlimited.jobs[int(rows[row, sw.JOB])], rows[row, sw.ACCELERATORS], over))
    return found


def exceeded(outcome: Outcome, row: int, limits: Limits) -> tuple[tuple[Claim, float], ...]:
    """Limits that a row's fleet breaks, and what it needs of each."""
    job, n = outcome.jobs[int(outcome.rows[row, sw.JOB])], outcome.rows[row, sw.ACCELERATORS]
    unit = job.packing(limits.spares).unit
    needs = [(claim, float(claim.needed(n / unit))) for claim in claims(job.part, unit, limits)]
    return tuple((claim, needed) for claim, needed in needs if not needed <= claim.value)


def violated(over: Sequence[tuple[Claim, float]]) -> list[dict[str, Any]]:
    """The same as an answer's ``violates``."""
    return [{"limit": c.limit, "limit_value": c.value, "needed": needed} for c, needed in over]


def nearest(excesses: Sequence[Excess]) -> list[Excess]:
    """The nearest plan beyond each limit alone, nearest limit first; beyond several where none exceeds just one."""
    ordered = sorted(excesses, key=lambda e: e.distance)
    alone: dict[str, Excess] = {}
    for excess in ordered:
        if len(excess.exceeded) == 1:
            alone.setdefault(excess.exceeded[0][0].limit, excess)
    return list(alone.values()) or ordered[:1]
