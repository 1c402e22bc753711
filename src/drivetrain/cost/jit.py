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
        "serving/percentiles.py",
        "serving/correction.py",
        "serving/correction.json",
        "serving/waits.py",
        "serving/sweep.py",
        "serving/capacity.py",
        "serving/closed_loop.py",
        "serving/sim/draws.py",
        "serving/sim/records.py",
        "serving/sim/sketch.py",
    ):
        digest.update((package / module).read_bytes())
    for folder in ("serving/sim/kernel", "serving/policies"):
        for path in sorted((package / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_folder() / f"numba-{fingerprint()}"))

import numba  # noqa: E402 - reads NUMBA_CACHE_DIR at import


def jit(function: Callable[..., Any]) -> Any:  # noqa: ANN401 - numba's dispatcher has no useful type
    """Compile ``function`` on first use and keep the machine code; ``.py_func`` is the plain Python."""
    return numba.njit(cache=True, fastmath=False, nogil=True)(function)


def inner(function: Callable[..., Any]) -> Any:  # noqa: ANN401 - as above
    """Compile ``function`` as part of those that call it: not kept by itself, not to be called from Python.

    Quicker to compile and to load where many small functions make up one program.
    """
    return numba.njit(nogil=True, **_WITHOUT_WRAPPERS)(function)


_WITHOUT_WRAPPERS: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def compiled_before(folder: str = "*") -> bool:
    """Whether this machine already holds compiled code of this Python and these sources (of modules in ``folder``)."""
    return any(Path(os.environ["NUMBA_CACHE_DIR"]).glob(f"{folder}_*/*.nbi"))


_announcers: list[Callable[[str], None]] = []
_known: set[str] = set()


def announce_with(tell: Callable[[str], None]) -> None:
    """Have ``tell`` say, once and only where it is so, that compiling will take some seconds."""
    _announcers[:] = [tell]


def ready(folder: str = "*", how_long: str = "some seconds") -> None:
    """Call before the first use of compiled code; of modules in ``folder`` where that takes long by itself."""
    if _announcers and folder not in _known and not compiled_before(folder):
        _announcers[0](f"first run on this machine: compiling for {how_long}, kept in {cache_folder()}")
    _known.add(folder)
