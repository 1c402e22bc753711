"""Service level objectives: ``"ttft_p95=2s,tpot_p95=50ms"``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain import units
from drivetrain.errors import BadInputError

METRICS = ("ttft", "tpot", "itl", "e2e")
STATISTICS = ("mean", "p50", "p90", "p95", "p99")
_TERM = re.compile(r"\s*([a-z0-9]+)_([a-z0-9]+)\s*(?:<=|=|<)\s*(.+?)\s*$")


@dataclass(frozen=True, slots=True)
class Target:
    """``metric`` at ``statistic`` must not exceed ``limit_s`` seconds."""

    metric: str
    statistic: str
    limit_s: float

    @property
    def name(self) -> str:
        """As the user spells it: ``ttft_p95``."""
        return f"{self.metric}_{self.statistic}"


def limit_arrays(targets: Iterable[Target]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Targets for compiled code: limits in seconds by metric and statistic (inf: none), and which are wanted."""
    limits = np.full((len(METRICS), len(STATISTICS)), np.inf)
    wanted = np.zeros(limits.shape, dtype=np.bool_)
    for target in targets:
        at = METRICS.index(target.metric), STATISTICS.index(target.statistic)
        limits[at], wanted[at] = target.limit_s, True
    return limits, wanted


def parse_slo(text: str) -> tuple[Target, ...]:
    """Read a comma-separated list of targets; an empty text means none.

    >>> parse_slo("ttft_p95=2s, tpot_p95=50ms")[1]
    Target(metric='tpot', statistic='p95', limit_s=0.05)
    """
    targets: dict[str, Target] = {}
    for term in filter(None, (part.strip() for part in text.split(","))):
        match = _TERM.match(term.lower())
        if not match or match[1] not in METRICS or match[2] not in STATISTICS:
            raise BadInputError(
                f"cannot read SLO '{term}'. Write metric_statistic=value with metric {'|'.join(METRICS)}, "
                f"statistic {'|'.join(STATISTICS)} and a unit, e.g. ttft_p95=2s,tpot_p95=50ms."
            )
        if re.fullmatch(r"[\d.]+", match[3]):
            raise BadInputError(f"SLO '{term}' has no unit. Write {match[1]}_{match[2]}={match[3]}s or {match[3]}ms.")
        limit = units.parse(match[3], "s")
        if limit <= 0:
            raise BadInputError(f"SLO '{term}' must be a positive time.")
        target = Target(match[1], match[2], limit)
        if target.name in targets and targets[target.name] != target:
            raise BadInputError(f"SLO sets {target.name} twice: {targets[target.name].limit_s} s and {limit} s.")
        targets[target.name] = target
    return tuple(targets.values())
