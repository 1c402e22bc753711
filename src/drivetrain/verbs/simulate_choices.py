"""What can be chosen about a simulation: the fleet beyond one deployment, its traffic, its run.

A question is two records: the fields of :class:`~drivetrain.scenario.ServeScenario` that describe the deployment, and
:class:`SimulateChoices`. To people they are one flat list of names, as options, in files and in Python.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from drivetrain import units
from drivetrain.errors import BadInputError, UnitError
from drivetrain.registry import suggest
from drivetrain.scenario import ServeScenario
from drivetrain.scenario_file import choices_of
from drivetrain.serving.traffic.choices import HASHES
from drivetrain.serving.traffic.context import RULES
from drivetrain.serving.traffic.formats import CHARS_PER_TOKEN
from drivetrain.serving.traffic.rows import BAD_ROWS

_MOST_REQUESTS = 1e9
_MOST_HASH_TOKENS = 1e6
NOT_SIMULATED = ("objective", "headroom", "buy", "providers", "spares", "max", "max_accelerators", "max_power_w",
            "max_racks", "rack_power_w", "budget_usd_per_hour", "mix", "disaggregate", "allow", "min_quality",
            "allow_unknown_quality", "levers")  # fmt: skip
"""Choices of a plan that mean nothing for a fleet that is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateChoices:
    """The fleet, its traffic and the run; what is left out keeps its default.

    Fleet: ``replicas`` of the main deployment, up to ``max_replicas`` where a scale policy may add some; ``pools`` add
    others (``"big: model=llama-3.1-70b, layout=tp4, replicas=2, region=eu"``); ``network`` gives one-way delays
    (``"access=10ms, us-eu=45ms"``). ``route``, ``admit``, ``schedule``, ``select`` and ``scale`` are policies with
    options (``"prefix-events:weight=2"``), own ones from ``policy_file``; scaling is decided every ``scale_every_s``.
    ``cache`` is ``none``, ``lru`` or ``lru,host=64GB`` (``None``: the engine's default). Engine metrics are
    ``scrape_s`` old at most, cache events reach the router ``event_lag_s`` late. ``faults``, ``spot``, ``slow`` and
    ``partition`` say what goes wrong; what is lost by it is sent again ``retry_s`` later, ``max_retries`` times at
    most.

    Traffic: a ``trace`` file, scaled to a mean ``rate`` or by ``speedup``, its first ``limit`` rows or ``duration_s``
    seconds, requests beyond ``max_context`` (``None``: the model's) by the rule ``too_long``, rows that cannot be read
    by ``bad_rows``; each arrival is moved by up to ``jitter_s`` (``None``: by the tick of a clock that is seen to be
    coarse, 0: not); names of prefix blocks are kept or dropped (``hashes``), one stands for ``file_hash_tokens`` tokens
    where that cannot be told, and they are merged into blocks of ``hash_tokens`` (drawn traffic is named in those);
    ``chars_per_token`` turns text into lengths, ``osl`` is the answer's length where the file states none; ``stream``
    plays it in parts, in memory that does not grow with it (``None``: where the file is large); with ``lengths`` the
    trace holds ServeGen's client rates, that file the lengths of its category ``servegen``. Or ``requests`` of them (or
    ``duration_s`` seconds) drawn at a ``rate``, whose time between arrivals has the law ``arrivals`` with the
    coefficient of variation ``burstiness`` (``None``: the workload's), and whose day is ``day`` (a sine of
    ``peak_to_mean``), ``day_length_s`` long, from ``start_s`` on; or a closed loop of ``concurrency`` with ``think_s``
    after each answer. ``length_range`` draws lengths from so much below the given ones. ``sessions`` makes tasks of
    several calls with growing prompts (``"calls=20, gap=2s"``, fields of
    :class:`drivetrain.serving.traffic.Sessions`). ``origins`` and ``priorities`` share requests out
    (``"us=0.7, eu=0.3"``, ``"0.9, 0.1"``).

    Run: ``seed``; ``replications`` with seeds of their own; ``horizon_s`` ends it whatever is under way; ``sample_s``
    is the time between samples of the series (``None``: some five hundred of them).
    """

    replicas: int = 1
    max_replicas: int | None = None
    pools: tuple[str, ...] = ()
    network: str = ""
    cache: str | None = None
    route: str = "least-loaded"
    admit: str = "always"
    schedule: str = "fcfs"
    select: str = "one-model"
    scale: str = "fixed"
    scale_every_s: float = 15.0
    policy_file: str = ""
    scrape_s: float = 0.05
    event_lag_s: float = 0.01
    retry_s: float = 1.0
    max_retries: int = 2
    faults: str = ""
    spot: str = ""
    slow: tuple[str, ...] = ()
    partition: tuple[str, ...] = ()

    trace: str = ""
    speedup: float | None = None
    limit: int | None = None
    too_long: str = "error"
    max_context: int | None = None
    bad_rows: str = "error"
    jitter_s: float | None = None
    hashes: str = "keep"
    hash_tokens: int | None = None
    file_hash_tokens: int | None = None
    chars_per_token: float = CHARS_PER_TOKEN
    stream: bool | None = None
    lengths: str = ""
    servegen: str = "language/m-large"
    requests: int | None = None
    duration_s: float | None = None
    arrivals: str = "gamma"
    burstiness: float | None = None
    day: str = "flat"
    peak_to_mean: float | None = None
    day_length_s: float = 86400.0
    start_s: float = 0.0
    think_s: float = 0.0
    length_range: float = 0.0
    sessions: str = ""
    origins: str = ""
    priorities: str = ""

    seed: int = 1
    replications: int = 1
    horizon_s: float | None = None
    sample_s: float | None = None

    def __post_init__(self) -> None:
        for name, least, most in (
            ("replicas", 1, 1e5), ("max_replicas", 1, 1e5), ("limit", 1, 1e12), ("requests", 1, _MOST_REQUESTS),
            ("seed", 0, 2**63 - 1), ("replications", 1, 1000), ("max_retries", 0, 1000),
            ("max_context", 2, _MOST_REQUESTS), ("hash_tokens", 1, _MOST_HASH_TOKENS),
            ("file_hash_tokens", 1, _MOST_HASH_TOKENS),
        ):  # fmt: skip
            _whole(self, name, least, most)
        for name in ("scale_every_s", "speedup", "duration_s", "horizon_s", "sample_s", "peak_to_mean",
                     "day_length_s", "chars_per_token"):  # fmt: skip
            _number(self, name, positive=True)
        for name in (
            "jitter_s",
            "scrape_s",
            "event_lag_s",
            "retry_s",
            "think_s",
            "burstiness",
            "length_range",
            "start_s",
        ):
            _number(self, name, positive=False)
        if not isinstance(self.stream, bool | None):
            raise BadInputError(f"--stream is yes or no (True or False), not {self.stream!r}.")
        for name in ("pools", "slow", "partition"):
            value = getattr(self, name)
            object.__setattr__(self, name, (value,) if isinstance(value, str) else tuple(value or ()))
        texts = (name for name, kind in _TYPES.items() if kind == "str")
        for name in texts:
            value = getattr(self, name)
            if isinstance(value, Path):
                object.__setattr__(self, name, str(value))
            elif not isinstance(value, str):
                raise BadInputError(f"{option_of(name)} must be text, not {value!r}.")
        for name, known in _ONE_OF.items():
            if getattr(self, name) not in known:
                raise BadInputError(
                    f"{option_of(name)} '{getattr(self, name)}' is not known. Choose {', '.join(known)}."
                )
        if self.max_replicas is not None and self.max_replicas < self.replicas:
            raise BadInputError(f"--max-replicas {self.max_replicas} is below --replicas {self.replicas}.")
        if self.length_range >= 1:
            raise BadInputError(f"--length-range is a share below 1, not {self.length_range:g}.")
        self._check_traffic()

    def _check_traffic(self) -> None:
        """Refuse what says nothing about the traffic that is asked for."""
        given = self._said(_GENERATED if self.trace else _REPLAYED)
        if given and self.trace:
            hint = " (--limit takes its first rows)" if given[0] == "requests" else ""
            raise BadInputError(f"a trace is replayed as it is: leave out {option_of(given[0])}{hint} or --trace.")
        if given:
            raise BadInputError(f"{option_of(given[0])} goes with --trace.")
        if self.lengths and (unused := self._said(_OF_ROWS)):
            raise BadInputError(
                f"--lengths makes requests from ServeGen's client rates, where {option_of(unused[0])} means nothing. "
                "Leave it out."
            )
        if self.trace and not self.lengths and self._said(("servegen",)):
            raise BadInputError("--servegen names a category of --lengths FILE, ServeGen's lengths. Give that file.")
        if self.day == "flat" and (unused := self._said(("day_length_s", "start_s"))):
            raise BadInputError(f"{option_of(unused[0])} is of a --day that is profile or sine.")

    def _said(self, names: Iterable[str]) -> list[str]:
        """Those of ``names`` that are not at their defaults."""
        return [name for name in names if getattr(self, name) != _DEFAULTS[name]]


