"""Where catalogue files are: the shipped data folder, and over it the user's."""

from __future__ import annotations

import os
import tomllib
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from drivetrain.errors import BadInputError, FileError

ENVIRONMENT = "DRIVETRAIN_CATALOGUE"


def user_folder() -> str:
    """Return the folder named by DRIVETRAIN_CATALOGUE, empty where unset."""
    return os.environ.get(ENVIRONMENT, "")


def folders(user: str) -> list[Traversable]:
    """Return the shipped data folder and, where set, the user's, which wins."""
    shipped = [files("drivetrain.catalogue") / "data"]
    if not user:
        return shipped
    if not Path(user).is_dir():
        raise FileError(f"{user}: the folder named by {ENVIRONMENT} does not exist. Create it or unset the variable.")
    return [*shipped, Path(user)]


@cache
def files_of(kind: str, user: str) -> dict[str, Traversable]:
    """Map entry names to their files, the user's laid over the shipped ones."""
    found: dict[str, Traversable] = {}
    for folder in folders(user):
        place = folder / kind
        if place.is_dir():
            found |= {path.name[:-5]: path for path in place.iterdir() if path.name.endswith(".toml")}
    if not found:
        raise BadInputError(f"there are no {kind} in the catalogue yet.")
    return found


def read_toml(path: Traversable) -> dict[str, Any]:
    """Parse a TOML file; whatever is wrong with it becomes a :class:`FileError`."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise FileError(f"{path}: not valid TOML: {error}. Mend that line.") from None
    except FileNotFoundError:
        raise FileError(f"{path}: no such file. Check the path.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: cannot be read: {error}.") from None


def overlaid(stem: str, user: str) -> list[tuple[Traversable, dict[str, Any]]]:
    """Return the tables of all files ``<stem>*.toml`` of both folders, the shipped ones first."""
    found: list[tuple[Traversable, dict[str, Any]]] = []
    for folder in folders(user):
        paths = [path for path in folder.iterdir() if path.name.startswith(stem) and path.name.endswith(".toml")]
        found += [(path, read_toml(path)) for path in sorted(paths, key=lambda path: path.name)]
    return found
