"""Scaling laws as published or refitted: coefficients, where fitted, how sure. Facts of ``scaling.toml``.

A law has a *form* (the equation its coefficients stand in), the *data* whose loss it gives (losses of different data
are not comparable) and, where somebody drew it again many times, the mean and covariance of those draws in
``ln e, ln a, ln b, alpha, beta``. ``drivetrain fit scaling --out`` writes a law of one's own in the same shape; any
``scaling*.toml`` in the user's folder is laid over the shipped one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from drivetrain.catalogue.fact import KINDS, Fact
from drivetrain.catalogue.files import overlaid, user_folder
from drivetrain.catalogue.stated import Stated
from drivetrain.catalogue.table import Table
from drivetrain.errors import FileError, UnknownNameError
from drivetrain.registry import slug, suggest

PARAMETRIC, REPEATED, MIXTURE = "parametric", "repeated", "mixture"
COEFFICIENTS = {
    PARAMETRIC: ("e", "a", "b", "alpha", "beta"),
    REPEATED: ("e", "a", "b", "alpha", "beta", "token_halflife", "param_halflife"),
    MIXTURE: ("c", "a", "delta", "alpha", "gamma", "b", "omega", "beta", "zeta"),
}
DRAWN = ("ln_e", "ln_a", "ln_b", "alpha", "beta")
STEM = "scaling"
DEFAULT = "chinchilla"


@dataclass(frozen=True, slots=True)
class Fitted:
    """Where the runs of a fit lie: lowest and highest active parameters, tokens, training FLOPs, tokens per parameter.

    None: not published. A lowest of 0: only the highest is.
    """

    params: tuple[float, float] | None
    tokens: tuple[float, float] | None
    flops: tuple[float, float] | None
    tokens_per_param: tuple[float, float] | None
    n_runs: int
    stated: Stated


@dataclass(frozen=True, slots=True)
class Draws:
    """Mean and covariance of bootstrap draws, in the order of ``DRAWN``."""

    mean: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    stated: Stated


@dataclass(frozen=True, slots=True)
class ScalingLaw:
    """One law. ``loss_error`` and ``ratio_error``: what its form gets wrong per decade of compute beyond the fit.

    Standard deviations of ``ln L`` and of ``ln (D*/N*)``, from fits without the highest decades; ``run_error``:
    standard deviation of ``ln L`` of single runs.
    """

    name: str
    aliases: tuple[str, ...]
    title: str
    form: str
    data: str
    coefficients: Mapping[str, Fact]
    fitted: Fitted | None
    draws: Draws | None
    run_error: Fact | None
    loss_error: Fact | None
    ratio_error: Fact | None
    notes: str

    def value(self, coefficient: str) -> float:
        """The number of one coefficient."""
        return self.coefficients[coefficient].value

    @property
    def unverified(self) -> bool:
        """Whether any coefficient could not be confirmed."""
        return any(fact.unverified for fact in self.coefficients.values())


def law(name: str = DEFAULT) -> ScalingLaw:
    """The law called ``name``, in any spelling.

    >>> law("Besiroglu 2024").name, law("hoffmann-2022").data
    ('chinchilla', 'massivetext')
    """
    known = laws()
    found = _index(user_folder()).get(slug(name))
    if found is None:
        raise UnknownNameError("scaling law", name, suggest(slug(name), known, 3), f"Laws: {', '.join(known)}.")
    return known[found]


def laws() -> dict[str, ScalingLaw]:
    """Every law by its name, those of the user's folder over the shipped ones."""
    return dict(_laws(user_folder()))


def facts() -> Iterator[tuple[str, Fact | Stated]]:
    """Every sourced value by law and field, for the check of the catalogue."""
    for name, one in laws().items():
        yield from ((f"{name}.{key}", fact) for key, fact in one.coefficients.items())
        parts = {"fitted": one.fitted and one.fitted.stated, "draws": one.draws and one.draws.stated,
                 "run_error": one.run_error, "loss_error": one.loss_error, "ratio_error": one.ratio_error}  # fmt: skip
        yield from ((f"{name}.{key}", part) for key, part in parts.items() if part)


@cache
def _laws(user: str) -> Mapping[str, ScalingLaw]:
    found: dict[str, ScalingLaw] = {}
    for path, tables in overlaid(STEM, user):
        top = Table(tables, str(path))
        for name, raw in top.take("laws").items():
            found[name] = _read(name, Table(raw, f"{path}: laws.{name}"))
        top.done()
    return found


@cache
def _index(user: str) -> Mapping[str, str]:
    index: dict[str, str] = {}
    for one in _laws(user).values():
        index |= {slug(alias): one.name for alias in (one.name, *one.aliases)}
    return index


def _read(name: str, table: Table) -> ScalingLaw:
    form = table.text("form", among=COEFFICIENTS)
    rows = table.table("coefficients")
    record = ScalingLaw(
        name=name,
        aliases=table.texts("aliases", ()),
        title=table.text("title"),
        form=form,
        data=table.text("data"),
        coefficients={key: rows.fact(key, "1") for key in COEFFICIENTS[form]},
        fitted=_fitted(table.table("fitted")) if "fitted" in table else None,
        draws=_draws(table.table("draws")) if "draws" in table else None,
        run_error=table.optional_fact("run_error", "1"),
        loss_error=table.optional_fact("loss_error", "1"),
        ratio_error=table.optional_fact("ratio_error", "1"),
        notes=table.text("notes", ""),
    )
    rows.done()
    table.done()
    return record


def _fitted(table: Table) -> Fitted:
    record = Fitted(
        params=_span(table, "params"),
        tokens=_span(table, "tokens"),
        flops=_span(table, "flops"),
        tokens_per_param=_span(table, "tokens_per_param"),
        n_runs=table.count("n_runs"),
        stated=_stated(table),
    )
    table.done()
    return record


def _span(table: Table, key: str) -> tuple[float, float] | None:
    if key not in table:
        return None
    low, high = _numbers(table, key, 2)
    if not 0 <= low <= high or high == 0:
        raise FileError(f"{table.field(key)} is {low:g} to {high:g}; write the lowest and the highest run.")
    return low, high


def _draws(table: Table) -> Draws:
    n = len(DRAWN)
    rows = table.take("covariance")
    if not isinstance(rows, list) or len(rows) != n:
        raise FileError(f"{table.field('covariance')} needs {n} rows, of {', '.join(DRAWN)}.")
    covariance = tuple(_numbers(Table({"row": row}, table.field("covariance")), "row", n) for row in rows)
    record = Draws(_numbers(table, "mean", n), covariance, _stated(table))
    table.done()
    return record


def _numbers(table: Table, key: str, n: int) -> tuple[float, ...]:
    values = table.take(key)
    if not isinstance(values, list) or len(values) != n or not all(_is_number(v) for v in values):
        raise FileError(f"{table.field(key)} needs a list of {n} numbers, not {values!r}.")
    return tuple(float(v) for v in values)


def _is_number(value: Any) -> bool:  # noqa: ANN401 - straight from TOML
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _stated(table: Table) -> Stated:
    return Stated(table.text("source"), table.text("seen"), table.text("kind", among=KINDS),
                  table.flag("unverified", False), table.text("note", ""))  # fmt: skip
