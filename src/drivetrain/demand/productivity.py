r"""Tokens per accelerator-second of every class on every generation of hardware: our serving model, not a trend.

For each class (lengths of a call, share cached, latency targets), size of model, accelerator and state of software the
search of :mod:`drivetrain.serving.search` finds layout, batch and token budget with the most tokens per accelerator at
full load within the targets. Tokens are input and output. Work is told as accelerator-seconds per token, w; with one
*effective unit* = one accelerator ``tiers.unit`` with the software of the start, and weights s_c of classes::

    need_c  = w_c,unit                       unit-seconds per token of class c
    power_v = sum_c s_c need_c / sum_c s_c w_c,v        units that one accelerator v is worth, for that mix

w is close to need_c / power_v, but not equal: :attr:`Productivity.error` tells by how much, and
:meth:`Productivity.work` holds the truth. w falls in a straight line with the cached share (prompts not computed), so
two shares are run.

Generations beyond the catalogue are copies of its last with rates scaled, run through the same model; between draws
their power goes by exponents that the model gives (a doubling of each rate), corrected to be exact at the mids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.catalogue.files import user_folder
from drivetrain.catalogue.spreads import choices
from drivetrain.demand.classes import STEM, ClassValues, Known, TaskClass, all_of, known, mids, shares
from drivetrain.demand.kept import kept
from drivetrain.demand.served import RATES_SCALED, Case, best, model_params, parts
from drivetrain.errors import BadInputError, UnknownNameError
from drivetrain.registry import suggest

Floats = NDArray[np.float64]
RATES = RATES_SCALED
_ASIDE = ("watts", "usd", "wafers")


@dataclass(frozen=True, slots=True)
class SeparableError:
    """How far need / power is from the truth, relative, over classes and vintages, weighted by tokens."""

    max_frac: float
    mean_frac: float


@dataclass(frozen=True, slots=True)
class Productivity:
    """Accelerator-seconds and joules per token; arrays [class, vintage, state, size, cached].

    ``sizes`` are a class's own tier and the next smaller one; infinite where a model cannot be served. ``layouts`` by
    class, vintage and state at the own size. ``weights`` are shares of tokens, ``cached`` shares of input at the mids;
    ``params_ratio`` how many times larger the own model is than the next smaller. ``exponents`` of power in each rate.
    """

    classes: tuple[str, ...]
    vintages: tuple[str, ...]
    states: tuple[str, ...]
    hits: tuple[float, ...]
    work_s: Floats
    joules: Floats
    layouts: Mapping[tuple[str, str, str], str]
    weights: Floats
    cached: Floats
    params_ratio: Floats
    unit: str
    state: str
    first_year: Mapping[str, float]
    exponents: Mapping[str, float]
    base: str
    n_projected: int

    def work(self, name: str, vintage: str, state: str = "", cached: Floats | float | None = None, *,
             smaller: bool = False) -> Floats:  # fmt: skip
        """Accelerator-seconds per token of a class; ``cached`` is the share of input found, by draw."""
        return self._of(self.work_s, name, vintage, state, cached, smaller)

    def energy_j(self, name: str, vintage: str, state: str = "", cached: Floats | float | None = None) -> Floats:
        """Joules per token at full load at the meter, hosts and PUE included."""
        return self._of(self.joules, name, vintage, state, cached, False)

    def tokens_per_s(self, name: str, vintage: str, state: str = "", cached: Floats | float | None = None) -> Floats:
        """Tokens per second of one accelerator at full load."""
        return np.asarray(1.0 / self.work(name, vintage, state, cached))

    @property
    def need_s(self) -> dict[str, float]:
        """Unit-seconds per token by class, with the software of the start."""
        return {name: float(self.work(name, self.unit)) for name in self.classes}

    @property
    def power(self) -> dict[str, float]:
        """Units that one accelerator of each vintage is worth, with the software of the start."""
        return self.power_in(self.state)

    def power_in(self, state: str) -> dict[str, float]:
        """Units per accelerator with the software of ``state``, for the mix of tokens at the start.

        A vintage that cannot serve some class is weighed on the others; 0 where it serves none.
        """
        need, found = np.array(list(self.need_s.values())), {}
        for vintage in self.vintages:
            work = np.array([float(self.work(name, vintage, state)) for name in self.classes])
            able = np.isfinite(work)
            spent = float(self.weights[able] @ work[able])
            found[vintage] = float(self.weights[able] @ need[able]) / spent if spent > 0.0 else 0.0
        return found

    def units(self, tokens_per_s: Mapping[str, Floats], software: Mapping[str, Floats] | None = None) -> Floats:
        """Units at full load that serve these tokens, each class with its ``software`` multiplier where given."""
        total, need = np.zeros(1), self.need_s
        for name, rate in tokens_per_s.items():
            total = total + rate * need[name] / (1.0 if software is None else software[name])
        return total

    def use_frac(self, tokens_per_s: Mapping[str, Floats], inference_units: Floats) -> Floats:
        """Solved for: the share of the serving fleet's full load that tokens account for, ``units / inference_units``.

        What it lumps together: hours below the peak, reserve, models larger than the open ones that stand for them,
        machines that run less well than the best plan, and all serving that is not counted in tokens (ranking,
        pictures, film).
        """
        found: Floats = self.units(tokens_per_s) / inference_units
        return found

    def watts(self, vintage: str) -> float:
        """Mean draw of one accelerator at full load at the meter, for the mix of work at the start."""
        work = np.array([float(self.work(name, vintage)) for name in self.classes])
        joules = np.array([float(self.energy_j(name, vintage)) for name in self.classes])
        able = np.isfinite(work)
        return float(self.weights[able] @ joules[able]) / float(self.weights[able] @ work[able])

    @property
    def error(self) -> SeparableError:
        """The error of need / power against the full matrix, in the state of the start."""
        need, power = self.need_s, self.power
        gaps, weights = [], []
        for c, name in enumerate(self.classes):
            for vintage in self.vintages:
                true = float(self.work(name, vintage))
                if np.isfinite(true) and power[vintage] > 0.0:
                    gaps.append(abs(need[name] / power[vintage] / true - 1.0))
                    weights.append(self.weights[c])
        return SeparableError(max(gaps), float(np.average(gaps, weights=weights)))

    def _of(self, rows: Floats, name: str, vintage: str, state: str, cached: Floats | float | None,
            smaller: bool) -> Floats:  # fmt: skip
        c, v = _index(self.classes, name, "class of task"), _index(self.vintages, vintage, "vintage")
        s = _index(self.states, state or self.state, "state of software")
        share = np.asarray(self.cached[c] if cached is None else cached, dtype=np.float64)
        low, high = rows[c, v, s, int(smaller)]
        if not (np.isfinite(low) and np.isfinite(high)):
            return np.full(share.shape, np.inf)
        found: Floats = low + (high - low) / (self.hits[1] - self.hits[0]) * (share - self.hits[0])
        least: Floats = np.maximum(found, 0.1 * min(low, high))
        return least


@dataclass(frozen=True, slots=True)
class Generation:
    """A projected generation by draw: year of delivery, units per accelerator, factors against the base."""

    name: str
    base: str
    from_year: Floats
    units: Floats
    watts_factor: Floats
    memory_factor: Floats
    price_factor: Floats
    wafer_factor: Floats


def table() -> Productivity:
    """Every class on every vintage, those projected included: some seconds the first time, then kept on disk."""
    return _table(user_folder())


def projected(at: Known, rows: Productivity | None = None) -> tuple[Generation, ...]:
    """The generations after the last of the catalogue, by draw."""
    rows = table() if rows is None else rows
    power, factors = rows.power, {name: at[f"projected.{name}"] for name in (*RATES, *_ASIDE)}
    centre = mids()
    found = []
    for k in range(1, rows.n_projected + 1):
        name = later(rows.base, k)
        moved = np.ones(1)
        for rate in RATES:
            moved = moved * (factors[rate] / centre[f"projected.{rate}"]) ** (k * rows.exponents[rate])
        year = rows.first_year[rows.base] + k * at["projected.cadence_years"]
        found.append(Generation(name, rows.base, year, power[name] * moved, factors["watts"] ** k,
                                factors["memory_bytes"] ** k, factors["usd"] ** k, factors["wafers"] ** k))  # fmt: skip
    return tuple(found)


def later(base: str, generation: int) -> str:
    """How a projected generation is called.

    >>> later("rubin-nvl72", 2)
    'rubin-nvl72+2'
    """
    return f"{base}+{generation}"


@cache
def _table(_user: str) -> Productivity:
    said, at = {name: one.value for name, one in choices(STEM).items()}, mids()
    classes, values = known(), all_of(mids())
    years = {name.removeprefix("vintages."): float(v) for name, v in said.items() if name.startswith("vintages.")}
    base, n = str(said["projected.base"]), int(said["projected.n_generations"])
    if base not in years:
        raise BadInputError(
            f"demand.toml: projected.base is '{base}', which is no row of vintages. Add it or change it."
        )
    unit, state = str(said["tiers.unit"]), str(said["tiers.state"])
    factors = {rate: float(at[f"projected.{rate}"][0]) for rate in (*RATES, "watts")}
    last = parts((base,))[0]
    doubled = [last.scaled(f"{base} {rate}", {rate: 2.0}) for rate in RATES]
    made = [*parts(tuple(years)), *(last.scaled(later(base, k), {r: f**k for r, f in factors.items()})
                                    for k in range(1, n + 1)), *doubled]  # fmt: skip
    states = tuple((str(name), tuple(allowed)) for name, allowed in said["tiers.states"])
    hits = tuple(float(h) for h in said["tiers.hits"])
    cases = [_case(one, values[one.name], said) for one in classes]
    references = (unit, str(said["software.quantisation_on"]))
    work, joules, layouts = kept(best, cases, made, states, hits, str(said["tiers.engine"]), references)
    weights = np.array([float(share[0]) for share in shares(values).values()])
    cadence = float(at["projected.cadence_years"][0])
    first = years | {later(base, k): years[base] + k * cadence for k in range(1, n + 1)}
    vintages = tuple(part.name for part in made[: -len(doubled)])
    rows = Productivity(
        classes=tuple(one.name for one in classes), vintages=tuple(part.name for part in made),
        states=tuple(name for name, _ in states), hits=hits, work_s=work, joules=joules, layouts=layouts,
        weights=weights, cached=np.array([float(values[one.name].cached_frac[0]) for one in classes]),
        params_ratio=np.array([model_params(case.models[0]) / model_params(case.models[1]) for case in cases]),
        unit=unit, state=state, first_year=first, exponents={}, base=base, n_projected=n,
    )  # fmt: skip
    power = rows.power
    exponents = {rate: float(np.log2(power[f"{base} {rate}"] / power[base])) for rate in RATES}
    return replace(rows, vintages=vintages, exponents=exponents)


def _case(one: TaskClass, v: ClassValues, said: Mapping[str, Any]) -> Case:
    """One call of a task of the class, on its own model and the next smaller one."""
    models = [(str(tier), str(model)) for tier, model in said["tiers.models"]]
    at = _index([tier for tier, _ in models], one.tier, "size of model")
    both = (models[at], models[min(at + 1, len(models) - 1)])
    calls = float(v.calls_per_task[0])
    return Case(
        name=one.name,
        models=(both[0][1], both[1][1]),
        layouts=(tuple(said["tiers.layouts"][both[0][0]]), tuple(said["tiers.layouts"][both[1][0]])),
        input_tokens=float(v.input_tokens[0]) / calls,
        output_tokens=float(v.output_tokens[0]) / calls,
        targets=str(said[f"tiers.{one.latency}"]),
    )


def _index(names: Sequence[str], name: str, what: str) -> int:
    if name not in names:
        raise UnknownNameError(what, name, suggest(name, list(names), 3), f"Known: {', '.join(names)}.")
    return list(names).index(name)
