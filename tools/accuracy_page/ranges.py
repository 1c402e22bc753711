"""How wide 80 % intervals must be, and whether widths found on some folds hold on the others."""

from __future__ import annotations

from collections.abc import Sequence

from accuracy_page.left_out import METRICS
from accuracy_page.runs import Run
from accuracy_page.text import table
from drivetrain.measure.crossval import KINDS, Kind, folds
from drivetrain.measure.score import Pair, Score, score
from drivetrain.measure.spread import Kind as Unseen
from drivetrain.measure.spread import estimate, interval, spread

LOW, HIGH = 0.72, 0.88  # coverage that the project set itself to keep
# Which of the shipped widths a prediction gets that is as little known as this kind of left-out one.
SHIPPED: dict[str, Unseen] = {"curve": "known", "deployment": "known", "model": "new_model",
                              "accelerator": "new_accelerator"}  # fmt: skip


def ranged(runs: Sequence[Run], kind: Kind, metric: str) -> dict[str, list[Pair]]:
    """By fold, its left-out predictions with intervals as wide as the errors of the *other* folds ask for."""
    found: dict[str, list[Pair]] = {}
    for name, held in folds([run.row for run in runs], kind):
        inside = [p for run, h in zip(runs, held, strict=True) if h and (p := run.pair(metric, kind.name))]
        others = [p for run, h in zip(runs, held, strict=True) if not h and (p := run.pair(metric, kind.name))]
        if inside and others:
            sigma = estimate([p.predicted for p in others], [p.measured for p in others])
            found[name] = [Pair(p.predicted, p.measured, *interval(p.predicted, sigma)) for p in inside]
    return found


def section(runs: Sequence[Run]) -> list[str]:
    """Coverage and interval score by kind."""
    rows = []
    for kind in KINDS:
        by_metric = {metric: ranged(runs, kind, metric) for metric in METRICS}
        scores = {m: score(p for pairs in found.values() for p in pairs) for m, found in by_metric.items()}
        widths = spread(SHIPPED[kind.name])
        rows.append([f"{kind.name}s", *_cells(scores["tpot"]), f"{widths.tpot:.2f}", *_cells(scores["ttft"]),
                     f"{widths.ttft:.2f}"])  # fmt: skip
        if kind.folds is None:
            for name in by_metric["tpot"]:
                each = [score(by_metric[metric].get(name, [])) for metric in METRICS]
                rows.append(
                    [f"  {kind.name} `{name}`", *_cells(each[0], judged=False), "", *_cells(each[1], judged=False), ""]
                )
    shipped = [score(p for run in runs if (p := run.pair(metric))) for metric in METRICS]
    rows.append(["nothing: shipped intervals, in sample", *_cells(shipped[0]), "", *_cells(shipped[1]), ""])
    return [
        "### Ranges",
        "Share of measurements inside the 80 % interval, and its score. The width for a fold is that of the errors "
        "of the *other* folds, so that no row helps to set the interval it is judged by. To be kept: "
        f"{100 * LOW:.0f} to {100 * HIGH:.0f} %. The interval score is the mean over rows of the width of the "
        "interval of the logarithm plus ten times the distance by which it misses (smaller is better; normal errors "
        "with a known sigma of 0.1 score 0.35). Beside it the width that the shipped calibration uses, as the "
        "standard deviation of the logarithm.",
        table(["left out", "TPOT in 80 %", "interval score", "shipped sigma", "TTFT in 80 %", "interval score",
               "shipped sigma"], rows),
    ]  # fmt: skip


def _cells(found: Score | None, judged: bool = True) -> list[str]:
    if found is None or found.coverage80 is None or found.interval_score80 is None:
        return ["", ""]
    kept = LOW <= round(found.coverage80, 2) <= HIGH
    word = (" (kept)" if kept else " (missed)") if judged else ""
    return [f"{100 * found.coverage80:.0f} %{word}", f"{found.interval_score80:.2f}"]
