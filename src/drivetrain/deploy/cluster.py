"""Where a plan lands: accelerators per host, their name in Kubernetes, the engine's image. Facts of deployment.toml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drivetrain.catalogue import loader
from drivetrain.catalogue.files import folders, read_toml, user_folder
from drivetrain.catalogue.hardware import Accelerator
from drivetrain.errors import UnsupportedError


@dataclass(frozen=True, slots=True)
class Named:
    """A name and whether it could be checked."""

    name: str
    unverified: bool = False
    note: str = ""


def host_accelerators(accelerator: str) -> int:
    """Accelerators that one operating system sees: of the largest server sold with it, or as stated for racks."""
    stated = _facts()["hosts"].get(accelerator)
    if stated is not None:
        return int(stated["accelerators"])
    servers = [s.n_accelerators for s in loader.load_all("servers").values() if s.accelerator == accelerator]
    return max(servers, default=1)


def resource_name(accelerator: str) -> Named:
    """The extended resource by which Kubernetes counts this accelerator."""
    part: Accelerator = loader.load("accelerators", accelerator)
    found = _facts()["resources"].get(part.name) or _facts()["resources"].get(part.vendor)
    if part.kind == "cpu" or found is None:
        raise UnsupportedError(
            f"{part.name} is no device that Kubernetes counts, so no manifest can ask for it. "
            "Plan for an accelerator with --accelerators, or start the engine by hand."
        )
    return _named(found)


def image(family: str, release: str, accelerator: str) -> Named:
    """The engine's image for this accelerator; a name to be replaced where none is known."""
    part: Accelerator = loader.load("accelerators", accelerator)
    found = _facts()["images"][family].get(part.vendor)
    if found is None:
        return Named(f"{family}:{release}", True, f"no published image is known for {part.vendor}: put your own")
    return _named(found, release)


def dynamo_image(family: str) -> Named:
    """The image of Dynamo's worker around the engine."""
    return _named(_facts()["images"]["dynamo"][family])


def _named(raw: dict[str, Any], release: str = "") -> Named:
    name = str(raw["name"]).replace("{release}", release)
    return Named(name, bool(raw.get("unverified", False)), str(raw.get("note", "")))


def _facts() -> dict[str, Any]:
    """deployment.toml, tables of the user's folder laid over the shipped ones."""
    merged: dict[str, Any] = {}
    for folder in folders(user_folder()):
        path = folder / "deployment.toml"
        if path.is_file():
            for table, rows in read_toml(path).items():
                merged[table] = merged.get(table, {}) | rows
    return merged
