"""Rebuild the accuracy page: predicted against measured, error by regime, what is weak, peers on the same rows.

    python tools/accuracy.py ../shared/validation

Reads the measured files (they are not part of the project; without them it says so and leaves the page alone), writes
``docs/method/accuracy.md`` and ``docs/assets/accuracy-*.svg``. Deterministic.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from drivetrain.cost.efficiency import calibration
from drivetrain.measure import collectives, mlperf, power, serving, serving_score
from drivetrain.measure.outcome import Outcome
from drivetrain.measure.score import Pair, Score, grouped, score
from drivetrain.measure.table import Table, read

ROOT = Path(__file__).resolve().parent.parent
PAGE, ASSETS = ROOT / "docs/method/accuracy.md", ROOT / "docs/assets"
FILES = {
    "serving": ("serving_steady_state.csv", serving.REQUIRED, serving_score.outcomes),
    "mlperf": ("mlperf_inference_v5_1.csv", mlperf.REQUIRED, mlperf.outcomes),
    "power": ("mlenergy_llm.csv", power.REQUIRED, power.outcomes),
    "collectives": ("collectives.csv", collectives.REQUIRED, collectives.outcomes),
}
# Peers' published or measured figures on exactly these public rows: median, mean, P90 of absolute errors.
PEERS = {
    "tpot": [("strongest published peer (predicts 1,174 of the 1,382 rows)", "13.9 %", "25.9 %", "42.3 %", "")],
    "ttft": [("the same peer (no model of queueing)", "42.0 %", "48.9 %", "83.2 %", "-28 %")],
}
FLOOR = {
    "tpot": ("repeats of one configuration, any software version", "1.5 %", "", "16 %", ""),
    "ttft": ("repeats of one configuration, any software version", "5.6 %", "", "51 %", ""),
}
WEAK_FROM, WEAK_ROWS = {"tpot": 0.15, "ttft": 0.35}, 10
# What we know of a weak group; the groups themselves are found from the numbers.
CAUSES = {
    "engine sglang": "prompts run in steps of their own while decodes wait, after a hold-back of its scheduler that is "
    "fitted as one time per request; the two harnesses differ most here, and some measured TTFTs hold start-up time",
    "model gpt-oss-120b": "sliding-window layers and 4-bit experts: the share of expert weights hit, and the expert "
    "kernels of each engine, differ from those of the other models that the pooled coefficients come from",
    "model llama-3.1-8b": "small model, short steps: host overhead decides, and it differs most between versions",
    "model qwen3.5-397b-a17b": "few rows; linear-attention layers use assumed efficiencies",
    "model deepseek-r1": "latent attention prefill and expert exchange; most rows are SGLang or TensorRT-LLM with "
    "queueing inside TTFT",
    "model qwen3-32b": "only in the harness that was not fitted",
    "harness nvidia-gap": "another harness, whose statistic and request count are unknown; not in the fit",
    "concurrency 512": "few rows at the edge of memory, where one sequence more or less decides whether requests queue",
    "concurrency 128": "queueing of the opening burst decides TTFT",
}


def main() -> int:
    """Predict everything, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the measured files")
    args = parser.parse_args()
    missing = [name for name, *_ in FILES.values() if not (args.folder / name).exists()]
    if missing:
        print(f"skipped: {args.folder} has no {', '.join(missing)}; the accuracy page stays as it is", file=sys.stderr)
        return 0
    tables: dict[str, Table] = {}
    found: dict[str, list[Outcome]] = {}
    for kind, (name, required, predict) in FILES.items():
        tables[kind] = read(args.folder / name, required)
        found[kind] = predict(tables[kind])
        print(f"{kind}: {sum(not o.reason for o in found[kind])} of {len(found[kind])} rows predicted")
    draw(found)
    PAGE.write_text(page(args.folder, tables, found), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


def page(folder: Path, tables: dict[str, Table], found: dict[str, list[Outcome]]) -> str:
    """The whole page."""
    parts = [
        "# Accuracy",
        "<!-- Made by tools/accuracy.py (make accuracy). Do not edit by hand. -->",
        "Predictions of this version beside public measurements. Errors are signed `predicted / measured - 1`; "
        "*median*, "
        "*mean* and *P90* are of absolute errors, *bias* is the median signed error, *in 80 %* the share of "
        "measurements "
        "inside the predicted 80 % interval. Score your own file with `drivetrain validate`"
        " ([how](../howto/validate.md)).",
        *_serving(tables["serving"], found["serving"]),
        *_mlperf(found["mlperf"]),
        *_power(found["power"]),
        *_collectives(found["collectives"]),
        "## Sources",
        "\n".join(
            f"- `{name}`: {len(tables[kind].rows):,} rows, SHA-256 `{_digest(folder / name)}`"
            for kind, (name, *_) in FILES.items()
        ),
        "Serving: InferenceX@843c6254f and NVIDIA measurements by way of aiconfigurator@095f58a51 (both "
        "Apache-2.0). MLPerf: "
        "Inference v5.1, results repository @965182b0, MLCommons Association; predictions here are ours and not MLPerf "
        "results. Power: ML.ENERGY leaderboard, February 2026. Collectives: aiconfigurator (Apache-2.0), "
        "vidur@7d47513 (MIT).",
    ]
    return "\n\n".join(parts) + "\n"


def _serving(table: Table, found: Sequence[Outcome]) -> list[str]:
    clean = [o for o in found if o.clean]
    done = [o for o in clean if not o.reason]
    fit = calibration("serving").get("fit", {})
    parts = [
        "## Serving: TTFT and TPOT of load tests",
        f"{len(done):,} of {len(clean):,} clean rows predicted ({100 * len(done) / max(len(clean), 1):.1f} %); each "
        f"is a closed loop of C "
        "requests, simulated as it was run. TTFT is scored where it was not saturated (up to 5 s).",
        "![TPOT](../assets/accuracy-tpot.svg) ![TTFT](../assets/accuracy-ttft.svg)",
    ]
    for metric in ("tpot", "ttft"):
        head = f"| {metric.upper()} | n | median | mean | P90 | bias | in 80 % |\n|---|--:|--:|--:|--:|--:|--:|"
        rows = [_row("all clean rows", _of(done, metric))]
        rows += [_row(f"harness `{k}`", _of(v, metric)) for k, v in grouped(done, lambda o: o.keys["harness"]).items()]
        rows += [f"| {n} | | {a} | {b} | {c} | {d} | |" for n, a, b, c, d in [*PEERS[metric], FLOOR[metric]]]
        parts.append("\n".join([head, *rows]))
    parts += [
        _outliers(done),
        "### What was in the fit",
        f"Coefficients were fitted on {fit.get('n', '?')} rows of both harnesses, so the tables above are in sample "
        "(but for TPOT of the SGLang rows of `nvidia-gap`, which show decode times without the stalls that their own "
        "TTFT implies and were left out). Few coefficients are pooled over everything; what a model or a part that was "
        "not in the fit may expect are the errors with whole models or whole accelerators left out, as the calibration "
        "file records them:",
        _cross_validated(fit),
        "### By accelerator, engine, model, concurrency and shape",
        "![By concurrency](../assets/accuracy-concurrency.svg)",
        _by(done, ("accelerator", "engine", "model", "concurrency")),
        _shapes(table, found),
        "### Saturated rows",
        _saturated(table, found),
        "### What is weak, and why",
        _weak(done),
        "### Not predicted",
        _reasons(found),
    ]
    return parts


def _mlperf(found: Sequence[Outcome]) -> list[str]:
    done = [o for o in found if not o.reason]
    return [
        "## MLPerf Inference v5.1: tokens per second of a system",
        "Nothing was fitted on these rows. The prediction is the best layout's capacity within the benchmark's limits; "
        "submissions tune layout, batch and kernels by hand. Input lengths are the data sets' announced means "
        "(assumed: the logs do not record them); all requests are taken to have the mean lengths.",
        "![MLPerf](../assets/accuracy-mlperf.svg)",
        _table("output_tokens_per_s", done, ("scenario", "benchmark", "accelerator", "engine")),
        "Weak: `llama3.1-8b` (small model; feeding requests and detokenising on the host limit the measured "
        "systems, and "
        "are not modelled), `deepseek-r1` (answers from a few hundred to twenty thousand tokens: the mean hides the "
        "long "
        "ones that fill the cache), parts never fitted (AMD, Intel), and Server and Interactive, whose 99th "
        "percentiles depend on the spread of lengths.",
        "Not predicted:\n\n" + _reasons(found),
    ]


def _power(found: Sequence[Outcome]) -> list[str]:
    done = [o for o in found if not o.reason]
    return [
        "## Power",
        "`power at measured rate` tests the power model alone (measured batch and throughput given); `power`, "
        "`output tokens "
        "per s` and `itl` come from our own prediction at the measured mean batch. The power coefficients were "
        "fitted on "
        "these rows (errors with whole models left out are in the calibration file); throughput and gaps were not. "
        "Prompt "
        "lengths are not recorded; 500 tokens are assumed, so rows with images and videos (long prompts) suffer most.",
        "![Power](../assets/accuracy-power.svg)",
        _table("power_at_measured_rate", done, ("accelerator", "task")),
        _table("power", done, ("accelerator", "task")),
        _table("output_tokens_per_s", done, ("accelerator", "task")),
        _table("itl", done, ("accelerator", "task")),
        f"{sum(bool(o.unscored) for o in found)} rows are not steady (batch against throughput and gap disagree) "
        f"and are "
        "predicted but not scored.",
    ]


def _collectives(found: Sequence[Outcome]) -> list[str]:
    done = [o for o in found if not o.reason]
    return [
        "## Collectives",
        "In sample: the coefficients were fitted on these rows. Errors with a group size, an accelerator or a link "
        "family left "
        "out stand in `cost/calibration/collectives.toml` and in [Collectives](collectives.md).",
        "![Collectives](../assets/accuracy-collectives.svg)",
        _table("seconds", done, ("op", "library", "accelerator", "n_gpus")),
        "Not predicted or not scored:\n\n" + _reasons(found),
    ]


def _of(outcomes: Sequence[Outcome], metric: str) -> Score | None:
    return score(o.pairs[metric] for o in outcomes if metric in o.pairs)


def _row(name: str, s: Score | None) -> str:
    if s is None:
        return f"| {name} | 0 | | | | | |"
    inside = "" if s.coverage80 is None else f"{s.coverage80:.0%}".replace("%", " %")
    shown = " | ".join(f"{100 * v:.1f} %" for v in (s.median_abs, s.mean_abs, s.p90_abs))
    return f"| {name} | {s.n:,} | {shown} | {100 * s.bias:+.1f} % | {inside} |"


def _table(metric: str, outcomes: Sequence[Outcome], by: Sequence[str]) -> str:
    lines = [
        f"| {metric.replace('_', ' ')} | n | median | mean | P90 | bias | in 80 % |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    lines.append(_row("all", _of(outcomes, metric)))
    for name in by:
        groups = grouped([o for o in outcomes if metric in o.pairs], lambda o, name=name: o.keys.get(name, ""))
        lines += [_row(f"{name} `{key}`", _of(members, metric)) for key, members in groups.items() if key]
    return "\n".join(lines)


def _by(outcomes: Sequence[Outcome], by: Sequence[str]) -> str:
    lines = ["| | n | TPOT median | mean | P90 | bias | n | TTFT median | mean | P90 | bias |",
             "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"]  # fmt: skip
    for name in by:
        for key, members in grouped(outcomes, lambda o, name=name: o.keys[name]).items():
            a, b = _of(members, "tpot"), _of(members, "ttft")
            if len(members) >= 5:
                lines.append(f"| {name} `{key}` | {_five(a)} | {_five(b)} |")
    return "\n".join(lines)


def _five(s: Score | None) -> str:
    if s is None:
        return "0 | | | | "
    return (
        f"{s.n:,} | "
        + " | ".join(f"{100 * v:.1f} %" for v in (s.median_abs, s.mean_abs, s.p90_abs))
        + (f" | {100 * s.bias:+.1f} %")
    )


def _shapes(table: Table, found: Sequence[Outcome]) -> str:
    """Errors by lengths, the regime: prompt-heavy, balanced, output-heavy."""
    named = []
    for raw, outcome in zip(table.rows, found, strict=True):
        if outcome.clean and not outcome.reason:
            ratio = raw.need("input_tokens_mean") / raw.need("output_tokens_mean")
            named.append((0 if ratio < 0.5 else 1 if ratio <= 2 else 2, outcome))
    labels = ("output-heavy (in/out below 0.5)", "balanced", "prompt-heavy (in/out above 2)")
    lines = ["| shape | n | TPOT median | mean | P90 | bias | n | TTFT median | mean | P90 | bias |",
             "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"]  # fmt: skip
    for i, label in enumerate(labels):
        members = [o for k, o in named if k == i]
        lines.append(f"| {label} | {_five(_of(members, 'tpot'))} | {_five(_of(members, 'ttft'))} |")
    return "\n".join(lines)


def _cross_validated(fit: dict[str, object]) -> str:
    lines = ["| | median | mean |", "|---|--:|--:|"]
    names = {"in_sample": "in sample", "models_left_out": "whole models left out",
             "accelerators_left_out": "whole accelerators left out"}  # fmt: skip
    for metric in ("tpot", "ttft"):
        for key, label in names.items():
            median, mean = fit.get(f"{metric}_median_abs_{key}"), fit.get(f"{metric}_mean_abs_{key}")
            if isinstance(median, float) and isinstance(mean, float):
                lines.append(f"| {metric.upper()}, {label} | {100 * median:.1f} % | {100 * mean:.1f} % |")
    return "\n".join(lines)


def _saturated(table: Table, found: Sequence[Outcome]) -> str:
    counts = serving_score.summary(table, found)["saturated"]
    return (
        f"Measured TTFT over 5 s in {counts['measured']} of {counts['n']:,} clean rows; predicted saturated (TTFT "
        f"over 5 s or more "
        f"requests than fit in memory): {counts['predicted']}; both: {counts['both']}. Part of the measured class "
        f"is start-up time "
        "inside TTFT (one SGLang deployment of DeepSeek-R1 shows 5 to 9 s at any load), which no queueing model "
        "would find."
    )


def _outliers(outcomes: Sequence[Outcome]) -> str:
    """How much of the mean a few rows make."""
    out = []
    for metric in ("tpot", "ttft"):
        pairs = [o.pairs[metric] for o in outcomes if metric in o.pairs]
        near = [p for p in pairs if abs(p.error) <= 1.0]
        rest = score(near)
        if rest and len(near) < len(pairs):
            out.append(
                f"{len(pairs) - len(near)} of {len(pairs):,} rows are over-predicted in {metric.upper()} by more "
                f"than a factor of two; without them the mean is {100 * rest.mean_abs:.1f} %."
            )
    return " ".join([*out, _AT_THE_EDGE]) if out else ""


_AT_THE_EDGE = (
    "Among them are three runs of gpt-oss-120b on H100 with 512 requests whose measured TPOT is that of a light "
    "load while requests waited 20 s for their first token, as if the engine ran few of them at once."
)


def _weak(outcomes: Sequence[Outcome]) -> str:
    """Groups whose median error is beyond WEAK_FROM, worst first, with what is known of the cause."""
    rows = []
    for name in ("accelerator", "engine", "model", "concurrency", "harness"):
        for key, members in grouped(outcomes, lambda o, name=name: o.keys[name]).items():
            for metric, limit in WEAK_FROM.items():
                s = _of(members, metric)
                if s and s.n >= WEAK_ROWS and s.median_abs > limit:
                    rows.append((metric, s, f"{name} {key}"))
    if not rows:
        return "No group of ten rows or more has a median error beyond 15 % (TPOT) or 35 % (TTFT)."
    rows.sort(key=lambda row: (row[0] != "tpot", -row[1].median_abs))
    lines = ["Groups of ten rows or more whose median error is beyond 15 % (TPOT) or 35 % (TTFT), worst first.", "",
             "| | group | n | median | bias | known of the cause |", "|---|---|--:|--:|--:|---|"]  # fmt: skip
    lines += [
        f"| {metric.upper()} | {group} | {s.n} | {100 * s.median_abs:.1f} % | {100 * s.bias:+.1f} % | "
        f"{CAUSES.get(group, 'not yet explained')} |"
        for metric, s, group in rows
    ]
    return "\n".join(lines)


def _reasons(found: Sequence[Outcome]) -> str:
    texts = grouped([o for o in found if o.reason or o.unscored], lambda o: o.reason or o.unscored)
    counts = sorted(((len(v), k) for k, v in texts.items()), reverse=True)
    lines = [f"- {n}: {reason.rstrip('.')}" for n, reason in counts[:8]]
    rest = sum(n for n, _ in counts[8:])
    return (
        "\n".join([*lines, *([f"- {rest}: other reasons of this kind"] if rest else [])]) or "Every row is predicted."
    )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def draw(found: dict[str, list[Outcome]]) -> None:
    """All plots, as SVG without dates or random ids."""
    try:
        import matplotlib as mpl
    except ImportError:
        print("matplotlib is missing (pip install -e '.[dev]'): plots stay as they are", file=sys.stderr)
        return
    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "drivetrain", "svg.fonttype": "none", "font.size": 9, "axes.grid": True,
                     "grid.alpha": 0.3, "axes.axisbelow": True, "path.simplify": True}  # fmt: skip
    done = {kind: [o for o in rows if not o.reason] for kind, rows in found.items()}
    _scatter("tpot", done["serving"], "tpot", "engine", "TPOT, ms", 1e3)
    _scatter("ttft", done["serving"], "ttft", "engine", "TTFT, ms", 1e3)
    _scatter("mlperf", done["mlperf"], "output_tokens_per_s", "benchmark", "output tokens/s of the system", 1.0)
    _scatter("power", done["power"], "power_at_measured_rate", "accelerator", "power at the measured rate, W", 1.0)
    _bands("concurrency", done["serving"], ("tpot", "ttft"), lambda o: o.keys["concurrency"], "concurrency")
    order = {"below 16 KiB": "1", "16 KiB to 1 MiB": "2", "from 1 MiB": "3"}
    names = {number: text for text, number in order.items()}
    _bands("collectives", done["collectives"], ("seconds",), lambda o: order[o.keys["size"]], "message size", names)


def _scatter(name: str, outcomes: Sequence[Outcome], metric: str, by: str, title: str, scale: float) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 4.4), layout="constrained")
    axes = figure.subplots()
    points: list[Pair] = []
    for key, members in grouped([o for o in outcomes if metric in o.pairs], lambda o: o.keys[by]).items():
        pairs = [o.pairs[metric] for o in members]
        points += pairs
        axes.plot([p.measured * scale for p in pairs], [p.predicted * scale for p in pairs], ".", ms=3, alpha=0.6,
                  label=key)  # fmt: skip
    low = min(min(p.measured, p.predicted) for p in points) * scale * 0.8
    high = max(max(p.measured, p.predicted) for p in points) * scale * 1.25
    axes.plot([low, high], [low, high], "-", color="0.4", lw=1)
    for factor in (0.75, 1 / 0.75):
        axes.plot([low, high], [low * factor, high * factor], ":", color="0.5", lw=0.8)
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), title=title,
             xlabel="measured (dotted: 25 % below, 33 % above)", ylabel="predicted")  # fmt: skip
    axes.legend(fontsize=8, markerscale=3, frameon=False)
    _save(figure, name)


