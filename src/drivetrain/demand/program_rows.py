"""Columns and rows of the linear program of supply, as sparse matrices.

Columns: purchases and active accelerators (1e5 of them each), shares of blocks served (0 to 1), units of loads that may
run anywhere (1e6). Money is in 1e9 USD, power in GW, wafers in 1e5, memory in 1e17 bytes, so that coefficients lie
within a few powers of ten of 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from drivetrain.demand.limits import LIMITS
from drivetrain.demand.program_terms import Load, Problem
from drivetrain.demand.vintage import Floats

Ints = NDArray[np.int64]
_DEVICES, _UNITS, _USD = 1e5, 1e6, 1e9
_ROW = {"packaging": 1e5, "hbm": 1e17, "budget": 1e9, "power": 1e9, "peak": 1e6, "mean": 1e6}
_LAST = 1e3  # a unit of capacity that nobody can build is asked for last


@dataclass(slots=True)
class _Entries:
    """Entries of a sparse matrix as they come."""

    row: list[Ints] = field(default_factory=list)
    column: list[Ints] = field(default_factory=list)
    value: list[Floats] = field(default_factory=list)

    def add(self, row: Ints, column: Ints, value: Floats | float) -> None:
        rows, columns, values = np.broadcast_arrays(row, column, value)
        self.row.append(rows.ravel())
        self.column.append(columns.ravel())
        self.value.append(np.asarray(values, dtype=float).ravel())

    def matrix(self, rows: int, columns: int) -> csr_array:
        if not self.row:
            return csr_array((rows, columns))
        entries = (np.concatenate(self.value), (np.concatenate(self.row), np.concatenate(self.column)))
        return coo_array(entries, shape=(rows, columns)).tocsr()


@dataclass(frozen=True, slots=True)
class Built:
    """The program in the form of ``scipy.optimize.linprog``, and where everything is in it."""

    cost: Floats
    upper: csr_array
    upper_right: Floats
    equal: csr_array | None
    equal_right: Floats | None
    bounds: Floats
    rows: Mapping[str, Ints]
    columns: Mapping[str, Ints]
    parts: Mapping[str, Floats]
    row_scale: Mapping[str, float]
    usd_scale: float = _USD

    def spread(self, name: str, x: Floats) -> Floats:
        """Purchases or active accelerators by kind, region and quarter; 0 where there is no column."""
        index = self.columns[name]
        return np.where(index >= 0, x[index], 0.0) * _DEVICES

    def share(self, load: str, x: Floats) -> Floats:
        """Share of each block of a load that is served."""
        found: Floats = np.clip(x[self.columns[f"load {load}"]], 0.0, 1.0)
        return found


def build(p: Problem) -> Built:
    """The program of a problem."""
    quarters = p.n_quarters
    life = np.array([max(1, round(kind.life_years / p.dt_years)) for kind in p.kinds])
    columns, n_columns = _columns(p, life)
    rows, n_rows = _rows(p, columns)
    entries, right = _Entries(), np.zeros(n_rows)
    _stock(p, columns, rows, life, entries, right)
    _limits(p, columns, rows, entries, right)
    if p.share_most is not None:
        _held(p.share_most, columns["purchases"], rows["share"], entries)
    equal, n_equal = _Entries(), 0
    bounds = np.zeros((n_columns, 2))
    bounds[:, 1] = np.inf
    for load in p.loads:
        served = columns[f"load {load.name}"]
        bounds[served.ravel()] = (load.contracted_frac, 1.0)
        where = columns[f"where {load.name}"] if load.anywhere else None
        for name, factor in (("peak", load.peak), ("mean", load.mean)):
            if factor == 0.0:
                continue
            if where is None:
                entries.add(rows[name][:, None, :], served, factor * load.units / _UNITS)
            else:
                entries.add(rows[name], where, factor)
        if where is not None:
            across = n_equal + np.arange(quarters)
            equal.add(across[None, :], where, 1.0)
            equal.add(across[None, :], served[0], -load.units[0] / _UNITS)
            n_equal += quarters
    upper = entries.matrix(n_rows, n_columns)
    alone = (columns["active"] >= 0) & (rows["stock"] < 0)
    bounds[columns["active"][alone], 1] = p.installed[alone] / _DEVICES
    parts = _money(p, columns, life, n_columns)
    return Built(
        parts["running"] + parts["payments"] - parts["value"], upper, right,
        equal.matrix(n_equal, n_columns) if n_equal else None, np.zeros(n_equal) if n_equal else None, bounds, rows,
        columns, parts, {name: 1.0 / scale for name, scale in _ROW.items()},
    )  # fmt: skip


def elastic(p: Problem, built: Built) -> list[tuple[str, str, int, float, float]]:
    """What would have to give: (limit, region, quarter, amount, share of what there is), the largest share first.

    The least sum of relative amounts by which limits are passed so that the contracted load is served; capacity itself
    gives only where no accelerator could be bought in time.
    """
    from scipy.optimize import linprog
    from scipy.sparse import hstack

    names = [*LIMITS, "peak", "mean"]
    picked = np.concatenate([built.rows[name].ravel() for name in names])
    base = np.where(np.abs(built.upper_right[picked]) > 0, np.abs(built.upper_right[picked]), 1.0)
    n = len(picked)
    extra = coo_array((-base, (picked, np.arange(n))), shape=(len(built.upper_right), n))
    hard = np.concatenate(
        [np.full(built.rows[name].size, _LAST if name in ("peak", "mean") else 1.0) for name in names]
    )
    upper = hstack([built.upper, extra], format="csr")
    equal = None if built.equal is None else hstack([built.equal, csr_array((built.equal.shape[0], n))], format="csr")
    found = linprog(
        np.concatenate([np.zeros(len(built.cost)), hard]), A_ub=upper, b_ub=built.upper_right, A_eq=equal,
        b_eq=built.equal_right, bounds=np.vstack([built.bounds, np.tile([0.0, np.inf], (n, 1))]), method="highs-ds",
    )  # fmt: skip
    given = np.asarray(found.x)[-n:]
    lacking: list[tuple[str, str, int, float, float]] = []
    offset = 0
    for name in names:
        rows = built.rows[name]
        for place, frac in zip(np.ndindex(rows.shape), given[offset : offset + rows.size], strict=True):
            right = built.upper_right[rows[place]]
            if frac > 1e-7:
                amount = frac * (abs(right) if right else 1.0) / built.row_scale[name]
                region = p.regions[place[0]] if len(place) > 1 else ""
                called = "capacity" if name in ("peak", "mean") else name
                lacking.append((called, region, place[-1], float(amount), float(frac) if right else float("inf")))
        offset += rows.size
    return sorted(lacking, key=lambda one: -one[4])


def _columns(p: Problem, life: Ints) -> tuple[dict[str, Ints], int]:
    regions, quarters = p.power_w.shape
    moments = p.start_year + p.dt_years * np.arange(quarters) + 1e-9
    sold = np.array([(one.from_year <= moments) & (moments < one.until_year) for one in p.kinds]).reshape(-1, quarters)
    if p.share_most is not None:
        sold = p.share_most > 0
    alive = np.array([[sold[v, max(0, t - life[v] + 1) : t + 1].any() for t in range(quarters)]
                      for v in range(len(p.kinds))]).reshape(-1, quarters)  # fmt: skip
    n = 0

    def numbered(mask: NDArray[np.bool_]) -> Ints:
        nonlocal n
        found = np.full(mask.shape, -1)
        found[mask] = n + np.arange(mask.sum())
        n += int(mask.sum())
        return found

    shape = (len(p.kinds), regions, quarters)
    columns = {"purchases": numbered(np.broadcast_to(sold[:, None, :], shape)),
               "active": numbered(np.broadcast_to(alive[:, None, :], shape) | (p.installed > 0))}  # fmt: skip
    for load in p.loads:
        columns[f"load {load.name}"] = numbered(np.ones(load.units.shape, dtype=bool))
        if load.anywhere:
            columns[f"where {load.name}"] = numbered(np.ones((regions, quarters), dtype=bool))
    return columns, n


def _rows(p: Problem, columns: Mapping[str, Ints]) -> tuple[dict[str, Ints], int]:
    regions, quarters = p.power_w.shape
    bought: NDArray[np.bool_] = np.asarray((columns["purchases"] >= 0).any(axis=2))
    wanted = (columns["active"] >= 0) & bought[:, :, None]
    stock = np.full(wanted.shape, -1)
    stock[wanted] = np.arange(wanted.sum())
    n = int(wanted.sum())
    rows: dict[str, Ints] = {"stock": stock}
    for name in ("power", "peak", "mean"):
        rows[name] = n + np.arange(regions * quarters).reshape(regions, quarters)
        n += regions * quarters
    for name in LIMITS[:3]:
        rows[name] = n + np.arange(quarters)
        n += quarters
    if p.share_most is not None:
        held = (p.share_most > 0) & (p.share_most < 1.0)
        rows["share"] = np.full(held.shape, -1)
        rows["share"][held] = n + np.arange(held.sum())
        n += int(held.sum())
    return rows, n


def _stock(
    p: Problem, columns: Mapping[str, Ints], rows: Mapping[str, Ints], life: Ints, entries: _Entries, right: Floats
) -> None:
    stock, active, buys = rows["stock"], columns["active"], columns["purchases"]
    there = stock >= 0
    entries.add(stock[there], active[there], 1.0)
    right[stock[there]] = p.installed[there] / _DEVICES
    for v, r, s in zip(*np.nonzero(buys >= 0), strict=True):
        later = stock[v, r, s : s + life[v]]
        entries.add(later[later >= 0], buys[v, r, s], -1.0)


def _limits(
    p: Problem, columns: Mapping[str, Ints], rows: Mapping[str, Ints], entries: _Entries, right: Floats
) -> None:
    active, buys = columns["active"], columns["purchases"]
    units, watts = (np.array([getattr(one, key) for one in p.kinds])[:, None, None] for key in ("units", "watts"))
    on = active >= 0

    def row(name: str) -> Ints:
        return np.broadcast_to(rows[name][None] if rows[name].ndim == 2 else rows[name][None, None], active.shape)

    power = np.broadcast_to(watts, active.shape) * _DEVICES / _ROW["power"]
    entries.add(row("power")[on], active[on], power[on])
    right[rows["power"]] = p.power_w / _ROW["power"]
    capacity = np.broadcast_to(units, active.shape) * _DEVICES / _UNITS
    for name in ("peak", "mean"):
        entries.add(row(name)[on], active[on], -capacity[on])
    sold = buys >= 0
    for name, key in zip(LIMITS[:3], ("wafers", "hbm_bytes", "capex_usd"), strict=True):
        takes = np.array([getattr(one, key) for one in p.kinds])[:, None, None] * _DEVICES / _ROW[name]
        entries.add(row(name)[sold], buys[sold], np.broadcast_to(takes, buys.shape)[sold])
        right[rows[name]] = p.flow(name) * p.dt_years / _ROW[name]


def _held(most: Floats, buys: Ints, rows: Ints, entries: _Entries) -> None:
    """No kind has more than its share of a quarter's purchases: x_v - share sum x <= 0."""
    for v, t in zip(*np.nonzero(rows >= 0), strict=True):
        every = buys[:, :, t]
        entries.add(rows[v, t], every[every >= 0], -float(most[v, t]))
        entries.add(rows[v, t], buys[v, :, t], 1.0)


