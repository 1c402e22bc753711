"""The coefficients of the shipped serving calibration, on one page, with what they rest on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from accuracy_page.text import percent, table
from drivetrain.measure.coefficients import Free, coefficients, lookup
from drivetrain.units import number, show

_UNMOVED = 0.9  # of the prior's width: where the error is still as large, the rows say nothing of a coefficient


def section(serving: Mapping[str, Any]) -> list[str]:
    """Two tables: values with standard errors, and the evidence of each section."""
    generations = [name for name, t in serving["generation"].items() if t.get("fitted")]
    engines = [name for name, t in serving["engine"].items() if t.get("fitted")]
    free = {one.key: one for one in coefficients(generations, engines)}
    columns = [*(f"generation.{name}" for name in generations), *(f"engine.{name}" for name in engines)]
    columns = [c for c in columns if any(one.section == c for one in free.values())]
    names = [one.name for one in free.values() if one.section == "base"]
    rows = [
        [
            f"`{name}`",
            _cell(serving, free.get(f"base.{name}")),
            *(_cell(serving, free.get(f"{c}.{name}")) for c in columns),
        ]
        for name in names
    ]
    assumed = [name for name in serving["base"] if name not in names]
    rows += [
        [f"`{name}`", f"{_value(name, float(serving['base'][name]))}, assumed", *[""] * len(columns)]
        for name in assumed
    ]
    software = [
        [f"`{one.name}`", _cell(serving, one), *[""] * len(columns)]
        for one in free.values()
        if one.section == "software"
    ]
    count = sum(_moved(serving, one) for one in free.values())
    return [
        "### Coefficients",
        f"All {len(free)} of the serving fit, pooled over models: values of `base`, factors on them by hardware "
        "generation and engine family (vLLM is the reference), factors of a year of releases. ± is the standard "
        f"error of the logarithm; *in italics* the {len(free) - count} that the rows leave as wide as the prior, "
        "because they say nothing of them or only of their product with a factor beside them. What each means: "
        "[step time](step-time.md).",
        table(["", "base", *(c.partition(".")[2] for c in columns)], [*rows, *software]),
        _carried(serving, free),
        table(["section", "n", "accelerators", "software", "released", "weights", "in flight", "input", "output",
               "accelerators of a replica"], list(_evidence(serving.get("evidence", {})))),
        _fit(serving.get("fit", {})),
    ]  # fmt: skip


def _cell(serving: Mapping[str, Any], one: Free | None) -> str:
    if one is None:
        return ""
    value, error = lookup(serving, one), serving.get("standard_error", {}).get(one.key, math.nan)
    if value is None:
        return "–"
    shown = _value(one.name, value) if one.section == "base" else number(value, 3)
    text = f"{shown} ± {100 * float(error):.0f} %"
    return text if _moved(serving, one) else f"*{text}*"


def _carried(serving: Mapping[str, Any], free: Mapping[str, Free]) -> str:
    """Factors that act on predictions though no fit moved them."""
    found = [
        f"`{kind}.{name}.{key}` {number(float(value), 3)}"
        for kind in ("generation", "engine") for name, factors in serving[kind].items()
        for key, value in factors.items()
        if not isinstance(value, bool) and f"{kind}.{name}.{key}" not in free
    ]  # fmt: skip
    return f"Factors in the file that this fit did not move: {', '.join(found)}." if found else ""


def _value(name: str, value: float) -> str:
    return (
        show(value, "s")
        if name.endswith("_s")
        else show(value, "bytes")
        if name.endswith("_bytes")
        else number(value, 3)
    )


def _moved(serving: Mapping[str, Any], one: Free) -> bool:
    """Whether the rows narrowed the prior at all."""
    return float(serving.get("standard_error", {}).get(one.key, math.inf)) < _UNMOVED * one.sigma


def _evidence(evidence: Mapping[str, Any]) -> Iterable[list[str]]:
    for section, e in evidence.items():
        yield [f"`{section}`", f"{e['n']:,}", _list(e["accelerators"]), _list(e["software"]), _range(e["released"]),
               _list(e["weights"]), *(_range(e[k]) for k in ("concurrency", "input_tokens", "output_tokens",
                                                             "accelerators_per_replica"))]  # fmt: skip


def _list(values: Iterable[object]) -> str:
    return ", ".join(str(v) for v in values)


def _range(ends: list[Any]) -> str:
    if not ends:
        return ""
    first, last = (f"{v:,}" if isinstance(v, int) else str(v) for v in (ends[0], ends[-1]))
    return first if first == last else f"{first} to {last}"


def _fit(fit: Mapping[str, Any]) -> str:
    texts = []
    for metric in ("tpot", "ttft"):
        found = [fit.get(f"{metric}_{name}_in_sample") for name in ("median_abs", "mean_abs", "p90_abs")]
        if all(isinstance(v, float) for v in found):
            texts.append(f"{metric.upper()} {' / '.join(percent(float(v)) for v in found if v is not None)}")
    return (
        f"In sample, median / mean / P90 over the {fit.get('n', 0):,} rows as the fit reads them: {', '.join(texts)}."
    )
