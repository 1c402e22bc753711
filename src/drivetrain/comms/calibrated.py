"""From a parsed ``collectives.toml`` to :class:`~drivetrain.comms.coefficients.Coefficients`."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

from drivetrain.comms.assumed import DATASHEET
from drivetrain.comms.coefficients import NETWORK, Coefficients, LinkFit, Op, Regime
from drivetrain.errors import FileError

_FALLBACK_LIBRARIES = ("engine", "nccl")


def coefficients_from(raw: Mapping[str, Any], library: str = "engine") -> Coefficients:
    """Read a parsed ``collectives.toml``: the ``[[fit]]`` tables of ``library``.

    What the library does not cover (an operation, a link family, or the network) comes from ``engine``, all engines
    pooled; what no engine has of its own from ``nccl``, then from the assumed datasheet values. Raises
    :class:`~drivetrain.errors.FileError` on a missing field, a value out of range or an unknown library.
    """
    try:
        fits = [(str(table["library"]), _read(table)) for table in raw["fit"]]
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(f"collectives calibration: cannot read {error!r}. Fit it again.") from error
    known = sorted({name for name, _ in fits})
    if library not in known:
        raise FileError(f"collectives calibration has no library '{library}'. It has {', '.join(known)}.")
    chosen: list[LinkFit] = []
    for name in dict.fromkeys((library, *_FALLBACK_LIBRARIES)):
        covered, links = _covered(chosen), {(fit.op, fit.link) for fit in chosen}
        for own, fit in fits:
            if own == name and ((fit.op, fit.link == NETWORK) not in covered or _pooled(name, fit, links)):
                chosen.append(fit)
    links = {(fit.op, fit.link) for fit in chosen}
    chosen += [fit for fit in DATASHEET.fits if (fit.op, fit.link) not in links]
    return Coefficients(library, tuple(chosen))


def _read(table: Mapping[str, Any]) -> LinkFit:
    regimes = tuple(Regime(**regime) for regime in table["regimes"])
    return LinkFit(table["op"], str(table["link"]), regimes, float(table.get("sharing", 0.0)))


def _covered(fits: Iterable[LinkFit]) -> set[tuple[Op, bool]]:
    return {(fit.op, fit.link == NETWORK) for fit in fits}


def _pooled(name: str, fit: LinkFit, links: Container[tuple[Op, str]]) -> bool:
    """Whether other engines' fit stands in on a link family that a library was not measured on."""
    return name == "engine" and fit.op == "all_reduce" and (fit.op, fit.link) not in links