def _bands(
    name: str, outcomes: Sequence[Outcome], metrics: Sequence[str], key: Callable[[Outcome], str], label: str,
    names: dict[str, str] | None = None,
) -> None:  # fmt: skip
    """Median signed error and the middle 80 % of errors along a key."""
    import numpy as np
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    axes = figure.subplots()
    keys: list[str] = []
    for i, metric in enumerate(metrics):
        groups = grouped([o for o in outcomes if metric in o.pairs], key)
        groups = {k: v for k, v in groups.items() if len(v) >= 10}
        keys = keys or list(groups)
        at = [keys.index(k) + 0.2 * (i - (len(metrics) - 1) / 2) for k in groups if k in keys]
        errors = [np.array([o.pairs[metric].error for o in v]) * 100 for k, v in groups.items() if k in keys]
        middle = np.array([np.median(e) for e in errors])
        ends = np.array([np.quantile(e, (0.1, 0.9)) for e in errors]).T
        axes.errorbar(at, middle, yerr=np.abs(ends - middle), fmt="o", ms=4, capsize=3, label=metric.upper())
    axes.axhline(0, color="0.4", lw=1)
    axes.set_xticks(range(len(keys)), [names[k] if names else k for k in keys])
    axes.set(xlabel=label, ylabel="signed error, %", title="median and middle 80 % of errors")
    axes.set_ylim(-100, 150)
    axes.legend(fontsize=8, frameon=False)
    _save(figure, name)


def _save(figure: object, name: str) -> None:
    path = ASSETS / f"accuracy-{name}.svg"
    figure.savefig(path, metadata={"Date": None, "Creator": None})  # type: ignore[attr-defined]
    text = "\n".join(line.rstrip() for line in path.read_text(encoding="utf-8").splitlines()) + "\n"
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
