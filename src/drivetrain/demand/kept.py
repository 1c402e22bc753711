"""The table of productivities kept on disk beside compiled code: under a name that every input of it goes into.

The name is a digest of the arguments (classes, parts with all their rates, states), the models and engines named by
them, the calibration in use and the sources of the serving model; whatever changes, the table is computed anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.catalogue import loader
from drivetrain.cost.efficiency import calibration
from drivetrain.cost.jit import cache_folder

Floats = NDArray[np.float64]
Found = tuple[Floats, Floats, dict[tuple[str, str, str], str]]
_SOURCES = ("arch", "comms", "cost", "serving", "demand/served.py")
_CALIBRATIONS = ("serving", "power", "collectives", "kernels", "published", "lineage")


def kept(compute: Callable[..., Found], *arguments: Any) -> Found:  # noqa: ANN401 - as compute takes them
    """``compute(*arguments)``, read from disk where the same was computed before."""
    path = cache_folder() / f"productivity-{_digest(arguments)}.json"
    found = _read(path)
    if found is None:
        found = compute(*arguments)
        _write(path, found)
    return found


def _digest(arguments: Sequence[Any]) -> str:
    cases, _, _, _, engine, _ = arguments
    models = [loader.load("models", name) for name in sorted({name for case in cases for name in case.models})]
    fits = [calibration(name) for name in _CALIBRATIONS]
    text = repr((arguments, models, loader.load("engines", engine), fits, loader.economics()["pue"]))
    return hashlib.sha256(f"{_sources()}{text}".encode()).hexdigest()[:16]


@cache
def _sources() -> str:
    package = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for name in _SOURCES:
        path = package / name
        for source in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(source.read_bytes())
    return digest.hexdigest()


def _read(path: Path) -> Found | None:
    """What is kept at ``path``; None where nothing sound is."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        layouts = {(a, b, c): layout for a, b, c, layout in raw["layouts"]}
        return np.array(raw["work"], dtype=np.float64), np.array(raw["joules"], dtype=np.float64), layouts
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, found: Found) -> None:
    """Keep ``found``; a folder that cannot be written to costs the time again, nothing else."""
    work, joules, layouts = found
    raw = {"work": work.tolist(), "joules": joules.tolist(), "layouts": [[*key, text] for key, text in layouts.items()]}
    partial = path.with_suffix(f".{id(found)}.part")
    try:
        partial.write_text(json.dumps(raw), encoding="utf-8")
        partial.replace(path)
    except OSError:
        return
