"""Where a picture goes: checked before anything is computed, written whole, the same bytes for the same answer."""

from __future__ import annotations

import io
import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from drivetrain.errors import FileError, UnsupportedError
from drivetrain.report.figures.style import styled
from drivetrain.report.output import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What each kind of file would otherwise tell about when and by which version of a library it was made.
_METADATA: dict[str, dict[str, str | None]] = {
    ".svg": {"Date": None, "Creator": "Drivetrain"},
    ".png": {"Software": "Drivetrain"},
    ".pdf": {"CreationDate": None, "Creator": "Drivetrain", "Producer": None},
}
_PNG_DPI = 150


def checked(name: str) -> Path:
    """The path of a picture to be made; errors tell early what would stop it."""
    path = Path(name)
    if path.suffix.lower() not in _METADATA:
        raise FileError(f"{name}: pictures are drawn as {', '.join(_METADATA)}. Give a file name that ends so.")
    if path.is_dir():
        raise FileError(f"{name}: is a folder. Give the name of a file in it.")
    if not path.absolute().parent.is_dir():
        raise FileError(f"{name}: there is no folder {path.parent}. Make it first.")
    if not os.access(path.absolute().parent, os.W_OK):
        raise FileError(f"{name}: cannot be written there. Choose another place.")
    if find_spec("matplotlib") is None:
        raise UnsupportedError("pictures are drawn by matplotlib, which is missing: pip install 'drivetrain[plot]'")
    return path


def save(figure: Figure, path: Path) -> None:
    """Write ``figure`` to ``path``, over a file that is there; all of it or nothing."""
    kind = path.suffix.lower()
    buffer = io.BytesIO()
    with styled():
        figure.savefig(buffer, format=kind[1:], dpi=_PNG_DPI, metadata=_METADATA[kind])
    write_whole(path, buffer.getvalue())
