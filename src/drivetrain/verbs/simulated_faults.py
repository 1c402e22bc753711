"""What goes wrong in a simulated fleet, as people write it, drawn to control events by a seed.

Failures of a replica of n accelerators come at rate n / mtbf, reclaims of spot capacity at a rate a replica; times
between are exponential, each replica has random numbers of its own, so that more replicas leave the others' alone. A
replica that failed serves again after repair and cold start; one that was reclaimed, after as long as capacity takes to
come back and cold start. The router learns of either ``detect`` later.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from drivetrain import units
from drivetrain.catalogue import loader
from drivetrain.catalogue.wan import Place
from drivetrain.errors import BadInputError, UnitError
from drivetrain.registry import suggest
from drivetrain.serving.sim.records import DETECT, FAIL, NOTICE, PARTITION, RECOVER, SLOW, Control, Pool
from drivetrain.units import SECONDS_PER_HOUR, show
from drivetrain.verbs.assumption import Assumption
from drivetrain.verbs.simulated_network import pair_of

_STREAM = 7001  # of this module's random numbers among all that share the seed
_SLOW = re.compile(r"replica\s+(\d+)\s*x\s*([\d.]+)\s*from\s+(\S+)(?:\s+to\s+(\S+))?")
_PARTITION = re.compile(r"(\S+)\s+from\s+(\S+)\s+to\s+(\S+)")
_ON = ("on", "yes", "true")


@dataclass(frozen=True, slots=True)
class Faults:
    """Seconds, and rates per second: failures of one accelerator, reclaims of one replica (0: none)."""

    failures_per_s: float = 0.0
    repair_s: float = 0.0
    detect_s: float = 0.0
    reclaims_per_s: float = 0.0
    notice_s: float = 0.0
    back_s: float = 0.0


def controls_of(
    pools: Sequence[Pool], places: Sequence[Place], faults: Faults, slow: Sequence[str], partition: Sequence[str],
    horizon_s: float, seed: int,
) -> tuple[Control, ...]:  # fmt: skip
    """All control events in order of time; faults and reclaims are drawn until ``horizon_s``."""
    drawn = faults.failures_per_s > 0.0 or faults.reclaims_per_s > 0.0
    if drawn and not math.isfinite(horizon_s):
        raise BadInputError("faults are drawn up to a time: say until when with --horizon.")
    found: list[Control] = []
    number = 0
    for pool in pools:
        for _ in range(pool.max_replicas if drawn else 0):
            found += _drawn(pool, number, faults, horizon_s, seed)
            number += 1
    found += [event for text in slow for event in _slow(text, pools)]
    found += [_partition(text, places) for text in partition]
    return tuple(sorted(found, key=lambda event: event.time_s))


def read_faults(faults: str, spot: str) -> tuple[Faults, list[Assumption]]:
    """The rates that two texts state (``mtbf=50000h, repair=1h``; ``rate=0.05 per hour, notice=120s``).

    What they leave out is the catalogue's, with its source; ``on`` leaves out everything.
    """
    notes: list[Assumption] = []
    known = loader.economics()

    def value(option: str, said: Mapping[str, float], key: str, name: str) -> float:
        if key in said:
            return said[key]
        fact = known[name].mid
        notes.append(Assumption(f"{option} {key}", show(fact.value, "s"), f"{fact.source}, {fact.seen}"))
        return fact.value

    found: dict[str, float] = {}
    if faults:
        said = _terms("--faults", faults, {"mtbf": "s", "repair": "s", "detect": "s"})
        mtbf = value("--faults", said, "mtbf", "accelerator_mtbf_s")
        if mtbf <= 0.0:
            raise BadInputError("--faults: mtbf must be above zero, for example mtbf=50000h.")
        found |= {"failures_per_s": 1.0 / mtbf, "repair_s": value("--faults", said, "repair", "repair_s"),
                  "detect_s": value("--faults", said, "detect", "failure_detection_s")}  # fmt: skip
    if spot:
        said = _terms("--spot", spot, {"rate": "rate", "notice": "s", "back": "s"})
        if "rate" not in said:
            raise BadInputError('--spot needs how often a replica is reclaimed: --spot "rate=0.05 per hour".')
        found |= {"reclaims_per_s": said["rate"], "notice_s": value("--spot", said, "notice", "spot_notice_s"),
                  "back_s": value("--spot", said, "back", "spot_back_s")}  # fmt: skip
        found.setdefault("detect_s", known["failure_detection_s"].mid.value)
    return Faults(**found), notes


def _drawn(pool: Pool, number: int, f: Faults, horizon_s: float, seed: int) -> Iterator[Control]:
    """What happens to replica ``number``: the sooner of a failure and a reclaim, again and again."""
    random = np.random.Generator(np.random.PCG64([seed, _STREAM, number]))
    rates = (f.failures_per_s * pool.n_accelerators, f.reclaims_per_s)
    now = 0.0
    while True:
        # both are drawn always, so that one does not change the other's numbers
        waits = [
            float(x) / rate if rate > 0.0 else math.inf
            for x, rate in zip(random.exponential(size=2), rates, strict=True)
        ]
        now += min(waits)
        if not now < horizon_s:
            return
        if waits[1] < waits[0]:
            yield Control(now, NOTICE, number)
            now += f.notice_s
            down = f.back_s + pool.cold_start_s
        else:
            down = f.repair_s + pool.cold_start_s
        yield Control(now, FAIL, number)
        yield Control(now + f.detect_s, DETECT, number)
        now += down
        yield Control(now, RECOVER, number)
        yield Control(now + f.detect_s, DETECT, number)


def _slow(text: str, pools: Sequence[Pool]) -> Iterator[Control]:
    """``replica 3 x2 from 60s to 120s``: replicas are counted from 0 over those there at the start, pool by pool."""
    match = _SLOW.fullmatch(text.strip().lower())
    if not match:
        raise BadInputError(f"cannot read --slow '{text}'. Write for example \"replica 3 x2 from 60s to 120s\".")
    wanted, factor = int(match[1]), _positive("--slow", match[2])
    number = _numbered(wanted, pools)
    start = _seconds("--slow", match[3])
    yield Control(start, SLOW, number, value=factor)
    if match[4]:
        end = _seconds("--slow", match[4])
        if end <= start:
            raise BadInputError(f"--slow '{text}' ends before it starts.")
        yield Control(end, SLOW, number, value=1.0)


def _numbered(wanted: int, pools: Sequence[Pool]) -> int:
    """The fleet's number of the ``wanted``-th replica that is there at the start."""
    seen = first = 0
    for pool in pools:
        if wanted < seen + pool.replicas:
            return first + wanted - seen
        seen, first = seen + pool.replicas, first + pool.max_replicas
    raise BadInputError(f"--slow: there is no replica {wanted}; they count from 0 to {seen - 1}.")


