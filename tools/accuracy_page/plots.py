"""The plots, as SVG without dates or random ids."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from accuracy_page.regimes import KEYS, KIND
from accuracy_page.runs import Run
from drivetrain.measure.outcome import Outcome
from drivetrain.measure.score import Pair

Points = Mapping[str, Sequence[Pair]]
_SIZES = {"below 16 KiB": "1", "16 KiB to 1 MiB": "2", "from 1 MiB": "3"}


def draw(folder: Path, runs: Sequence[Run], found: Mapping[str, Sequence[Outcome]]) -> None:
    """All plots into ``folder``; load tests by curve-left-out predictions."""
    try:
        import matplotlib as mpl
    except ImportError:
        print("matplotlib is missing (pip install -e '.[dev]'): plots stay as they are", file=sys.stderr)
        return
    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "drivetrain", "svg.fonttype": "none", "font.size": 9, "axes.grid": True,
                     "grid.alpha": 0.3, "axes.axisbelow": True, "path.simplify": True}  # fmt: skip
    engine = KEYS["engine"]
    _scatter(folder, "tpot", _runs(runs, "tpot", engine), "TPOT, ms (curves left out)", 1e3)
    _scatter(folder, "ttft", _runs(runs, "ttft", engine), "TTFT, ms (curves left out)", 1e3)
    concurrency = {m: _runs(runs, m, KEYS["concurrency"]) for m in ("tpot", "ttft")}
    _bands(folder, "concurrency", concurrency, "concurrency")
    for name, kind, metric, key, title in (
        ("mlperf", "mlperf", "output_tokens_per_s", "benchmark", "output tokens/s of the system"),
        ("power", "power", "power_at_measured_rate", "accelerator", "power at the measured rate, W"),
    ):
        _scatter(folder, name, _outcomes(found[kind], metric, lambda o, key=key: o.keys[key]), title, 1.0)
    sizes = _outcomes(found["collectives"], "seconds", lambda o: _SIZES[o.keys["size"]])
    _bands(folder, "collectives", {"seconds": sizes}, "message size", {v: k for k, v in _SIZES.items()})


def _runs(runs: Sequence[Run], metric: str, key: Callable[[Run], str]) -> dict[str, list[Pair]]:
    out: dict[str, list[Pair]] = {}
    for run in runs:
        if (pair := run.pair(metric, KIND)) is not None:
            out.setdefault(key(run), []).append(pair)
    return dict(sorted(out.items(), key=_order))


def _outcomes(found: Sequence[Outcome], metric: str, key: Callable[[Outcome], str]) -> dict[str, list[Pair]]:
    out: dict[str, list[Pair]] = {}
    for outcome in found:
        if not outcome.reason and metric in outcome.pairs:
            out.setdefault(key(outcome), []).append(outcome.pairs[metric])
    return dict(sorted(out.items(), key=_order))


def _order(entry: tuple[str, Any]) -> tuple[float, str]:
    try:
        return float(entry[0]), entry[0]
    except ValueError:
        return np.inf, entry[0]


def _scatter(folder: Path, name: str, points: Points, title: str, scale: float) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 4.4), layout="constrained")
    axes = figure.subplots()
    for key, pairs in points.items():
        axes.plot([p.measured * scale for p in pairs], [p.predicted * scale for p in pairs], ".", ms=3, alpha=0.6,
                  label=key)  # fmt: skip
    every = [v * scale for pairs in points.values() for p in pairs for v in (p.measured, p.predicted)] or [1.0]
    low, high = min(every) * 0.8, max(every) * 1.25
    axes.plot([low, high], [low, high], "-", color="0.4", lw=1)
    for factor in (0.75, 1 / 0.75):
        axes.plot([low, high], [low * factor, high * factor], ":", color="0.5", lw=0.8)
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), title=title,
             xlabel="measured (dotted: 25 % below, 33 % above)", ylabel="predicted")  # fmt: skip
    axes.legend(fontsize=8, markerscale=3, frameon=False)
    _save(folder, figure, name)


def _bands(
    folder: Path, name: str, by_metric: Mapping[str, Points], label: str, names: Mapping[str, str] | None = None
) -> None:
    """Median signed error and the middle 80 % of errors along a key."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    axes = figure.subplots()
    keys: list[str] = []
    for i, (metric, points) in enumerate(by_metric.items()):
        groups = {k: v for k, v in points.items() if len(v) >= 10}
        keys = keys or list(groups)
        at = [keys.index(k) + 0.2 * (i - (len(by_metric) - 1) / 2) for k in groups if k in keys]
        errors = [np.array([p.error for p in v]) * 100 for k, v in groups.items() if k in keys]
        middle = np.array([np.median(e) for e in errors])
        ends = np.array([np.quantile(e, (0.1, 0.9)) for e in errors]).reshape(-1, 2).T
        axes.errorbar(at, middle, yerr=np.abs(ends - middle), fmt="o", ms=4, capsize=3, label=metric.upper())
    axes.axhline(0, color="0.4", lw=1)
    axes.set_xticks(range(len(keys)), [names[k] if names else k for k in keys])
    axes.set(xlabel=label, ylabel="signed error, %", title="median and middle 80 % of errors")
    axes.set_ylim(-100, 150)
    axes.legend(fontsize=8, frameon=False)
    _save(folder, figure, name)


def _save(folder: Path, figure: Any, name: str) -> None:  # noqa: ANN401 - matplotlib is imported when used
    path = folder / f"accuracy-{name}.svg"
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    text = "\n".join(line.rstrip() for line in path.read_text(encoding="utf-8").splitlines()) + "\n"
    path.write_text(text, encoding="utf-8")