TRAFFIC = ("workload", "isl", "osl", "rate", "concurrency", "prefix_hit", "trace", "speedup", "limit", "too_long",
           "max_context", "bad_rows", "jitter_s", "hashes", "hash_tokens", "file_hash_tokens", "chars_per_token",
           "stream", "lengths", "servegen", "requests", "duration_s", "arrivals", "burstiness", "day", "peak_to_mean",
           "day_length_s", "start_s", "think_s", "length_range", "sessions", "origins", "priorities")  # fmt: skip
"""Choices that decide which requests there are; all others only what happens to them."""


@dataclass(frozen=True, slots=True)
class Question:
    """One simulation: choices of the deployment as fields of ``ServeScenario``, and all others."""

    serve: dict[str, object]
    own: SimulateChoices

    def scenario(self, isl: float, osl: float) -> ServeScenario:
        """The deployment; where traffic names no workload, its mean lengths are what it is for."""
        lengths = {} if self.serve.get("workload") else {"isl": max(isl, 1.0), "osl": max(osl, 1.0)}
        kept = {name: value for name, value in self.serve.items() if name not in ("isl", "osl", "rate", "concurrency")}
        return ServeScenario(**kept, **lengths)  # type: ignore[arg-type]

    def number(self, name: str) -> float | None:
        """A number of ``ServeScenario`` that describes traffic: rate, concurrency, isl or osl."""
        value = self.serve.get(name)
        return None if value is None else float(value)  # type: ignore[arg-type]

    def context(self, model_tokens: float) -> int:
        """Tokens beyond which a request is too long, of a model that takes so many."""
        return min(int(model_tokens), self.own.max_context or int(model_tokens))

    def flat(self) -> dict[str, Any]:
        """All that was chosen, by name; asking it again gives the same answer."""
        said = {name: list(v) if isinstance(v, tuple) else v for name, v in self.serve.items()}
        own = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self.own).items()}
        return {"verb": "simulate", **said, **own}

    def traffic(self) -> tuple[object, ...]:
        """What the requests depend on, to tell whether two questions ask for the same."""
        return tuple(repr(self.flat().get(name)) for name in TRAFFIC)

    def changed(self, changes: Mapping[str, object]) -> Question:
        """The question with some choices made otherwise; what says the same in another way gives room.

        >>> q = question_of({"model": "llama-3.1-8b", "accelerator": "h100-sxm", "rate": 5, "workload": "chat"})
        >>> sorted(set(q.changed({"concurrency": 8, "isl": 100, "osl": 10}).serve) - set(q.serve))
        ['concurrency', 'isl', 'osl']
        """
        return _checked(self._with(changes))

    def _with(self, changes: Mapping[str, object]) -> Question:
        serve, own = split(changes)
        said = {**asdict(self.own), **own}
        if serve.keys() & {"workload", "isl", "osl"}:
            said |= {name: _DEFAULTS[name] for name in ("trace", *_REPLAYED) if name not in own}
        kept = _over(self.serve, serve)
        if own.get("trace"):
            said |= {name: _DEFAULTS[name] for name in _GENERATED if name not in own}
            kept = {name: v for name, v in kept.items() if name not in ("workload", "isl", "osl") or name in serve}
        return Question(kept, SimulateChoices(**said))


