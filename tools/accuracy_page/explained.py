"""What rows do not record, as far as it shows in the numbers: contradictions, launch settings, caching, releases."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from accuracy_page.runs import Run, by
from accuracy_page.text import percent, table
from drivetrain.measure.recipes import DEFAULT

_KINDS = ("curve", "deployment", "model", "accelerator")
_CACHED = (0.0, 0.25, 0.5, 0.75)
_APART = 0.1  # how far lengths of slots that drift apart differ


def contradicting(runs: Sequence[Run]) -> list[Run]:
    """Rows of vLLM with gpt-oss-120b on H100 at 512 requests in flight."""
    return [
        run for run in runs
        if (run.row.model, run.row.engine, run.row.accelerator) == ("gpt-oss-120b", "vllm", "h100-sxm-80gb")
        and run.row.query.concurrency >= 512
    ]  # fmt: skip


def contradictions(odd: Sequence[Run], runs: Sequence[Run]) -> list[str]:
    """The rows, by Little's law."""
    if not odd:
        return []
    lines, decoding, light = [], [], 0
    for run in odd:
        q, tpot, ttft = run.row.query, run.row.tpot, run.raw.need("ttft_s")
        gaps = tpot * (q.osl - 1.0)
        decoding.append(q.concurrency * gaps / (ttft + gaps))
        low, high = _loads(run, runs)
        light += high < decoding[-1] / 2.0
        load = f"over {low}" if math.isinf(high) else f"{low} to {high:.0f}"
        lines.append([f"{q.placed.layout}", f"{q.isl:.0f} / {q.osl:.0f}", f"{1e3 * tpot:.1f} ms", f"{ttft:.0f} s",
                      f"{decoding[-1]:.0f}", load, f"{1e3 * run.again()[0]:.0f} ms"])  # fmt: skip
    months = sorted({run.raw.text("measured_date")[:7] for run in odd})
    return [
        "### Rows that contradict themselves",
        f"The {len(odd)} rows of vLLM with gpt-oss-120b on H100 at 512 requests in flight ({', '.join(months)}). By "
        "Little's law requests that decode at a time = C gaps / (TTFT + gaps), with gaps = TPOT (output - 1): "
        f"{min(decoding):.0f} to {max(decoding):.0f} of the 512 were decoding, and the mean TTFT is {_span(odd)}; so "
        f"something held most of them back, which no column records. And {light} of the rows show a TPOT that the same "
        "deployment has with less than half as many in flight as were decoding. They stay in every figure above.",
        table(["layout", "in / out", "TPOT", "TTFT", "decoding at a time",
               "in flight where the deployment has that TPOT", "TPOT predicted for 512"], lines, left=2),
    ]  # fmt: skip


def _loads(run: Run, runs: Sequence[Run]) -> tuple[int, float]:
    """Requests in flight between which the same deployment, at the same lengths, has the TPOT of ``run``."""
    q = run.row.query
    same = [
        other.row for other in runs
        if other.row.deployment == run.row.deployment and other.row.query.concurrency < q.concurrency
        and (other.row.query.isl, other.row.query.osl) == (q.isl, q.osl)
    ]  # fmt: skip
    slower = [row.query.concurrency for row in same if row.tpot > run.row.tpot]
    high = min(slower, default=math.inf)
    return max((row.query.concurrency for row in same if row.query.concurrency < high), default=0), high


def _span(odd: Sequence[Run]) -> str:
    waits = [run.raw.need("ttft_s") for run in odd]
    return f"{min(waits):.0f} to {max(waits):.0f} s"


def in_the_way(odd: Sequence[Run], runs: Sequence[Run]) -> list[str]:
    """What keeps the mean TPOT error and the regret up, in points of the mean over all rows."""
    members = {
        f"the {len(odd)} rows that contradict themselves": list(odd),
        "vLLM with Llama 3.1 8B on H200, prompts that seem to be cached": _seem_cached(runs),
    }
    named = {id(run) for found in members.values() for run in found}
    members["all others"] = [run for run in runs if id(run) not in named]
    n = len(runs)
    lines = []
    for name, found in members.items():
        errors = [
            [abs(pair.predicted / pair.measured - 1.0) for run in found if (pair := run.pair("tpot", kind)) is not None]
            for kind in _KINDS
        ]
        lines.append([name, f"{len(found):,}", *(f"{100 * sum(e) / n:.1f}" for e in errors),
                      percent(float(np.mean(errors[0]))) if errors[0] else "–"])  # fmt: skip
    return [
        "### What stands in the way",
        "The mean TPOT error is a sum over rows. Points of it that come from few rows, by what was left out:",
        table(["rows", "n", *(f"{kind}s" for kind in _KINDS), "their own mean, curves"], lines),
        "The first group is queued by something that no column records and shows TPOTs of a twentieth to a third of "
        "what its load takes (above). The second runs prompts faster than the accelerator multiplies (below). To "
        "predict either as measured, a model would have to be wrong about all other rows of the same engine. The mean "
        "regret of choices has the same first cause: where one of those rows is the best of its case, any honest "
        "choice gives away half and more of what it claims.",
    ]


