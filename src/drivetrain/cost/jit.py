"""Compile once, keep the result, say so: numba with a cache folder that always works.

The first call on a machine compiles for some seconds; the code is then kept beside the package, or in the user's cache
folder where the install is read-only. ``announce`` is called before a compile that will take long.
"""

from __future__ import annotations

import getpass
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def cache_folder() -> Path:
    """Where compiled code is kept: ``$DRIVETRAIN_CACHE``, else the user's cache folder, else a temporary one."""
    base = os.environ.get("DRIVETRAIN_CACHE") or os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    for candidate in (
        Path(base) / "drivetrain",
        Path(tempfile.gettempdir()) / f"drivetrain-{getpass.getuser()}",
    ):
        try:
            candidate.mkdir(parents=True, exist_ok=True)
            probe = candidate / ".writable"
            probe.touch()
            probe.unlink()
        except OSError:
            continue
        return candidate
    return Path(tempfile.mkdtemp(prefix="drivetrain-"))


os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_folder() / f"numba-py{sys.version_info[0]}{sys.version_info[1]}"))

import numba  # noqa: E402 - reads NUMBA_CACHE_DIR at import


def jit(function: Callable[..., Any]) -> Any:  # noqa: ANN401 - numba's dispatcher has no useful type
    """Compile ``function`` on first use and keep the machine code; ``.py_func`` is the plain Python."""
    return numba.njit(cache=True, fastmath=False, nogil=True)(function)


def compiled_before() -> bool:
    """Whether this machine already holds compiled code of this Python and package."""
    folder = Path(os.environ["NUMBA_CACHE_DIR"])
    return folder.is_dir() and any(folder.rglob("*.nbi"))