def question_of(choices: Mapping[str, object], changes: Mapping[str, object] | None = None) -> Question:
    """The question that flat ``choices`` ask, in any spelling that options and files have, ``changes`` on top.

    >>> q = question_of({"model": "llama-3.1-8b", "accelerator": "h100-sxm", "rate": "300 req/min", "isl": 100,
    ...                  "osl": 10, "duration": "10 min"})
    >>> q.serve["rate"], q.own.duration_s
    (5.0, 600.0)
    """
    serve, own = split(choices)
    question = Question(serve, SimulateChoices(**own))  # type: ignore[arg-type]
    return _checked(question._with(changes) if changes else question)


def split(choices: Mapping[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """Fields of ``ServeScenario`` and of :class:`SimulateChoices`, values in SI; what is null says nothing."""
    own: dict[str, object] = {}
    rest: dict[str, object] = {}
    for spelled, value in choices.items():
        if value is None or spelled == "verb":
            continue
        name = _own_name(spelled)
        if name is None:
            rest[spelled] = value
        elif name in own:
            raise BadInputError(f"'{name}' is given twice, once as '{spelled}'. Keep one.")
        else:
            own[name] = _value(name, value)
    for spelled in rest:
        folded = spelled.replace("-", "_")
        names = (*ServeScenario.__slots__, *_TYPES)
        if folded in NOT_SIMULATED:
            raise BadInputError(f"{option_of(folded)} is a choice of plan serve; simulate plays the fleet it is given.")
        if not _is_serve(folded):
            close = suggest(folded, names, 1)
            hint = f"Did you mean '{close[0]}'?" if close else "'drivetrain simulate --help' has them all."
            raise BadInputError(f"there is no choice '{spelled}'. {hint}")
    return choices_of(rest), own


def _checked(question: Question) -> Question:
    """``question``, where its choices say one thing only about traffic."""
    serve, own = question.serve, question.own
    if not serve.get("model"):
        raise BadInputError("say which model: --model NAME or the path of a config.json, or --scenario FILE.")
    lengths = [name for name in ("workload", "isl", "osl") if serve.get(name) not in (None, "")]
    rate, loop = serve.get("rate"), serve.get("concurrency")
    if loop is not None and question.number("concurrency") < 1:  # type: ignore[operator]
        raise BadInputError(f"--concurrency counts requests in flight: at least 1, not {loop}.")
    if own.trace:
        if unused := [name for name in lengths if name != "osl" or own.lengths]:
            raise BadInputError(f"a trace has its own lengths: leave out --{unused[0]} or --trace.")
        if rate is not None and own.speedup is not None:
            raise BadInputError("scale a trace once: to a mean --rate, or by --speedup.")
        if own.stream and (loop is not None or own.lengths or own.replications > 1):
            raise BadInputError(
                "--stream plays one trace once, as it comes: no --concurrency, --lengths, --replications."
            )
        if loop is not None and (rate is not None or own.speedup is not None):
            what = "--speedup" if rate is None else "--rate"
            raise BadInputError(f"a closed loop of a trace's requests has no arrivals to scale: leave out {what}.")
        if own.think_s and loop is None:
            raise BadInputError(_THINKS)
        return question
    if rate is None and loop is None:
        raise BadInputError("say how much traffic: --rate (requests per second), --concurrency, or --trace FILE.")
    if rate is not None and loop is not None:
        raise BadInputError("traffic comes at a --rate or keeps a --concurrency in flight, not both.")
    if own.think_s and loop is None:
        raise BadInputError(_THINKS)
    if loop is not None and own.duration_s is not None and not own.sessions:
        raise BadInputError("a closed loop ends with its requests: --requests N (or --horizon 10min).")
    if loop is not None and (own.burstiness is not None or own.day != "flat"):
        raise BadInputError("--burstiness and --day are of a --rate; in a closed loop answers bring the next request.")
    if own.requests is not None and own.duration_s is not None:
        raise BadInputError("give --requests or --duration, not both.")
    if serve.get("workload") and len(lengths) > 1:
        raise BadInputError("give either --workload or --isl with --osl, not both.")
    if not serve.get("workload") and len(lengths) < 2:
        raise BadInputError(
            "say what requests look like: --workload NAME ('drivetrain list workloads'), --isl and --osl in tokens, "
            "or --trace FILE."
        )
    return question


_THINKS = "--think is the pause in a closed loop: give a --concurrency, or leave it out."
_TYPES = {field.name: str(field.type) for field in fields(SimulateChoices)}
_DEFAULTS = {field.name: field.default for field in fields(SimulateChoices)}
_ONE_OF = {"too_long": RULES, "bad_rows": BAD_ROWS, "hashes": HASHES,
           "arrivals": ("poisson", "gamma", "weibull"), "day": ("flat", "profile", "sine")}  # fmt: skip
_GENERATED = ("requests", "arrivals", "burstiness", "day", "peak_to_mean", "day_length_s", "start_s", "length_range",
              "sessions", "origins", "priorities")  # fmt: skip
_REPLAYED = ("speedup", "limit", "bad_rows", "jitter_s", "hashes", "file_hash_tokens", "chars_per_token", "stream",
             "lengths", "servegen")  # fmt: skip
_OF_ROWS = ("speedup", "bad_rows", "jitter_s", "hashes", "hash_tokens", "file_hash_tokens", "chars_per_token")
_TOKENS = (
    "requests",
    "limit",
    "max_context",
    "hash_tokens",
    "file_hash_tokens",
)  # numbers that people write as 10k or 1M
_OTHERWISE = {"pool": "pools"}
_ALTERNATIVES = ({"rate", "concurrency"}, {"workload", "isl"}, {"workload", "osl"})


def _over(serve: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    """``serve`` with ``changes``; what says the same thing in another way gives room."""
    gone = {name for pair in _ALTERNATIVES for new in changes if new in pair for name in pair - set(changes)}
    return {name: value for name, value in serve.items() if name not in gone} | dict(changes)


def _own_name(spelled: str) -> str | None:
    """The field of :class:`SimulateChoices` that a spelling names, with or without the unit."""
    folded = spelled.replace("-", "_")
    for name in (_OTHERWISE.get(folded, folded), f"{folded}_s"):
        if name in _TYPES:
            return name
    return None


def _is_serve(folded: str) -> bool:
    try:
        choices_of({folded: None})
    except BadInputError:
        return False
    return True


def _value(name: str, value: object) -> object:
    """``value`` in the type and unit of the field ``name``."""
    kind = _TYPES[name]
    if kind.startswith("tuple"):
        if isinstance(value, str):
            return (value,)
        if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) for v in value):
            raise BadInputError(f"{option_of(name)} must be a text or a list of texts, not {value!r}.")
        return tuple(value)
    if not kind.startswith(("int", "float")):
        return value
    if not isinstance(value, str):
        return value
    if name == "jitter_s" and value.strip().lower() == "auto":
        return None
    try:
        text = f"{value}tok" if name in _TOKENS and value[-1:] in ("k", "M") else value
        found = units.parse(text, "s" if name.endswith("_s") else "tok" if name in _TOKENS else "1")
    except UnitError as error:
        wrong = error.args[0] if name.endswith("_s") or name in _TOKENS else "give a plain number."
        raise BadInputError(f"{option_of(name)} '{value}': {wrong}") from None
    return found


def _whole(choices: SimulateChoices, name: str, least: float, most: float) -> None:
    value = getattr(choices, name)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value % 1 != 0:
        raise BadInputError(f"{option_of(name)} must be a whole number, not {value!r}.")
    if not least <= value <= most:
        raise BadInputError(f"{option_of(name)} must be from {least:,.0f} to {int(most):,}, not {int(value):,}.")
    object.__setattr__(choices, name, int(value))


def _number(choices: SimulateChoices, name: str, *, positive: bool) -> None:
    value = getattr(choices, name)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise BadInputError(f"{option_of(name)} must be a number, not {value!r}.")
    if value < 0 or (positive and value == 0):
        raise BadInputError(f"{option_of(name)} must be {'above 0' if positive else '0 or more'}, not {value:g}.")
    object.__setattr__(choices, name, float(value))


def option_of(name: str) -> str:
    """A field as its option is spelled.

    >>> option_of("scale_every_s"), option_of("too_long"), option_of("pools")
    ('--scale-every', '--too-long', '--pool')
    """
    bare = name.removesuffix("_s")
    return "--" + {"pools": "pool"}.get(bare, bare).replace("_", "-")