def _seem_cached(runs: Sequence[Run]) -> list[Run]:
    return [run for run in runs if (run.row.model, run.row.engine) == ("llama-3.1-8b", "vllm")]


def settings(runs: Sequence[Run]) -> list[str]:
    """Errors with an engine's default settings and with those the harness launched it with."""
    launched = [run for run in runs if run.row.query.recipe != DEFAULT and not run.row.query.recipe.extra]
    lines = []
    for name, members in by(launched, _setting).items():
        default = _errors(members, lambda run: run.again(recipe=DEFAULT))
        found = _errors(members, Run.again)
        cells = [of(errors, i) for of, i in ((_median, 0), (_median, 1), (_bias, 1)) for errors in (default, found)]
        lines.append([name, f"{len(members)}", *cells])
    held = [run for run in launched if run.row.query.recipe.hold]
    excess = _middle([_excess(run, run.again(recipe=replace(run.row.query.recipe, hold=0))[1]) for run in held])
    return [
        "### What launch settings explain",
        f"{len(launched):,} clean rows were run with settings that the launch scripts of the harness state and rows "
        "do not (`measure/recipes.toml`): TensorRT-LLM held prompts of Llama 70B back to batch them where input and "
        "output are equally long, below tp8; SGLang looked at arrivals only every so many steps; DeepSeek's budget "
        "under TensorRT-LLM has room for one prompt a step. Errors of the shipped calibration, in sample, with the "
        "engine's defaults and as launched:",
        table(["setting", "rows", "TPOT median, default", "as launched", "TTFT median, default", "as launched",
               "TTFT bias, default", "as launched"], lines),
        f"Without the hold, TTFT of those {len(held)} rows is longer than predicted by {excess} TPOT."
        if held else "",
    ]  # fmt: skip


def _setting(run: Run) -> str:
    recipe = run.row.query.recipe
    if recipe.hold:
        return f"{run.row.engine}, {run.row.model}: prompts held for up to {recipe.hold} steps"
    if recipe.poll > 1:
        return f"{run.row.engine}: arrivals looked at every {recipe.poll} steps"
    return f"{run.row.engine}, {run.row.model}: token budget of a step"


def unrecorded(runs: Sequence[Run]) -> list[str]:
    """What the numbers point to without any script saying so."""
    return ["### What no row records", *_together(runs), *_cached(runs), *_queued(runs)]


def _together(runs: Sequence[Run]) -> list[str]:
    together = [run for run in runs if run.row.query.spread == 0.0]
    apart = _errors(together, lambda run: run.again(spread=_APART))
    return [
        f"*Slots that march in step* ({_who(together)}, {len(together)} rows): all requests are alike and the engine "
        "runs prompts in steps of their own, so that requests which start together end together, and nobody's "
        "decode is stalled by another's prompt. Predicted so, the median TPOT error is "
        f"{_median(_errors(together, Run.again), 0)}; with lengths that differ by {percent(_APART)} it would be "
        f"{_median(apart, 0)} (bias {_bias(apart, 0)})."
    ]


def _cached(runs: Sequence[Run]) -> list[str]:
    cached = _seem_cached(runs)
    by_share = {
        share: _errors(cached, lambda run, share=share: run.again(isl=run.row.query.isl * (1.0 - share)))
        for share in _CACHED
    }
    nearest = min(_CACHED, key=lambda share: sum(abs(float(np.median(e))) for e in by_share[share] if e))
    return [
        f"*Prompts that seem to be cached* ({_who(cached)}, {len(cached)} rows): of the shares tried, TTFT and TPOT "
        f"are nearest to those of a prompt of which {percent(nearest)} is not computed. The rows are predicted as "
        "labelled (the first line) and are among the worst.",
        table(["share cached", "TPOT median", "bias", "TTFT median", "bias"],
              [[percent(share), *_plain(found)] for share, found in by_share.items()]),
    ]  # fmt: skip


