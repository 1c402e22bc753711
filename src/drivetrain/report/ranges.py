"""80 % ranges for people: ``$0.61 (0.52–0.73)``, why they are wide, and whether the ranking holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivetrain.units import number, parse, show
from drivetrain.verbs.moves import NO_LOAD

_DIGITS = 2
_KIND = {
    "known": "settings like those measured",
    "new_model": "a model that was not measured",
    "new_accelerator": "an accelerator or engine that was not measured",
    "assumed": "beyond what was measured",
}
_MOST_NOTES = 2
_WORDS = {"usd_per_million_output_tokens": "cheapest", "joules_per_output_token": "least energy",
          "n_accelerators": "fewest accelerators", "provisioned_power_w": "most tokens per megawatt"}  # fmt: skip


def with_range(text: str, value: float | None, low: float | None, high: float | None, unit: str = "") -> str:
    """``text``, which shows ``value`` in ``unit``, with its range in the same unit; plain where nothing can move.

    >>> with_range("437 ms", 0.437, 0.262, 0.731, "s")
    '437 ms (262–731)'
    >>> with_range("$0.61", 0.61, 0.52, None)
    '$0.61 (0.52 or more)'
    >>> with_range("$4.2", 4.2, 4.2, 4.2)
    '$4.2'
    """
    if value is None or (low is None and high is None) or low == value == high:
        return text
    factor = parse(f"1 {text.split()[-1]}", unit) if unit else 1.0
    ends = ["" if end is None else _short(end / factor, value / factor) for end in (low, high)]
    return f"{text} ({ends[0]}–{ends[1]})" if all(ends) else f"{text} ({ends[0]} or more)"


def _short(end: float, value: float) -> str:
    """Two figures, or three where rounding would carry the end past the value."""
    rounded = float(f"{end:.{_DIGITS - 1}e}")
    return number(end, _DIGITS if (rounded <= value) == (end <= value) else _DIGITS + 1)


def latency_mean(latency: Mapping[str, Any]) -> str:
    """A latency's mean with its range."""
    mean = latency["mean"]
    return with_range(show(mean, "s"), mean, latency.get("mean_p10"), latency.get("mean_p90"), "s")


def ranged(f: Mapping[str, Any], name: str, prefix: str = "") -> str:
    """A figure with its range, ``–`` where it is unknown."""
    value = f[name]
    text = "–" if value is None else f"{prefix}{number(value)}"
    return with_range(text, value, f.get(f"{name}_p10"), f.get(f"{name}_p90"))


def ranged_in(f: Mapping[str, Any], name: str, unit: str) -> str:
    """A figure in its unit with its range."""
    value = f[name]
    text = "–" if value is None else show(value, unit)
    return with_range(text, value, f.get(f"{name}_p10"), f.get(f"{name}_p90"), unit)


def range_line(f: Mapping[str, Any]) -> str:
    """What ranges are and why they are so wide; alone where there is one, why they have no end.

    >>> range_line({"range_kind": "known", "range_notes": ["a new engine", NO_LOAD]})
    'ranges    80 %, at the slow end no load keeps the targets; 1 more in the JSON'
    """
    notes = list(f.get("range_notes", ()))
    shown = [note for note in notes if note.startswith(NO_LOAD)] or notes[:_MOST_NOTES]
    more = f"; {len(notes) - len(shown)} more in the JSON" if len(notes) > len(shown) else ""
    why = "; ".join(shown) or _KIND[f["range_kind"]]
    return f"ranges    80 %, {why}{more}"


def ranking_line(found: Mapping[str, Any] | None) -> str:
    """Whether the best accelerator really is; nothing where there is no other.

    >>> ranking_line({"metric": "usd_per_million_output_tokens", "runner_up": "h200", "probability": 0.71})
    'ranking     cheapest in about 7 of 10 worlds; runner-up h200'
    """
    if not found:
        return ""
    metric, of_ten = _WORDS.get(found["metric"], "fastest"), round(10 * found["probability"])
    often = "nearly all worlds" if of_ten == 10 else f"about {of_ten} of 10 worlds"
    return f"ranking     {metric} in {often}; runner-up {found['runner_up']}"
