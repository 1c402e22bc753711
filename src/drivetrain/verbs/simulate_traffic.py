"""The requests of a simulation from its choices: a trace replayed, or traffic drawn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain import units
from drivetrain.catalogue import loader
from drivetrain.errors import BadInputError, UnitError
from drivetrain.registry import suggest
from drivetrain.serving.sim.records import Requests
from drivetrain.serving.traffic import Arrivals, Note, Reuse, Sessions, Traffic, generate, read, read_chunks, servegen
from drivetrain.serving.traffic.wrong import ChoiceError
from drivetrain.verbs.assumption import Assumption
from drivetrain.verbs.simulate_choices import Question, option_of

_OPTIONS = {"law": "arrivals", "cv": "burstiness", "n": "requests", "day_s": "day_length_s",
            "range_frac": "length_range", "share": "prefix_hit", "jitter": "jitter_s",
            "context": "max_context"}  # fmt: skip
_SESSIONS = frozenset(field.name for field in fields(Sessions)) - {"law"}
DEFAULT_REQUESTS = 10_000
HASH_TOKENS = 64
PART_ROWS = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Requests, where they came from, and what was assumed about them. ``origins`` names what ``origin`` counts."""

    requests: Requests
    origins: tuple[str, ...]
    assumptions: tuple[Assumption, ...]

    @property
    def isl_mean(self) -> float:
        """Mean prompt, tokens."""
        return float(self.requests.isl.mean()) if len(self.requests) else 1.0

    @property
    def osl_mean(self) -> float:
        """Mean answer, tokens."""
        return float(self.requests.osl.mean()) if len(self.requests) else 1.0

    @property
    def span_s(self) -> float:
        """From zero to the last request that comes by itself."""
        arriving = self.requests.arrival_s[self.requests.after < 0]
        return float(arriving[-1]) if len(arriving) and not self.requests.concurrency else 0.0


def traffic_of(question: Question, context: int, seed: int) -> Asked:
    """The requests that ``question`` asks about, none longer than ``context`` tokens, drawn with ``seed``."""
    names, shares = _shares(question.own.origins)
    with choices_as_options():
        made = _replayed(question, context, seed) if question.own.trace else _drawn(question, context, seed, shares)
    if not len(made.requests):
        raise BadInputError(
            "there is not one request in this traffic. Take more rows, a longer --duration or a higher --rate."
        )
    source = Path(question.own.trace).name if question.own.trace else "traffic"
    return Asked(made.requests, names, noted(made.notes, source))


def parts_of(question: Question, context: int, seed: int, notes: list[Note]) -> Iterator[Requests]:
    """The trace of ``question`` in parts; ``notes`` receives what was assumed, at the end."""
    with choices_as_options():
        yield from read_chunks(question.own.trace, rows=PART_ROWS, notes=notes, **_reading(question, context, seed))


@contextmanager
def choices_as_options() -> Iterator[None]:
    """Errors about choices of traffic name options."""
    try:
        yield
    except ChoiceError as error:
        raise error.said(_said) from None


def _said(name: str, value: str = "") -> str:
    """A choice of :mod:`drivetrain.serving.traffic` as its option, or as a term of one.

    >>> _said("law", "gamma"), _said("duration_s"), _said("first_isl")
    ('--arrivals gamma', '--duration', '--sessions first_isl')
    """
    option = f"--sessions {name}" if name in _SESSIONS else option_of(_OPTIONS.get(name, name))
    return f"{option} {value}" if value else option


def noted(notes: Sequence[Note], source: str) -> tuple[Assumption, ...]:
    """What reading or drawing requests took as given."""
    return tuple(Assumption(note.what, note.value, source) for note in notes)


def among(asked: Asked, regions: Sequence[str]) -> Requests:
    """The requests with origins numbered as ``regions`` are."""
    if not asked.origins:
        most = int(asked.requests.origin.max(initial=0))
        if most >= len(regions):
            raise BadInputError(
                f"the trace has requests from origin {most}, but the fleet knows {len(regions)} region(s): "
                f"{', '.join(regions)}. Add pools with region=, or --origins."
            )
        return asked.requests
    unknown = [name for name in asked.origins if name not in regions]
    if unknown:
        raise BadInputError(
            f"requests come from '{unknown[0]}', but the fleet knows only {', '.join(regions)}. "
            "Give a pool region=..., or the way there with --network."
        )
    at = np.array([regions.index(name) for name in asked.origins], dtype=np.int64)
    return replace(asked.requests, origin=at[asked.requests.origin])


def _replayed(question: Question, context: int, seed: int) -> Traffic:
    own = question.own
    if own.lengths:
        return servegen(own.trace, own.lengths, workload=own.servegen, duration_s=own.duration_s or 3600.0,
                        rate=question.number("rate"), limit=own.limit, context=context, too_long=own.too_long,
                        seed=seed)  # fmt: skip
    return read(own.trace, concurrency=_loop(question), think_s=own.think_s, **_reading(question, context, seed))


def _reading(question: Question, context: int, seed: int) -> dict[str, Any]:
    """How the trace is read: the fields of :class:`drivetrain.serving.traffic.Reading`."""
    own, osl = question.own, question.number("osl")
    return {
        "rate": question.number("rate"), "speedup": own.speedup, "limit": own.limit, "duration_s": own.duration_s,
        "context": context, "too_long": own.too_long, "bad_rows": own.bad_rows,
        "jitter": "auto" if own.jitter_s is None else own.jitter_s, "hashes": own.hashes,
        "hash_tokens": own.hash_tokens, "file_hash_tokens": own.file_hash_tokens, "osl": osl,
        "chars_per_token": own.chars_per_token, "seed": seed,
    }  # fmt: skip


