r"""Kinds of task, as the catalogue has them (``demand.toml``), and where each stands at the start.

A class has potential tasks N a year, tokens tau a task, values (mu, sigma), integration k, Bass coefficients and the
responses of :mod:`drivetrain.demand.tokens`. What is known of the start is the tokens served in the world, Q, and
roughly how they divide, w; the share adopted is *solved for*, class by class::

    A_c = w_c Q / (N_c tau_c),      held below ``ADOPTED_MOST`` of S_c(p0); beyond that N_c is raised instead

so that tokens add up to Q in every draw. Published adoption is a check on A, not an input.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from drivetrain.catalogue.spreads import choices, groups, spreads
from drivetrain.demand.tokens import ETA_MOST
from drivetrain.demand.value import viable_frac
from drivetrain.errors import BadInputError, FileError, UnknownNameError
from drivetrain.registry import suggest

Floats = NDArray[np.float64]
STEM = "demand"
START_YEAR = 2026.0
SECONDS_PER_YEAR = 31_536_000.0
LATENCIES = ("interactive", "batch")
ADOPTED_MOST = 0.9  # of what is worth doing: a class is never saturated at the start


class Known(Protocol):
    """Values of quantities by name: joint draws, or a mapping."""

    def __getitem__(self, name: str, /) -> Floats:
        """``(n,)`` values of the quantity ``name``."""


@dataclass(frozen=True, slots=True)
class TaskClass:
    """A kind of task: how fast it must be answered, which tier of model serves it, where its users are."""

    name: str
    title: str
    latency: str
    tier: str
    regions: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ClassValues:
    """The quantities of a class by draw. Rates are per year, ``tokens`` are input and output of all calls of a task.

    ``value_usd`` is the median value of a task, ``value_sigma`` the log-width; ``cached_frac`` the share of input that
    a prefix cache holds; ``token_share`` its share of all tokens at the start, before shares are made to sum to 1.
    """

    tasks_per_year: Floats
    tasks_growth: Floats
    value_usd: Floats
    value_sigma: Floats
    input_tokens: Floats
    output_tokens: Floats
    calls_per_task: Floats
    cached_frac: Floats
    tokens_growth: Floats
    tokens_fade_years: Floats
    tokens_eta: Floats
    integration_usd: Floats
    integration_change: Floats
    innovation: Floats
    imitation: Floats
    churn: Floats
    arrival_zeta: Floats
    arrival_most: Floats
    token_share: Floats

    @property
    def tokens(self) -> Floats:
        """Tokens of a task at the start."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class State:
    """Where a class stands: share adopted, potential tasks a year at the start's price, kinds of task by now.

    ``price_start`` in USD per token; ``arrivals`` multiplies the potential tasks.
    """

    adopted_frac: Floats
    tasks_per_year: Floats
    arrivals: Floats
    price_start: Floats


_SHARED = ("tokens_fade_years", "integration_change", "churn", "arrival_zeta", "arrival_most")
_AT_MOST = {"cached_frac": 0.98, "tokens_eta": ETA_MOST}
_AT_LEAST = {"arrival_most": 1.0, "calls_per_task": 1.0}


def known() -> tuple[TaskClass, ...]:
    """The classes of the catalogue, in the order of its file.

    >>> [c.name for c in known()][:3]
    ['support', 'coding', 'agents']
    """
    said, world = choices(STEM), choices(STEM)["world.regions"].value
    found = []
    for group, names in groups(STEM).items():
        if "latency" not in names:
            continue
        latency = str(said[f"{group}.latency"].value)
        if latency not in LATENCIES:
            raise FileError(f"demand.toml: {group}.latency is '{latency}'. Write one of {', '.join(LATENCIES)}.")
        own = said[f"{group}.regions"].value if "regions" in names else world
        total = sum(own.values())
        regions = {name: share / total for name, share in own.items()}
        title = said[f"{group}.latency"].title
        found.append(TaskClass(group, title, latency, str(said[f"{group}.tier"].value), regions))
    return tuple(found)


def task_class(name: str) -> TaskClass:
    """The class called ``name``."""
    by_name = {one.name: one for one in known()}
    if name not in by_name:
        raise UnknownNameError("class of task", name, suggest(name, by_name, 3), f"Known: {', '.join(by_name)}.")
    return by_name[name]


def mids() -> dict[str, Floats]:
    """Every quantity of demand at its mid: the central run, one draw."""
    return {name: np.array([one.mid]) for name, one in spreads(STEM).items()}


def of(one: TaskClass, at: Known) -> ClassValues:
    """The quantities of a class at ``at``: what it does not state itself is the world's."""
    own = groups(STEM)[one.name]
    values = {}
    for name in ClassValues.__dataclass_fields__:
        group = "world" if name in _SHARED and name not in own else one.name
        value = at[f"{group}.{name}"]
        values[name] = np.clip(value, _AT_LEAST.get(name, 0.0), _AT_MOST.get(name, np.inf))
    return ClassValues(**values)


def all_of(at: Known, wanted: Iterable[TaskClass] | None = None) -> dict[str, ClassValues]:
    """The quantities of every class by name."""
    return {one.name: of(one, at) for one in (known() if wanted is None else wanted)}


def shares(values: Mapping[str, ClassValues]) -> dict[str, Floats]:
    """Shares of tokens at the start; they sum to 1 in every draw."""
    total = sum((one.token_share for one in values.values()), np.zeros(1))
    return {name: one.token_share / total for name, one in values.items()}


def start(
    values: Mapping[str, ClassValues], price_start: Mapping[str, Floats], tokens_per_year: Floats
) -> dict[str, State]:
    """Where each class stands when all of them together use ``tokens_per_year`` at prices ``price_start``."""
    _positive("tokens a year at the start", tokens_per_year)
    found = {}
    for name, share in shares(values).items():
        one, price = values[name], np.asarray(price_start[name], dtype=np.float64)
        _positive(f"the price of a token for {name}", price)
        tasks = share * tokens_per_year / one.tokens
        worth = viable_frac(price, one.tokens, one.integration_usd, np.log(one.value_usd), one.value_sigma)
        potential = np.maximum(one.tasks_per_year, tasks / np.maximum(ADOPTED_MOST * worth, 1e-12))
        ones = np.ones_like(potential)
        found[name] = State(tasks / potential, potential, ones, price * ones)
    return found


def _positive(what: str, values: Floats) -> None:
    if not np.all(np.isfinite(values) & (np.asarray(values) > 0.0)):
        raise BadInputError(f"{what} is {np.min(values):g} in some draw; it must be a finite number above 0.")
