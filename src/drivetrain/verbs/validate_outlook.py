"""``validate outlook``: the public series behind the outlook, cut and forecast, every model beside the baselines."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from drivetrain import __version__
from drivetrain.catalogue.series import Point
from drivetrain.demand.backtest import BackTest, Score
from drivetrain.demand.backtest_models import every_test

NOTE = (
    "Few points inform, they do not prove. A baseline is arithmetic on the series; structural uses what was public at "
    "the cut; conditional is told something that came later; in-sample had its parameters chosen on these data."
)


def validate_outlook() -> dict[str, Any]:
    """Every back-test with its training and test points, every model's errors, and what failed."""
    started = time.perf_counter()
    tests = every_test()
    return {
        "kind": "outlook", "verdict": _verdict(tests), "note": NOTE, "series": [_row(one) for one in tests],
        "meta": {"version": __version__, "elapsed_s": round(time.perf_counter() - started, 3)},
    }  # fmt: skip


def best(scores: Sequence[Score], *kinds: str) -> Score | None:
    """The score with the least error among those of ``kinds``; none where there is none."""
    return min((one for one in scores if one.kind in kinds), key=lambda one: one.mape_frac, default=None)


def _verdict(tests: Sequence[BackTest]) -> str:
    """One sentence: in how many series a mechanism that needs no later knowledge beats the best baseline."""
    pairs = [(best(one.scores, "structural"), best(one.scores, "baseline")) for one in tests]
    both = [(ours, plain) for ours, plain in pairs if ours is not None and plain is not None]
    won = sum(ours.mape_frac < plain.mape_frac for ours, plain in both)
    failed = sum(len(one.failed) for one in tests)
    return (
        f"A mechanism fed with what was known at the cut beats the best baseline in {won} of {len(both)} series that "
        f"have one; {failed} of {sum(len(one.scores) for one in tests)} models fail."
    )


def _row(one: BackTest) -> dict[str, Any]:
    return {
        "series": one.series, "title": one.title, "unit": one.unit, "train": [_point(p) for p in one.train],
        "test": [_point(p) for p in one.test], "caution": one.caution, "failed": list(one.failed),
        "models": [{"model": s.model, "kind": s.kind, "note": s.note, "mape_frac": s.mape_frac,
                    "bias_frac": s.bias_frac, "predicted": list(s.predicted)} for s in one.scores],
    }  # fmt: skip


def _point(one: Point) -> dict[str, Any]:
    return {"at": one.month, "value": one.value, "kind": one.kind, "source": one.source}