def _queued(runs: Sequence[Run]) -> list[str]:
    queued = [run for run in runs if run.row.query.recipe.extra]
    loads = [
        [f"{concurrency} in flight", f"{len(members)}",
         _middle([_excess_s(run, _without_extra(run)[1]) / _turn_s(run) for run in members], 2)]
        for concurrency, members in by(queued, lambda run: run.outcome.keys["concurrency"]).items()
    ]  # fmt: skip
    return [
        f"*One more in flight than slots* ({_who(queued)}, {len(queued)} rows): at light load TTFT is longer than "
        "predicted by the time between two requests that end, TPOT x output / C, as if one more request circulated "
        "than the engine had slots for. Excess of TTFT in that unit:",
        table(["", "rows", "median (middle 80 %)"], loads),
        f"Replayed with one slot less than requests the median TTFT error there is "
        f"{_median(_errors(queued, Run.again), 1)}, with as many {_median(_errors(queued, _without_extra), 1)}. The "
        "rule is inferred from the very rows it is applied to (`inferred` in `measure/recipes.toml`) and so proves "
        "nothing: it holds for this harness, engine and model only, the fits leave the TTFT of these rows out, and the "
        "columns *on rows fitted* above do without them.",
    ]


def _who(members: Sequence[Run]) -> str:
    return "; ".join(sorted({f"{r.row.engine}, {r.row.model}, {r.row.accelerator}" for r in members}))


def releases(runs: Sequence[Run], serving: dict[str, Any]) -> list[str]:
    """What newer software brought."""
    first, last = serving["evidence"]["software"]["released"]
    old, new = (np.array([run.again(released=month) for run in runs]) for month in (first, last))
    ratio = old / new
    texts = [
        f"{metric} {np.median(ratio[:, i]):.2f} times as long (middle 80 %: {np.quantile(ratio[:, i], 0.1):.2f} to "
        f"{np.quantile(ratio[:, i], 0.9):.2f})"
        for i, metric in enumerate(("TPOT", "TTFT"))
    ]
    per_year, error = serving["software"], serving.get("standard_error", {})
    factors = [
        f"{what} {per_year[key]:.2f} (± {percent(float(error.get(f'software.{key}', math.nan)))})"
        for what, key in (("overheads (launches, steps, routing) by", "overhead_per_year"),
                          ("the shares of compute rates by", "compute_per_year"))
    ]  # fmt: skip
    return [
        "### Software releases",
        f"A year of releases multiplies {' and '.join(factors)}. For the deployments of the clean rows the model "
        f"gives software of {first}, against {last}: {' and '.join(texts)}. Nothing is carried on beyond these "
        "months.",
    ]


def _ttft(run: Run) -> float:
    pair = run.pair("ttft")
    return math.nan if pair is None else pair.measured


def _excess_s(run: Run, predicted_ttft_s: float) -> float:
    return _ttft(run) - predicted_ttft_s


def _excess(run: Run, predicted_ttft_s: float) -> float:
    """Unexplained TTFT in token gaps."""
    return _excess_s(run, predicted_ttft_s) / run.row.tpot


def _without_extra(run: Run) -> tuple[float, float]:
    return run.again(recipe=replace(run.row.query.recipe, extra=0))


def _turn_s(run: Run) -> float:
    """Mean time between two requests that end: the wait for the next free slot."""
    return run.row.tpot * run.row.query.osl / run.row.query.concurrency


Errors = tuple[list[float], list[float]]


def _errors(runs: Sequence[Run], predicted: Callable[[Run], tuple[float, float]]) -> Errors:
    """Signed errors of TPOT and TTFT where they count."""
    found: Errors = ([], [])
    for run in runs:
        for column, (value, metric) in enumerate(zip(predicted(run), ("tpot", "ttft"), strict=True)):
            if (pair := run.pair(metric)) is not None:
                found[column].append(value / pair.measured - 1.0)
    return found


def _median(found: Errors, column: int) -> str:
    return percent(float(np.median(np.abs(found[column])))) if found[column] else "–"


def _bias(found: Errors, column: int) -> str:
    return percent(float(np.median(found[column])), signed=True) if found[column] else "–"


def _plain(found: Errors) -> list[str]:
    return [_median(found, 0), _bias(found, 0), _median(found, 1), _bias(found, 1)]


def _middle(values: Sequence[float], digits: int = 0) -> str:
    """Median and middle 80 %."""
    kept = np.array([v for v in values if math.isfinite(v)])
    if not kept.size:
        return "–"
    low, high = np.quantile(kept, (0.1, 0.9))
    return f"{np.median(kept):.{digits}f} (middle 80 %: {low:.{digits}f} to {high:.{digits}f})"
