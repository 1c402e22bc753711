"""Scaling laws of the catalogue as records to compute with."""

from __future__ import annotations

from collections.abc import Iterable

from drivetrain.catalogue import scaling
from drivetrain.catalogue.scaling import MIXTURE, PARAMETRIC, REPEATED, ScalingLaw
from drivetrain.errors import BadInputError
from drivetrain.training.scaling.law import Law
from drivetrain.training.scaling.mixture import Mixture
from drivetrain.training.scaling.repeated import Repeated


def parametric(name: str = scaling.DEFAULT) -> Law:
    """The law called ``name``: ``L = e + a N^-alpha + b D^-beta``. Of a law of repetition: for tokens seen once.

    >>> f"{parametric().loss(70e9, 1.4e12):.3f}", f"{parametric('hoffmann-2022').loss(70e9, 1.4e12):.3f}"
    ('1.973', '1.921')
    """
    return Law(**_values(_entry(name, PARAMETRIC, REPEATED), ("e", "a", "b", "alpha", "beta")))


def repeated(name: str = "muennighoff-2023") -> Repeated:
    """The law called ``name``, of tokens seen again.

    >>> f"{repeated().loss(6.34e9, 242e9, 25e9):.4f}"
    '2.2256'
    """
    entry = _entry(name, REPEATED)
    return Repeated(parametric(name), **_values(entry, ("token_halflife", "param_halflife")))


def mixture(name: str = "ludziejewski-2025") -> Mixture:
    """The law called ``name``, of mixtures of experts."""
    entry = _entry(name, MIXTURE)
    return Mixture(**_values(entry, entry.coefficients))


def _entry(name: str, *forms: str) -> ScalingLaw:
    entry = scaling.law(name)
    if entry.form not in forms:
        fitting = [one.name for one in scaling.laws().values() if one.form in forms]
        raise BadInputError(
            f"the law '{entry.name}' is {entry.form}; {' or '.join(forms)} is needed: {', '.join(fitting)}."
        )
    return entry


def _values(entry: ScalingLaw, names: Iterable[str]) -> dict[str, float]:
    return {name: entry.value(name) for name in names}
