"""Machine-readable output: one JSON object, or CSV rows."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drivetrain.errors import FileError


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


def write_whole(path: Path, content: str | bytes) -> None:
    """Write ``content`` so that ``path`` holds all of it or what it held before, never a part."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.absolute().parent, prefix=f".{path.name}.", delete=False) as part:
            temporary = Path(part.name)
            try:
                part.write(content.encode() if isinstance(content, str) else content)
                part.flush()
                temporary.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror or error}.") from None


def _umask() -> int:
    now = os.umask(0o077)
    os.umask(now)
    return now
