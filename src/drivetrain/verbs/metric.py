"""Numbers of a plan by name: ``usd_per_million_output_tokens``, ``tpot_s.p95``, or their short names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from drivetrain.errors import BadInputError
from drivetrain.registry import suggest

SHORT = {
    "cost": "usd_per_million_output_tokens", "energy": "joules_per_output_token", "accelerators": "n_accelerators",
    "power": "power_w", "tokens_per_s": "output_tokens_per_s", "carbon": "carbon_g_per_million_output_tokens",
    "tokens-per-megawatt": "output_tokens_per_s_per_megawatt",
    **{f"{m}_{s}": f"{m}_s.{s}" for m in ("ttft", "tpot", "itl", "e2e") for s in ("mean", "p50", "p90", "p95", "p99")},
}  # fmt: skip
MAIN = (
    "usd_per_million_output_tokens", "usd_per_hour", "joules_per_output_token", "power_w", "n_accelerators",
    "output_tokens_per_s", "tokens_per_s_per_user", "ttft_s.p95", "tpot_s.p95", "e2e_s.p95",
)  # fmt: skip


def number_in(fields: Mapping[str, Any] | None, name: str) -> float | None:
    """The number called ``name`` in an answer's fields, ``None`` where it has none.

    >>> number_in({"ttft_s": {"p95": 0.5}}, "ttft_s.p95")
    0.5
    """
    value: Any = fields
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value if _is_number(value) else None


def metric_named(text: str, found: Sequence[Mapping[str, Any]]) -> str:
    """The full name of the number ``text`` in answers like those ``found``; unknown names get suggestions."""
    name = SHORT.get(text, text)
    if not found or any(name in dict(_numbers(fields)) for fields in found):
        return name
    known = [*SHORT, *(path for path, _ in _numbers(found[0]))]
    close = suggest(text, known, 2)
    hint = f"Did you mean {' or '.join(repr(c) for c in close)}?" if close else f"For example {', '.join(SHORT)}."
    raise BadInputError(f"there is no number '{text}' in a plan. {hint}")


def _numbers(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float | None]]:
    """Every number with its dotted name; those that are null too."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{name}.")
        elif value is None or _is_number(value):
            yield prefix + name, value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
