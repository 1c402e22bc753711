"""Where curve-left-out predictions are good and where they are weak; what is not predicted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from accuracy_page.runs import Run, by, scored
from accuracy_page.text import ERRORS, errors, percent, table
from drivetrain.measure import serving_score
from drivetrain.measure.outcome import Outcome
from drivetrain.measure.score import Score, grouped
from drivetrain.measure.table import Table

KIND = "curve"
LEAST, WEAK_FROM, WEAK_ROWS = 5, {"tpot": 0.12, "ttft": 0.30}, 10
_HEAD = ["", "TPOT n", *ERRORS[1:], "TTFT n", *ERRORS[1:]]
_SHAPES = ("output-heavy (in/out below 0.5)", "balanced", "prompt-heavy (in/out above 2)")
KEYS: dict[str, Callable[[Run], str]] = {
    "accelerator": lambda run: run.row.accelerator,
    "engine": lambda run: run.row.engine,
    "model": lambda run: run.row.model,
    "weights": lambda run: run.row.query.dtype,
    "concurrency": lambda run: run.outcome.keys["concurrency"],
    "harness": lambda run: run.outcome.keys["harness"],
    "shape": lambda run: _SHAPES[_shape(run)],
}
# What is known of a weak group; the groups themselves are found from the numbers.
CAUSES = {
    "model llama-3.1-8b": "steps of a few milliseconds, where host overhead decides; part of the prompts seem cached "
    "under vLLM, and one request more than slots in flight under TensorRT-LLM (above)",
    "model qwen3.5-397b-a17b": "few rows, all under SGLang; linear attention has assumed efficiencies",
    "model deepseek-r1": "latent attention prefill and expert exchange; under SGLang some TTFTs hold start-up time",
    "engine sglang": "prompts run in steps of their own while decodes wait; TTFT depends on how often the scheduler "
    "looks at arrivals, which is known for one harness only, and some measured TTFTs hold start-up time",
    "harness nvidia-gap": "statistic and number of requests of this harness are not known; Llama 8B (above) is in it",
    "concurrency 512": "at the edge of memory one sequence more or less decides whether requests queue; the rows that "
    "contradict themselves (above)",
    "concurrency 256": "few rows, at the edge of memory",
    "concurrency 4": "the opening burst decides TTFT: which of four prompts share a step",
    "weights fp8_block": "few deployments; scales per block cost kernels that differ between engines",
    "weights nvfp4": "expert kernels in four bit differ most between engines and releases",
}


def section(table_: Table, found: Sequence[Outcome], runs: Sequence[Run]) -> list[str]:
    """Plots and tables by regime."""
    return [
        "### Predicted against measured, and errors by regime",
        "Everything here is predicted by fits that had not seen the curve.",
        "![TPOT](../assets/accuracy-tpot.svg) ![TTFT](../assets/accuracy-ttft.svg)",
        "![By concurrency](../assets/accuracy-concurrency.svg)",
        _by(runs),
        "### What is weak, and why",
        weak(runs),
        "### Saturated rows",
        _saturated(table_, found, runs),
        "### Not predicted",
        reasons(found),
    ]


def _by(runs: Sequence[Run]) -> str:
    lines = []
    for name, key in KEYS.items():
        for group, members in by(runs, key).items():
            if len(members) >= LEAST:
                tpot, ttft = scored(members, "tpot", KIND), scored(members, "ttft", KIND)
                label = group if name == "shape" else f"{name} `{group}`"
                lines.append([label, *errors(tpot), *errors(ttft)])
    return table(_HEAD, lines)


def _shape(run: Run) -> int:
    ratio = run.row.query.isl / run.row.query.osl
    return 0 if ratio < 0.5 else 1 if ratio <= 2 else 2


def weak(runs: Sequence[Run]) -> str:
    """Groups whose median error is beyond WEAK_FROM, worst first, with what is known of the cause."""
    rows: list[tuple[str, Score, str]] = []
    for name, key in KEYS.items():
        for group, members in by(runs, key).items():
            for metric, limit in WEAK_FROM.items():
                s = scored(members, metric, KIND)
                if s and s.n >= WEAK_ROWS and s.median_abs > limit:
                    rows.append((metric, s, f"{name} {group}"))
    limits = " or ".join(f"{100 * limit:.0f} % ({metric.upper()})" for metric, limit in WEAK_FROM.items())
    if not rows:
        return f"No group of {WEAK_ROWS} rows or more has a median error beyond {limits}."
    rows.sort(key=lambda row: (row[0] != "tpot", -row[1].median_abs))
    lines = [
        [
            m.upper(),
            group,
            CAUSES.get(group, "not explained"),
            str(s.n),
            percent(s.median_abs),
            percent(s.bias, signed=True),
        ]
        for m, s, group in rows
    ]
    return (
        f"Groups of {WEAK_ROWS} rows or more whose median error is beyond {limits}, worst first.\n\n"
        + table(["", "group", "known of the cause", "n", "median", "bias"], lines, left=3)
    )  # fmt: skip


def _saturated(table_: Table, found: Sequence[Outcome], runs: Sequence[Run]) -> str:
    counts = serving_score.summary(table_, found)["saturated"]
    started = [
        (run.raw.need("ttft_s"), run.row.query.concurrency) for run in runs
        if (run.row.model, run.row.engine) == ("deepseek-r1", "sglang") and run.raw.text("flag_ttft_suspect") == "True"
    ]  # fmt: skip
    text = (
        f"Measured TTFT over 5 s in {counts['measured']} of {counts['n']:,} clean rows; predicted saturated by the "
        f"shipped calibration (TTFT over 5 s, or more requests than fit in memory): {counts['predicted']}; both: "
        f"{counts['both']}."
    )
    if not started:
        return text
    waits, loads = zip(*started, strict=True)
    return (
        f"{text} {len(started)} of the measured class hold start-up time in TTFT: DeepSeek-R1 under SGLang shows "
        f"{min(waits):.0f} to {max(waits):.0f} s from {min(loads)} to {max(loads)} requests in flight, which no "
        "queueing model would find."
    )


def reasons(found: Sequence[Outcome]) -> str:
    """Why rows are not predicted or not scored, by frequency."""
    texts = grouped([o for o in found if o.reason or o.unscored], lambda o: o.reason or o.unscored)
    counts = sorted(((len(v), k) for k, v in texts.items()), reverse=True)
    lines = [f"- {n}: {reason.rstrip('.')}" for n, reason in counts[:8]]
    rest = sum(n for n, _ in counts[8:])
    return (
        "\n".join([*lines, *([f"- {rest}: other reasons of this kind"] if rest else [])]) or "Every row is predicted."
    )
