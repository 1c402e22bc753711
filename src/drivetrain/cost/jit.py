"""Compile once, keep the result, say so: numba with a cache folder that always works.

The first call on a machine compiles for some seconds; the code is then kept beside the package, or in the user's cache
folder where the install is read-only: :func:`announce_with` lets an interface say so beforehand.
"""

from __future__ import annotations

import getpass
import hashlib
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


def fingerprint() -> str:
    """A name for the compiled modules' sources: numba looks at one file at a time, but they call each other."""
    package = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256(f"{sys.version_info}".encode())
    for module in (
        "arch/step.py",
        "cost/compiled.py",
        "cost/kernel.py",
        "serving/kernel.py",
        "serving/sweep.py",
        "serving/capacity.py",
        "serving/closed_loop.py",
    ):
        digest.update((package / module).read_bytes())
    return digest.hexdigest()[:12]


os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_folder() / f"numba-{fingerprint()}"))

import numba  # noqa: E402 - reads NUMBA_CACHE_DIR at import


def jit(function: Callable[..., Any]) -> Any:  # noqa: ANN401 - numba's dispatcher has no useful type
    """Compile ``function`` on first use and keep the machine code; ``.py_func`` is the plain Python."""
    return numba.njit(cache=True, fastmath=False, nogil=True)(function)


def compiled_before() -> bool:
    """Whether this machine already holds compiled code of this Python and these sources."""
    folder = Path(os.environ["NUMBA_CACHE_DIR"])
    return folder.is_dir() and any(folder.rglob("*.nbi"))


_announcers: list[Callable[[str], None]] = []


def announce_with(tell: Callable[[str], None]) -> None:
    """Have ``tell`` say, once and only where it is so, that compiling will take some seconds."""
    _announcers[:] = [tell]


def ready() -> None:
    """Call before the first use of compiled code."""
    if _announcers and not compiled_before():
        _announcers[0](f"first run on this machine: compiling for some seconds, kept in {cache_folder()}")
    _announcers.clear()
