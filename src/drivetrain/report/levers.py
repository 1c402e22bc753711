"""Levers of a plan for people: what each would save and what it keeps of the quality, the best pair, the frontier."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from drivetrain.units import number

_ROWS = 4
_WORTH = 0.005
_NAME = 36
_INDENT = " " * 12
_MATCHED = {"measured on this model": "this model", "on its family": "its family",
            "on models of like size": "like size", "product of several": "product"}  # fmt: skip
_NEVER_PAIRED = ("model", "disaggregation", "prefix", "slo", "target")
_CHEAPER = {
    "usd_per_million_tokens_full_load": "cheaper per token at full load",
    "joules_per_output_token_full_load": "less energy per token at full load",
    "provisioned_joules_per_output_token": "fewer provisioned watts per token/s",
}


def lever_lines(answer: Mapping[str, Any], width: int) -> Iterator[Text]:
    """A few lines: levers by what they gain, the best pair, and what less quality costs less."""
    rows = [row for row in answer["levers"] if row["gain_frac"] > _WORTH and not row.get("unverified")]
    alone = _distinct(row for row in rows if not row.get("pair"))[:_ROWS]
    if alone:
        metric = _CHEAPER.get(alone[0]["metric"], "better at full load")
        yield Text(f"{'levers':<12}{metric:<{_NAME}}       kept (* with --allow)"[:width])
        for row in alone:
            other = "" if row["metric"] == alone[0]["metric"] else f" ({_CHEAPER[row['metric']].split(' for ')[0]})"
            yield Text(f"{_INDENT}{_short(row['lever'], _NAME):<{_NAME}}{_gain(row):>5}  {_kept(row)}{other}"[:width])
    single = (row for row in rows if not row.get("pair") and str(row.get("kind")).split()[0] not in _NEVER_PAIRED)
    best = max((row["gain_frac"] for row in single), default=0.0)
    yield from _pairs([row for row in rows if row.get("pair") and row["gain_frac"] > best], width)
    yield from _frontier(answer, width)


def _pairs(pairs: Sequence[Mapping[str, Any]], width: int) -> Iterator[Text]:
    """The best pair, and the best that keeps outputs where that is another; only what beats every single lever."""
    exact = next((row for row in pairs if not row["changes_output"]), None)
    shown = [("best pair", pairs[0])] if pairs else []
    if exact is not None and exact is not pairs[0]:
        shown.append(("", exact))
    for title, row in shown:
        yield Text(f"{title:<12}{_short(row['lever'], _NAME):<{_NAME}}{_gain(row):>5}  {_kept(row)}"[:width])


def _frontier(answer: Mapping[str, Any], width: int) -> Iterator[Text]:
    """Cost over the day against the share of the benchmark score that is kept."""
    rows: list[Mapping[str, Any]] = list(answer.get("quality_frontier") or [])
    if len(rows) < 2:
        return
    alone = answer["scenario"]["levers"] != "all" and len({row["accelerator"] for row in rows}) == 1
    where = f"on {rows[0]['accelerator']}" if alone else "everywhere"
    points = [
        f"{number(100 * row['recovery_frac'])} % ${number(row['usd_per_million_output_tokens'])} ({row['label']})"
        for row in rows
    ]
    text = f"kept, $/Mtok over the day, searched {where}: " + "; ".join(p.replace(" ", "\u00a0") for p in points)
    for i, line in enumerate(textwrap.wrap(text, width - 12, break_on_hyphens=False)):
        yield Text(f"{'quality' if i == 0 else '':<12}{line}".replace("\u00a0", " "))


def _distinct(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """One of each kind: what saves most, of about equals what keeps most; of other models what keeps most."""
    found: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        kind = str(row.get("kind") or row["lever"])
        if kind not in found or _rank(row) > _rank(found[kind]):
            found[kind] = row
    return sorted(found.values(), key=lambda row: -float(row["gain_frac"]))


def _rank(row: Mapping[str, Any]) -> tuple[float, float]:
    kept = (row["quality_delta"] or {}).get("recovery") or 0.0
    gain = round(row["gain_frac"], 2)
    return (kept, gain) if row.get("kind") == "model" else (gain, kept)


def _gain(row: Mapping[str, Any]) -> str:
    return f"{number(100 * row['gain_frac'], 2)} %"


def _kept(row: Mapping[str, Any]) -> str:
    """What is left of the score, on how many benchmarks, measured on what."""
    if not row["changes_output"]:
        return "outputs unchanged"
    quality = row["quality_delta"] or {}
    left = quality.get("recovery")
    if left is None:
        return "unknown *"
    evidence = "unverified" if quality["unverified"] else _MATCHED.get(quality["matched"], quality["matched"])
    return f"{number(100 * left)} % * ({quality['n']}, {evidence})"


def _short(text: str, most: int) -> str:
    return text if len(text) < most else text[: most - 2] + "…"