def _drawn(question: Question, context: int, seed: int, origins: tuple[float, ...]) -> Traffic:
    own, serve = question.own, question.serve
    name = str(serve.get("workload") or "")
    isl, osl = question.number("isl"), question.number("osl")
    n = own.requests if own.requests or own.duration_s else DEFAULT_REQUESTS
    arrivals = Arrivals(
        rate=question.number("rate"), cv=own.burstiness, law=own.arrivals,
        day=own.day, peak_to_mean=own.peak_to_mean, day_s=own.day_length_s,
        start_s=own.start_s, concurrency=_loop(question), think_s=own.think_s,
    )  # fmt: skip
    return generate(
        loader.load("workloads", name) if name else None, arrivals, isl=isl, osl=osl, range_frac=own.length_range,
        n=n, duration_s=own.duration_s, reuse=_reuse(question),
        sessions=_sessions(question), origins=origins or (1.0,),
        priorities=_priorities(own.priorities), context=context, too_long=own.too_long, seed=seed,
    )  # fmt: skip


def _reuse(question: Question) -> Reuse:
    return Reuse(share=question.number("prefix_hit"), hash_tokens=question.own.hash_tokens or HASH_TOKENS)


def _sessions(question: Question) -> Sessions | None:
    """Sessions as they are asked for; with plain lengths ``isl`` is what each call adds."""
    text, isl = question.own.sessions, question.number("isl")
    if not text:
        return None
    found = sessions_of(text)
    if isl is None or found.first_isl or found.new_tokens or question.number("prefix_hit") is not None:
        return found
    return replace(found, first_isl=found.shared_tokens + isl, new_tokens=isl)


def _loop(question: Question) -> int:
    loop = question.number("concurrency") or 0.0
    if loop != math.floor(loop):
        raise BadInputError(f"--concurrency counts requests in flight: a whole number, not {loop:g}.")
    return int(loop)


def sessions_of(text: str) -> Sessions:
    """Read ``calls=20,gap=2s,new_tokens=300``; units and dashes as everywhere.

    >>> sessions_of("calls=20, gap=2s").calls, sessions_of("gap=2s").gap_s
    (20.0, 2.0)
    """
    kinds = {field.name: field.name for field in fields(Sessions)}
    kinds |= {name.removesuffix("_s"): name for name in kinds} | {name.replace("_", "-"): name for name in kinds}
    found: dict[str, object] = {}
    for term in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = (part.strip() for part in term.partition("="))
        if not equals or not value:
            raise BadInputError(f"cannot read --sessions '{term}'. Write for example calls=20,gap=2s,new_tokens=300.")
        if key not in kinds:
            close = suggest(key, list(kinds), 1)
            hint = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(f.name for f in fields(Sessions))}."
            raise BadInputError(f"--sessions knows no '{key}'. {hint}")
        name = kinds[key]
        if name in found:
            raise BadInputError(f"--sessions says {name} twice. Keep one.")
        found[name] = value if name == "law" else _counted(name, _number("--sessions", name, value))
    return Sessions(**found)  # type: ignore[arg-type]


def _counted(name: str, value: float) -> float:
    """``value``, a whole number where the field counts."""
    if name not in ("shared_tokens", "shared_groups"):
        return value
    if value != math.floor(value):
        raise BadInputError(f"--sessions {name} must be a whole number, not {value:g}.")
    return int(value)


def _number(option: str, name: str, value: str) -> float:
    dimension = "s" if name.endswith("_s") else "tok" if name.endswith(("_tokens", "_isl")) else "1"
    try:
        return units.parse(f"{value}tok" if dimension == "tok" and value[-1:] in ("k", "M") else value, dimension)
    except UnitError as error:
        wrong = "give a plain number." if dimension == "1" else error.args[0]
        raise BadInputError(f"{option} {name} '{value}': {wrong}") from None


def _shares(text: str) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Read ``us=0.7, eu=0.3``: names and their shares.

    >>> _shares("us=0.7, eu=30%")
    (('us', 'eu'), (0.7, 0.3))
    """
    names: list[str] = []
    shares: list[float] = []
    for term in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (part.strip() for part in term.partition("="))
        if not equals or not name:
            raise BadInputError(f"cannot read --origins '{term}'. Write for example us=0.7,eu=0.3.")
        names.append(name)
        shares.append(_number("--origins", name, value))
    if names and not (all(share >= 0 for share in shares) and sum(shares) > 0):
        raise BadInputError(f"--origins '{text}': shares must be 0 or more, and not all 0.")
    total = sum(shares)
    return tuple(names), tuple(share / total for share in shares)


def _priorities(text: str) -> tuple[float, ...]:
    """Read ``0.9, 0.1``: the share of each priority class, the first served first."""
    if not text:
        return (1.0,)
    shares = [_number("--priorities", "share", part.strip()) for part in text.split(",")]
    if not (all(share >= 0 for share in shares) and sum(shares) > 0):
        raise BadInputError(f"--priorities '{text}': shares must be 0 or more, and not all 0.")
    return tuple(share / sum(shares) for share in shares)