def _partition(text: str, places: Sequence[Place]) -> Control:
    match = _PARTITION.fullmatch(text.strip().lower())
    if not match:
        raise BadInputError(f"cannot read --partition '{text}'. Write for example \"us-eu from 100s to 160s\".")
    names = [one.name for one in places]
    a, b = pair_of(match[1], {one.name: one for one in places})
    start, end = _seconds("--partition", match[2]), _seconds("--partition", match[3])
    if end <= start:
        raise BadInputError(f"--partition '{text}' ends before it starts.")
    return Control(start, PARTITION, names.index(a), names.index(b), end)


def _terms(option: str, text: str, known: Mapping[str, str]) -> dict[str, float]:
    said: dict[str, float] = {}
    if text.strip().lower() in _ON:
        return said
    for term in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = (part.strip() for part in term.partition("="))
        if not equals and "rate" in known and "rate" not in said:  # --spot "0.05 per hour"
            key, value = "rate", key
        if key.lower() not in known or not value:
            close = suggest(key, known, 1)
            hint = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(known)}."
            raise BadInputError(f"{option} knows no '{term}'. {hint}")
        key = key.lower()
        said[key] = _rate(option, value) if known[key] == "rate" else _seconds(option, value)
    return said


def _rate(option: str, text: str) -> float:
    """``0.05 per hour``, ``0.05/h`` or ``0.05`` (per hour) as a rate per second."""
    number, _, per = re.sub(r"\s*(?:per|/)\s*", "/", text.strip().lower(), count=1).partition("/")
    hours = {"": 1.0, "h": 1.0, "hour": 1.0, "day": 24.0, "d": 24.0, "min": 1.0 / 60.0, "s": 1.0 / SECONDS_PER_HOUR}
    if per not in hours:
        raise BadInputError(f"{option}: cannot read '{text}' as a rate. Write for example 0.05 per hour.")
    return _positive(option, number) / (hours[per] * SECONDS_PER_HOUR)


def _seconds(option: str, text: str) -> float:
    try:
        seconds = units.parse(text, "s")
    except UnitError as error:
        raise BadInputError(f"{option}: {error.args[0]}") from None
    if seconds < 0.0:
        raise BadInputError(f"{option}: a time cannot be negative, '{text}' is.")
    return seconds


def _positive(option: str, text: str) -> float:
    try:
        number = units.parse(text, "1")
    except UnitError as error:
        raise BadInputError(f"{option}: {error.args[0]}") from None
    if number <= 0.0:
        raise BadInputError(f"{option}: a number above zero is needed, not '{text}'.")
    return number
