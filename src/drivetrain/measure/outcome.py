"""What validation made of one row, whatever its kind: predicted values, pairs to score, or the reason for neither."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from drivetrain.errors import DrivetrainError
from drivetrain.measure.score import Pair, grouped, score
from drivetrain.measure.table import Raw

Progress = Callable[[int, int], None]


def quiet(_done: int, _total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """``values`` are the row's prediction columns, ``pairs`` what can be scored by metric, ``keys`` its groups.

    ``reason`` says why nothing is predicted, ``unscored`` why what is predicted is not scored, ``note`` how the row was
    read. ``clean`` is False where the file itself marks the row as unfit for scoring.
    """

    row_id: str
    values: Mapping[str, Any] = field(default_factory=dict)
    pairs: Mapping[str, Pair] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    unscored: str = ""
    note: str = ""
    clean: bool = True


def predict_each(
    rows: Sequence[Raw],
    one: Callable[[Raw], Outcome],
    progress: Progress,
    clean: Callable[[Raw], bool] = lambda _: True,
) -> list[Outcome]:
    """``one`` of every row, in order; what prevents it becomes the reason. ``progress`` is told after each."""
    found = []
    for i, raw in enumerate(rows):
        try:
            found.append(one(raw))
        except DrivetrainError as error:
            found.append(Outcome(raw.row_id, reason=str(error.args[0]), clean=clean(raw)))
        progress(i + 1, len(rows))
    return found


def summarise(kind: str, outcomes: Sequence[Outcome], metrics: Sequence[str], by: Sequence[str]) -> dict[str, Any]:
    """The JSON object of ``validate``: counts, what was skipped and why, errors overall and by group."""
    predicted = [o for o in outcomes if not o.reason]
    clean = [o for o in outcomes if o.clean]
    answer: dict[str, Any] = {
        "kind": kind,
        "n": len(outcomes),
        "predicted": len(predicted),
        "coverage": round(len(predicted) / len(outcomes), 6) if outcomes else 0.0,
        "clean": {"n": len(clean), "predicted": sum(not o.reason for o in clean)},
        "skipped": [{"row_id": o.row_id, "reason": o.reason} for o in outcomes if o.reason],
        "unscored": [{"row_id": o.row_id, "reason": o.unscored} for o in outcomes if o.unscored],
    }
    answer |= {metric: _scored(predicted, metric) for metric in metrics}
    answer["groups"] = [group for name in by for group in _groups([o for o in predicted if o.pairs], name, metrics)]
    return answer


def _groups(outcomes: Sequence[Outcome], by: str, metrics: Sequence[str]) -> list[dict[str, Any]]:
    members = grouped([o for o in outcomes if o.keys.get(by)], lambda o: o.keys[by])
    return [
        {"by": by, "key": key, **{metric: _scored(found, metric) for metric in metrics}}
        for key, found in members.items()
    ]


def prediction_rows(outcomes: Sequence[Outcome], columns: Sequence[str]) -> list[dict[str, Any]]:
    """One row per row of the file, in its order; blank where there is no prediction."""
    blank = dict.fromkeys(columns, "")
    return [{"row_id": o.row_id, **blank, **o.values, "reason": o.reason, "note": o.note} for o in outcomes]


def _scored(outcomes: Sequence[Outcome], metric: str) -> dict[str, Any] | None:
    found = score(o.pairs[metric] for o in outcomes if metric in o.pairs)
    return asdict(found) if found else None
