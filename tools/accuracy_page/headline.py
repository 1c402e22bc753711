"""What a prediction of something never seen is worth: the first table, and every model and accelerator by itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from accuracy_page.runs import Run, by, scored
from accuracy_page.text import ERRORS, against, errors, percent, table
from drivetrain.measure.crossval import EVALUATIONS, FOLDS
from drivetrain.measure.fit import FIT_CONCURRENCY
from drivetrain.measure.score import Score

# What the project set itself to reach: median, mean and P90 of absolute errors of TPOT; median and P90 of TTFT.
TARGETS: dict[str, tuple[tuple[float, float, float], tuple[float, float]]] = {
    "curve": ((0.06, 0.11, 0.22), (0.18, 0.50)),
    "model": ((0.12, 0.20, 0.40), (0.26, 0.65)),
    "accelerator": ((0.11, 0.17, 0.36), (0.30, 0.80)),
}
WORDS = {
    "curve": f"whole curves ({FOLDS} folds)",
    "deployment": f"whole deployments ({FOLDS} folds)",
    "model": "whole models (each in turn)",
    "accelerator": "whole accelerators (each in turn)",
}
# Measured on exactly these public rows.
PEER = ["strongest published peer, some of it its own calibration set", "1,174", "13.9 %", "25.9 %", "42.3 %", "",
        "42.0 %", "83.2 %"]  # fmt: skip
NOISE = ["two runs of one configuration, any software version", "", "1.5 %", "", "16 %", "", "5.6 %", "51 %"]
PEER_COVERAGE = 1174 / 1382


def lead(runs: Sequence[Run], n_clean: int, odd: Sequence[Run]) -> list[str]:
    """The first section; ``odd`` are rows whose measurement contradicts itself."""
    rest = [run for run in runs if run not in odd]
    kept = [run for run in runs if math.isfinite(run.row.ttft)]
    rows = [_row(WORDS[kind], runs, kind) for kind in WORDS]
    rows.append(_row("nothing: in sample, as `drivetrain validate serving` predicts", runs, ""))
    without = [[WORDS[k], *_pair(scored(runs, "tpot", k), scored(rest, "tpot", k)),
                *_ttft_pair(scored(runs, "ttft", k), scored(kept, "ttft", k))] for k in WORDS]  # fmt: skip
    return [
        "## Serving: what a prediction of something never seen is worth",
        "Public load tests of H100, H200 and B200, each a closed loop of C requests, simulated as it was run. Every "
        "figure is of predictions by a fit that had not seen what it predicts and that started from the priors. In "
        "brackets what the project set itself to reach.",
        table(["left out of the fit", "n", "TPOT median", "mean", "P90", "n", "TTFT median", "P90"],
              [*rows, PEER, NOISE]),
        f"{len(runs):,} of {n_clean:,} clean rows are predicted ({percent(len(runs) / max(n_clean, 1))}; the peer: "
        f"{percent(PEER_COVERAGE)}). A curve is one configuration at all its loads; a deployment one model, "
        "accelerator, engine, precision and layout at all its lengths and loads. TTFT is scored on all rows marked "
        "`clean_ttft`.",
        f"{len(odd)} rows contradict themselves ([below](#rows-that-contradict-themselves)); the table above has "
        f"them in. The fits leave out the TTFT of {len(runs) - len(kept):,} rows that hold something no row records "
        "([below](#what-no-row-records)); the table above has those of them in that are marked `clean_ttft`. Both "
        "apart:",
        table(["left out of the fit", "TPOT mean", f"without the {len(odd)}", "TTFT median", "on rows fitted",
               "TTFT P90", "on rows fitted"], without),
        *_method(runs),
    ]  # fmt: skip


def each(runs: Sequence[Run], in_file: Mapping[str, int]) -> list[str]:
    """Every accelerator and every model left out by itself; ``in_file`` counts the file's rows by accelerator."""
    lines = []
    for kind, key in (("accelerator", lambda r: r.row.accelerator), ("model", lambda r: r.row.model)):
        for name, members in by(runs, key).items():
            tpot, ttft = scored(members, "tpot", kind), scored(members, "ttft", kind)
            lines.append([f"{kind} `{name}`", *errors(tpot), *errors(ttft)])
    names = list(by(runs, lambda r: r.row.accelerator))
    families = [
        {run.row.accelerator for run in members}
        for members in by(runs, lambda r: r.row.query.accelerator.generation).values()
    ]
    lonely = ", ".join(f"`{name}`" for name in names if {name} in families)
    others = [f"{n:,} of `{name}`" for name, n in in_file.items() if name not in names]
    return [
        "### Each accelerator and each model left out by itself",
        f"The clean rows hold {len(names)} accelerators: {', '.join(f'`{name}`' for name in names)}. None of the "
        f"other rows ({', '.join(others)}: disaggregated, or flagged) is clean. **For AMD, TPU, Trainium and Gaudi, "
        "and for everything that is neither Hopper nor Blackwell, the range is not validated** beyond what "
        "[MLPerf](#mlperf-inference-v51-tokens-per-second-of-a-system) shows of some: predictions rest on "
        "datasheets and pooled coefficients, at tier `roofline`.",
        f"Left out, {lonely} leaves nothing of its generation in the fit, as a new generation would; the others leave "
        "a sibling.",
        table(["left out", "TPOT n", *ERRORS[1:], "TTFT n", *ERRORS[1:]], lines),
    ]


def _row(name: str, runs: Sequence[Run], kind: str) -> list[str]:
    tpot, ttft = scored(runs, "tpot", kind), scored(runs, "ttft", kind)
    (median, mean, p90), (ttft_median, ttft_p90) = TARGETS.get(kind, ((None,) * 3, (None,) * 2))
    if tpot is None or ttft is None:
        return [name, "0", *[""] * 6]
    return [
        name, f"{tpot.n:,}", against(tpot.median_abs, median), against(tpot.mean_abs, mean), against(tpot.p90_abs, p90),
        f"{ttft.n:,}", against(ttft.median_abs, ttft_median), against(ttft.p90_abs, ttft_p90),
    ]  # fmt: skip


def _pair(with_: Score | None, without: Score | None) -> list[str]:
    return [percent(s.mean_abs) if s else "" for s in (with_, without)]


def _ttft_pair(all_: Score | None, kept: Score | None) -> list[str]:
    return [percent(getattr(s, name)) if s else "" for name in ("median_abs", "p90_abs") for s in (all_, kept)]


def _method(runs: Sequence[Run]) -> list[str]:
    tight = [run for run in runs if "sequences fit at once" in run.outcome.note]
    return [
        f"How: curves and deployments are dealt into {FOLDS} folds; a fit sees rows up to {FIT_CONCURRENCY} requests "
        f"in flight and takes up to {EVALUATIONS} steps from the priors, never from coefficients that had seen the "
        "rows. Priors of shares of datasheet rates come from kernels measured alone (`gemm_attention_micro.csv`), "
        "the others are broad guesses. What a left-out figure cannot undo: which terms the model has, how wide the "
        "priors are and which launch settings were looked up was decided with all these rows in view. So left-out "
        "figures flatter a little; an accelerator or model announced tomorrow should be expected to do somewhat "
        "worse.",
        f"In {len(tight)} of the rows the memory estimate says that fewer sequences fit than were in flight; nearly "
        "all of those did queue. Fits believe the estimate, as predictions do.",
    ]
