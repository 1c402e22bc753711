"""TOML tables of workload profiles -> :class:`Workload`, and the workload of fixed lengths."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import Any

from drivetrain.catalogue.table import Table
from drivetrain.catalogue.workload import RequestClass, Workload
from drivetrain.errors import BadInputError, FileError

EVIDENCE = ("measured", "assumed")
MEAN_TOLERANCE = 0.005
FLAT_DAY = (1.0,) * 24
_FOR_THE_READER = ("licence", "arrivals", "class_error", "prefix_lru")
_QUANTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?)")


def read_workload(raw: dict[str, Any], where: str) -> Workload:
    """Build a :class:`Workload` from its TOML table.

    Needed are name, title, evidence, source, seen and ``classes``, rows of ``[share, isl, osl]``. The tables
    ``isl`` and ``osl`` hold ``mean`` and quantiles (``p5 ... p99, max``); their means must be those of the
    classes within 0.5 %.
    """
    table = Table(raw, where)
    classes = _classes(table.take("classes"), table.field("classes"))
    isl_mean, isl_quantiles = _lengths(table, "isl", sum(c.weight * c.isl for c in classes))
    osl_mean, osl_quantiles = _lengths(table, "osl", sum(c.weight * c.osl for c in classes))
    record = Workload(
        name=table.text("name"),
        aliases=table.texts("aliases", ()),
        title=table.text("title"),
        evidence=table.text("evidence", among=EVIDENCE),
        source=table.text("source"),
        seen=str(table.take("seen")),
        isl_mean=isl_mean,
        osl_mean=osl_mean,
        isl_quantiles=isl_quantiles,
        osl_quantiles=osl_quantiles,
        classes=classes,
        arrival_cv=_arrival_cv(table),
        prefix_hit_frac=_prefix_hit(table),
        day_shape=_day_shape(table.take("day_shape", FLAT_DAY), table.field("day_shape")),
        notes=table.text("notes", "").strip(),
    )
    for key in _FOR_THE_READER:
        table.take(key, None)
    table.done()
    return record


def fixed(isl: float, osl: float, *, range_frac: float = 0.0) -> Workload:
    """Build the workload of ``--isl --osl``: requests all alike, Poisson arrivals, flat day, no prefix reuse.

    ``range_frac`` r spreads both lengths evenly and independently over [(1 - r) L, L], as load generators do.
    Two points a side, middle ± width / sqrt(12), keep mean and variance of such a spread exactly.

    >>> fixed(1000, 100).classes
    (RequestClass(weight=1.0, isl=1000.0, osl=100.0),)
    >>> fixed(1000, 100, range_frac=0.2).isl_mean
    900.0
    """
    for name, value in (("isl", isl), ("osl", osl)):
        if not (math.isfinite(value) and value >= 1):
            raise BadInputError(f"{name} is {value:g}. Give a length of at least 1 token.")
    if not 0 <= range_frac < 1:
        raise BadInputError(f"the range of lengths is {range_frac:g}. Give a share of at least 0 and below 1.")
    if range_frac:
        pairs = [(x, y) for x in _two_points(isl, range_frac) for y in _two_points(osl, range_frac)]
    else:
        pairs = [(float(isl), float(osl))]
    spread = f", lengths even over {1 - range_frac:.0%} to 100 %" if range_frac else ""
    return Workload(
        name=f"fixed-{isl:g}-{osl:g}" + (f"-r{range_frac:g}" if range_frac else ""),
        aliases=(),
        title=f"{isl:g} tokens in, {osl:g} out{spread}",
        evidence="assumed",
        source="user",
        seen="",
        isl_mean=isl * (1 - range_frac / 2),
        osl_mean=osl * (1 - range_frac / 2),
        isl_quantiles=_even_quantiles(isl, range_frac),
        osl_quantiles=_even_quantiles(osl, range_frac),
        classes=tuple(RequestClass(1 / len(pairs), x, y) for x, y in pairs),
        arrival_cv=1.0,
        prefix_hit_frac=0.0,
        day_shape=FLAT_DAY,
    )


def _two_points(length: float, range_frac: float) -> tuple[float, float]:
    middle, offset = length * (1 - range_frac / 2), length * range_frac / math.sqrt(12)
    return middle - offset, middle + offset


def _even_quantiles(length: float, range_frac: float) -> tuple[tuple[float, float], ...]:
    low = length * (1 - range_frac)
    return tuple((p, low + p * (length - low)) for p in (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0))


def _classes(raw: Any, where: str) -> tuple[RequestClass, ...]:  # noqa: ANN401 - straight from TOML
    if not isinstance(raw, list) or not raw:
        raise FileError(f"{where} needs rows of [share of requests, input tokens, output tokens].")
    made = []
    for number, row in enumerate(raw, 1):
        if not isinstance(row, list) or len(row) != 3 or not all(_is_number(value) for value in row):
            raise FileError(f"{where}, row {number} is {row!r}. Write [share of requests, isl, osl].")
        weight, isl, osl = (float(value) for value in row)
        if not 0 < weight <= 1:
            raise FileError(f"{where}, row {number}: the share is {weight:g}. Write one above 0, at most 1.")
        if not (isl >= 1 and osl >= 1):
            raise FileError(f"{where}, row {number}: lengths {isl:g} and {osl:g} need to be at least 1 token.")
        made.append(RequestClass(weight, isl, osl))
    total = math.fsum(c.weight for c in made)
    if abs(total - 1) > 1e-4:
        raise FileError(f"{where}: shares sum to {total:.6g}. Scale them to sum to 1.")
    return tuple(RequestClass(c.weight / total, c.isl, c.osl) for c in made)


def _lengths(table: Table, key: str, class_mean: float) -> tuple[float, tuple[tuple[float, float], ...]]:
    """Read mean and quantiles of one side and hold the mean against that of the classes."""
    if key not in table:
        return class_mean, ()
    inner = table.table(key)
    stated = _number(inner, "mean")
    if not abs(class_mean - stated) <= MEAN_TOLERANCE * stated:
        raise FileError(
            f"{inner.field('mean')} is {stated:g}, but the classes have {class_mean:.6g}. "
            "Make the two agree within 0.5 %."
        )
    found = []
    for name in inner.keys():  # noqa: SIM118 - a Table is not a dict
        match = _QUANTILE.fullmatch(name)
        if match or name == "max":
            found.append((float(match[1]) / 100 if match else 1.0, _number(inner, name)))
    inner.done()
    found.sort()
    if any(after[1] < before[1] for before, after in pairwise(found)):
        raise FileError(f"{inner.where}: quantiles must rise from p5 to max. Check their order.")
    return class_mean, tuple(found)


def _arrival_cv(table: Table) -> float:
    cv = _number(table, "arrival_cv", 1.0)
    if not cv > 0:
        raise FileError(f"{table.field('arrival_cv')} is {cv:g}. Write a number above 0; 1 is Poisson.")
    return cv


def _prefix_hit(table: Table) -> float:
    hit = _number(table, "prefix_hit_frac", 0.0)
    if not 0 <= hit < 1:
        raise FileError(f"{table.field('prefix_hit_frac')} is {hit:g}. Write a share of at least 0 and below 1.")
    return hit


def _day_shape(raw: Any, where: str) -> tuple[float, ...]:  # noqa: ANN401 - straight from TOML
    if not isinstance(raw, (list, tuple)) or len(raw) != 24 or not all(_is_number(v) and v >= 0 for v in raw):
        raise FileError(f"{where} needs 24 hourly factors of at least 0, midnight first.")
    mean = math.fsum(raw) / 24
    if abs(mean - 1) > MEAN_TOLERANCE:
        raise FileError(f"{where}: the factors have mean {mean:.6g}. Divide them by it, so that it is 1.")
    return tuple(float(value) / mean for value in raw)


def _number(table: Table, key: str, default: Any = ...) -> float:  # noqa: ANN401
    value = table.take(key, default)
    if not _is_number(value):
        raise FileError(f"{table.field(key)} needs a number, not {value!r}.")
    return float(value)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
