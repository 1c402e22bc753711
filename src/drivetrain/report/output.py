"""Machine-readable output: one JSON object, or CSV rows."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any


def as_json(value: Any) -> str:  # noqa: ANN401 - anything JSON takes
    """Indented JSON; NaN and infinity never appear (they are null)."""
    return json.dumps(value, indent=2, allow_nan=False, default=str)


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV: nested objects become dotted columns, lists JSON."""
    flat = [flatten(row) for row in rows]
    columns = list(dict.fromkeys(name for row in flat for name in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return buffer.getvalue()


def flatten(row: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested objects as dotted names.

    >>> flatten({"ttft_s": {"mean": 0.2}, "tp": 8})
    {'ttft_s.mean': 0.2, 'tp': 8}
    """
    out: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            out |= flatten(value, f"{prefix}{key}.")
        else:
            out[f"{prefix}{key}"] = json.dumps(value) if isinstance(value, (list, tuple)) else value
    return out
