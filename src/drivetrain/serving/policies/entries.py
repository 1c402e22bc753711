"""One record per policy: what it is called with, its options, and how it is made from a class or a function.

A policy is either

- a frozen dataclass whose fields are its options, registered together with a function of the kind's signature
  (:mod:`drivetrain.serving.policies.signals`), as the built-ins are; or
- a plain function of that signature without ``options``, whose further parameters, all with defaults, are its options.

The unit of an option is in its name: ``_s`` seconds, ``_per_s`` a rate, ``_tokens`` tokens, ``_tokens_per_s`` tokens
a second, anything else a plain number.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from drivetrain.errors import BadInputError
from drivetrain.serving.policies.names import BUILT_IN
from drivetrain.serving.policies.signals import N_OPTIONS

SIGNALS = frozenset({"QUEUE", "RUNNING", "KV_FRAC", "HIT_APPROX", "HIT_EXACT"})
"""Columns that cost the runner something to keep: a built-in names those it reads, of others all are kept."""

ARGUMENTS = {
    "route": ("request", "endpoints", "state", "draws", "options", "scores"),
    "admit": ("request", "endpoints", "state", "draws", "options"),
    "schedule": ("request", "options"),
    "select": ("request", "services", "state", "draws", "options"),
    "scale": ("pool", "state", "options"),
}
"""What a policy of each kind is called with, in order."""

_DIMENSIONS = {"_tokens_per_s": "tok/s", "_per_s": "1/s", "_tokens": "tok", "_s": "s", "_frac": "1"}


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its full name, its default in SI and the dimension of :mod:`drivetrain.units` it is read in."""

    name: str
    default: float
    dimension: str

    @property
    def short(self) -> str:
        """The name without its unit, accepted as well: ``ttft`` for ``ttft_s``."""
        return self.name.removesuffix(_suffix(self.name)) or self.name


@dataclass(frozen=True, slots=True)
class Registered:
    """A policy: ``function`` has the kind's signature, ``made`` checks its options, ``source`` is where it stands."""

    kind: str
    name: str
    summary: str
    options: tuple[Option, ...]
    function: Callable[..., Any]
    reads: frozenset[str]
    made: Callable[..., object]
    source: str

    @property
    def custom(self) -> bool:
        """Whether it is not one of the built-ins, which machine code knows."""
        return self.name not in BUILT_IN[self.kind]


def of_class(
    kind: str, name: str, made: type, function: Callable[..., Any] | None, reads: frozenset[str]
) -> Registered:
    """The policy whose options are the fields of the dataclass ``made``."""
    if function is None or not dataclasses.is_dataclass(made):
        raise BadInputError(
            f"{kind} policy '{name}': a class must be a dataclass and name its function: "
            f"@register('{kind}', '{name}', function)."
        )
    options = tuple(_option(kind, name, field.name, field.default) for field in dataclasses.fields(made))
    return _entry(kind, name, inspect.getdoc(made), options, function, reads, made, _source(made))


def of_function(kind: str, name: str, plain: Callable[..., Any], reads: frozenset[str]) -> Registered:
    """The policy whose options are the parameters of ``plain`` after those of its kind."""
    wanted = tuple(a for a in ARGUMENTS[kind] if a != "options")
    parameters = inspect.signature(plain).parameters
    if tuple(parameters)[: len(wanted)] != wanted:
        raise BadInputError(
            f"{kind} policy '{name}' must begin with the parameters ({', '.join(wanted)}); "
            f"it has ({', '.join(parameters)})."
        )
    options = tuple(_option(kind, name, p.name, p.default) for p in list(parameters.values())[len(wanted) :])
    keywords = tuple(o.name for o in options)
    place = ARGUMENTS[kind].index("options")

    def function(*arguments: Any) -> Any:  # noqa: ANN401 - each kind has its own
        stated = {k: float(v) for k, v in zip(keywords, arguments[place], strict=False)}
        return plain(*arguments[:place], *arguments[place + 1 :], **stated)

    return _entry(kind, name, inspect.getdoc(plain), options, function, reads, dict, _source(plain))


def _option(kind: str, name: str, option: str, default: object) -> Option:
    if not isinstance(default, (int, float)):
        raise BadInputError(
            f"{kind} policy '{name}': '{option}' is an option and needs a number as its default, as in {option}=1.0."
        )
    return Option(option, float(default), dimension_of(option))


def _entry(
    kind: str,
    name: str,
    text: str | None,
    options: tuple[Option, ...],
    function: Callable[..., Any],
    reads: frozenset[str],
    made: Callable[..., object],
    source: str,
) -> Registered:
    if len(options) > N_OPTIONS:
        raise BadInputError(f"{kind} policy '{name}' has {len(options)} options; {N_OPTIONS} are the most.")
    if reads - SIGNALS:
        raise BadInputError(f"{kind} policy '{name}' reads {sorted(reads - SIGNALS)}; it can name {sorted(SIGNALS)}.")
    summary = (text or "").partition("\n")[0]
    return Registered(kind, name, summary, options, function, reads, made, source)


def _source(item: Callable[..., Any]) -> str:
    """The module of our own policies, the file of others; in a session without files they replace each other."""
    name = str(item.__module__)
    if name.startswith(f"{__package__}."):
        return name
    return str(getattr(sys.modules.get(name), "__file__", None) or name)


def dimension_of(name: str) -> str:
    """The dimension in which an option of that name is read.

    >>> dimension_of("ttft_s"), dimension_of("rate_per_s"), dimension_of("weight")
    ('s', '1/s', '1')
    """
    return _DIMENSIONS.get(_suffix(name), "1")


def _suffix(name: str) -> str:
    return next((s for s in _DIMENSIONS if name.endswith(s) and name != s), "")