def _money(p: Problem, columns: Mapping[str, Ints], life: Ints, n: int) -> dict[str, Floats]:
    """What each column adds to running cost, payments and value, in 1e9 USD of the start."""
    d, quarters = p.discounts, p.n_quarters
    parts = {name: np.zeros(n) for name in ("running", "payments", "value")}
    running = np.array([one.running_usd_per_year for one in p.kinds])[:, None, None] * d * p.dt_years
    active, buys = columns["active"], columns["purchases"]
    parts["running"][active[active >= 0]] = np.broadcast_to(running, active.shape)[active >= 0] * _DEVICES / _USD
    until = np.concatenate([[0.0], np.cumsum(d)])
    for v, one in enumerate(p.kinds):
        pay = one.capex_usd / ((1.0 + p.discount_rate) ** (-p.dt_years * np.arange(life[v]))).sum()
        ends = np.minimum(np.arange(quarters) + life[v], quarters)
        total = np.broadcast_to(pay * (until[ends] - until[:-1]), buys[v].shape)
        parts["payments"][buys[v][buys[v] >= 0]] = total[buys[v] >= 0] * _DEVICES / _USD
    for load in p.loads:
        parts["value"][columns[f"load {load.name}"]] = _worth(load) * d * p.dt_years / _USD
    return parts


def _worth(load: Load) -> Floats:
    found: Floats = load.units * load.usd_per_unit_year
    return found
