"""Measured serving runs with every prediction there is of them: by the shipped calibration and by left-out fits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from accuracy_page.left_out import METRICS, LeftOut
from drivetrain.measure.fit import Row
from drivetrain.measure.outcome import Outcome
from drivetrain.measure.score import Pair, Score, grouped, score
from drivetrain.measure.serving import predict
from drivetrain.measure.table import Raw


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A clean row: as in the file, as the fit reads it, what ``validate`` made of it, left-out predictions."""

    raw: Raw
    row: Row
    outcome: Outcome
    left_out: Mapping[str, tuple[float, float]]

    def pair(self, metric: str, kind: str = "") -> Pair | None:
        """Predicted beside measured; with ``kind``, predicted by a fit that had not seen this run's curve, model, ...

        None where the run does not count for the metric (TTFT outside ``clean_ttft``).
        """
        pair = self.outcome.pairs.get(metric)
        if pair is None or not kind:
            return pair
        found = self.left_out.get(kind)
        return None if found is None else Pair(found[METRICS.index(metric)], pair.measured)

    def again(self, **changes: Any) -> tuple[float, float]:  # noqa: ANN401 - fields of a Query
        """TPOT and TTFT that the shipped calibration predicts with the query changed."""
        found = predict(self.row.row_id, replace(self.row.query, **changes))
        if found.tpot is None or found.ttft is None:
            return math.nan, math.nan
        return found.tpot.value, found.ttft.value


def runs_of(raws: Sequence[Raw], outcomes: Sequence[Outcome], rows: Sequence[Row], left_out: LeftOut) -> list[Run]:
    """Clean, predicted rows of a file with all that is known of them."""
    by_id = {row.row_id: row for row in rows}
    return [
        Run(raw, by_id[raw.row_id], outcome, left_out.get(raw.row_id, {}))
        for raw, outcome in zip(raws, outcomes, strict=True)
        if outcome.clean and not outcome.reason and raw.row_id in by_id
    ]


def scored(runs: Iterable[Run], metric: str, kind: str = "") -> Score | None:
    """Errors of ``metric``."""
    return score(pair for run in runs if (pair := run.pair(metric, kind)) is not None)


def by(runs: Sequence[Run], key: Callable[[Run], str]) -> dict[str, list[Run]]:
    """Runs by a key, in order."""
    return grouped(runs, key)
