"""Requests from ServeGen's records of a production service: each client's rate, burstiness and lengths, over days.

ServeGen (Xiang and others, NSDI 2026) publishes, for each client and window of ten minutes, the rate and a law of the
gaps (gamma or Weibull with its shape), and for each client and six hours mean, p50, p90 and p99 of lengths; no
requests. Here each client sends in each window as many requests as recorded, times a factor where another ``rate`` is
asked for, at

    t_k = start + 600 s * (g_1 + ... + g_k) / (g_1 + ... + g_(n+1)),    g of the recorded law

so that rates are exact and gaps have the recorded burstiness within the window. Lengths have the recorded quantiles:
their logarithm is linear in the normal score between median, p90 and p99 and goes on so outside, to one in a thousand
and at most the highest p99 on record; input and output are independent within a client. Windows without lengths take
those of the same client's nearest window, clients without any those of the client that sends most. The client is the
session of its requests.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from drivetrain.errors import FileError
from drivetrain.serving.sim.records import Floats, Ints
from drivetrain.serving.traffic.arrivals import MOST_REQUESTS
from drivetrain.serving.traffic.context import within
from drivetrain.serving.traffic.files import connection
from drivetrain.serving.traffic.lengths import whole
from drivetrain.serving.traffic.records import Note, Traffic, requests_of
from drivetrain.serving.traffic.streams import ARRIVALS, LENGTHS, stream
from drivetrain.serving.traffic.wrong import ChoiceError, above_zero, at_least

WINDOW_S = 600.0
_LEAST_SHAPE = 0.02  # of a gamma law: below it all of a window's requests come at once anyway
_SIDES = ("input", "output")


def servegen(
    rates: str | Path, lengths: str | Path, *, workload: str = "language/m-large", start_s: float = 0.0,
    duration_s: float = 3600.0, rate: float | None = None, limit: int | None = None, context: int | None = None,
    too_long: str = "error", seed: int = 1,
) -> Traffic:  # fmt: skip
    """Requests of a recorded service between ``start_s`` and ``start_s + duration_s`` of the record; time starts at 0.

    ``rates`` has columns workload, client, window_start_s, rate_rps, dist, shape; ``lengths`` has workload, client,
    window_start_s and (input|output)_tokens_(p50|p90|p99). ``rate`` scales all clients' rates so that the mean is that.
    """
    for name, value in (("duration_s", duration_s), ("rate", rate), ("limit", limit)):
        above_zero(name, value)
    at_least("start_s", start_s)
    sent = _windows(Path(rates), workload, start_s, start_s + duration_s)
    overlap = np.minimum(sent["start"] + WINDOW_S, start_s + duration_s) - np.maximum(sent["start"], start_s)
    inside = float((sent["rate"] * overlap).sum())
    factor = 1.0 if rate is None else rate * duration_s / inside
    if factor * inside > MOST_REQUESTS:
        raise ChoiceError(
            lambda say: f"that makes {factor * inside:,.0f} requests. Lower {say('duration_s')} or {say('rate')}."
        )
    generator = stream(seed, ARRIVALS)
    count = np.floor(sent["rate"] * WINDOW_S * factor + generator.random(len(overlap))).astype(np.int64)
    arrival_s = _arrivals(sent, count, generator) - start_s
    row = np.flatnonzero((arrival_s >= 0) & (arrival_s < duration_s))
    row = row[np.argsort(arrival_s[row], kind="stable")][:limit]
    if not len(row):
        raise ChoiceError(lambda _: f"no client of {workload} sends anything in these {duration_s:g} s.")
    window = np.repeat(np.arange(len(count)), count)[row]
    isl, osl = _lengths(Path(lengths), workload, sent["client"][window], sent["start"][window], seed)
    client = sent["client"][window].astype(np.int64)
    made = requests_of(isl, osl, arrival_s=arrival_s[row], session=client, seed=seed)
    made, long = within(made, context, too_long)
    hours = f"hours {start_s / 3600:g} to {(start_s + duration_s) / 3600:g} of the record"
    text = f"{workload}, {len(np.unique(client)):,} clients, {hours}"
    scaled = () if factor == 1.0 else (Note("rate", f"all clients send {factor:.6g} times as much as recorded"),)
    return Traffic(made, (Note("ServeGen", text), *scaled, *long.notes()))


def _windows(path: Path, workload: str, start_s: float, end_s: float) -> dict[str, Floats]:
    """The clients' windows that touch the time asked for."""
    columns = "client, window_start_s as start, rate_rps as rate, (dist = 'Weibull')::double as weibull, shape"
    rows = _columns(
        path, columns, workload, f"window_start_s > {start_s - WINDOW_S} and window_start_s < {end_s} and rate_rps > 0"
    )
    if not len(rows["client"]):
        known = _columns(path, "distinct workload as workload", None, "true")["workload"]
        raise ChoiceError(
            lambda _: (
                f"{path} has no rates of '{workload}' from {start_s:g} s to {end_s:g} s. It has "
                f"{', '.join(sorted(map(str, known)))}."
            )
        )
    rows["shape"] = np.where(np.isfinite(rows["shape"]) & (rows["shape"] > 0), rows["shape"], 1.0)  # unknown: Poisson
    return rows


def _arrivals(sent: dict[str, Floats], count: Ints, generator: np.random.Generator) -> Floats:
    """Times of ``count`` arrivals in each window, one window after another."""
    gaps_of = np.repeat(np.arange(len(count)), count + 1)
    shape = sent["shape"][gaps_of]
    weibull = sent["weibull"][gaps_of] > 0
    gaps = np.empty(len(shape))
    gaps[weibull] = generator.weibull(shape[weibull])
    gaps[~weibull] = generator.gamma(np.maximum(shape[~weibull], _LEAST_SHAPE))
    ends = np.cumsum(count + 1)
    sums = np.cumsum(gaps)
    before = np.where(ends - count - 1 > 0, sums[ends - count - 2], 0.0)
    total = sums[ends - 1] - before
    last = np.zeros(len(gaps), dtype=bool)
    last[ends - 1] = True
    within_window = (sums - before[gaps_of])[~last] / np.repeat(np.where(total > 0, total, 1.0), count)
    return np.asarray(np.repeat(sent["start"], count) + WINDOW_S * np.minimum(within_window, 1.0))


def _lengths(path: Path, workload: str, client: Floats, start: Floats, seed: int) -> tuple[Ints, Ints]:
    """Input and output tokens of requests by client and window."""
    generator = stream(seed, LENGTHS)
    sides = []
    for side in _SIDES:
        names = [f"{side}_tokens_p{p}" for p in (50, 90, 99)]
        columns = ", ".join(["client", "window_start_s as start", *names])
        known = _columns(path, columns, workload, " and ".join(f"{name} is not null" for name in names))
        if not len(known["client"]):
            raise _no_lengths(path, side, workload)
        at = _nearest(known["client"], known["start"], client, start)
        p50, p90, p99 = (known[name][at] for name in names)
        values = from_quantiles(p50, p90, p99, generator.random(len(client)))
        sides.append(whole(np.minimum(values, known[names[2]].max()), generator))
    return sides[0], sides[1]


def _no_lengths(path: Path, side: str, workload: str) -> ChoiceError:
    return ChoiceError(lambda _: f"{path} has no {side} lengths of '{workload}'.")


def from_quantiles(p50: Floats, p90: Floats, p99: Floats, rank: Floats) -> Floats:
    """Lengths at ``rank`` of laws with these quantiles.

    >>> from_quantiles(*(np.array([x]) for x in (100.0, 300.0, 900.0, 0.9))).round(6).tolist()
    [300.0]
    """
    from scipy.special import ndtri

    score = ndtri(np.clip(rank, 1e-3, 1 - 1e-3))
    low, mid, high = (np.log(np.maximum(quantile, 1.0)) for quantile in (p50, p90, p99))
    z90, z99 = float(ndtri(0.9)), float(ndtri(0.99))
    body = low + (mid - low) / z90 * score
    tail = mid + (high - mid) / (z99 - z90) * (score - z90)
    return np.asarray(np.maximum(np.exp(np.where(score < z90, body, tail)), 1.0))


def _nearest(known_client: Floats, known_start: Floats, client: Floats, start: Floats) -> Ints:
    """For each request the row of its client that is nearest in time; else of the client that sends most of them."""
    order = np.lexsort((known_start, known_client))
    key = known_client[order] * _WIDE + known_start[order]
    there = np.isin(client, known_client)
    sends, times = np.unique(client[there] if there.any() else known_client, return_counts=True)
    wanted = np.where(there, client, sends[times.argmax()]) * _WIDE + start
    right = np.clip(np.searchsorted(key, wanted), 1, len(key) - 1) if len(key) > 1 else np.zeros(len(client), np.int64)
    left = np.maximum(right - 1, 0)
    return np.asarray(order[np.where(np.abs(key[left] - wanted) <= np.abs(key[right] - wanted), left, right)])


_WIDE = 1e9  # seconds between clients on one axis: more than any record is long


def _columns(path: Path, columns: str, workload: str | None, where: str) -> dict[str, Floats]:
    """Columns of a table as arrays."""
    import duckdb

    reader = "read_csv_auto" if path.suffix.lower() == ".csv" else "read_parquet"
    place = "'" + str(path).replace("'", "''") + "'"
    chosen = where if workload is None else f"workload = '{workload.replace(chr(39), chr(39) * 2)}' and {where}"
    order = "" if workload is None else " order by client, window_start_s"
    try:
        with connection() as database:
            found = database.execute(f"select {columns} from {reader}({place}) where {chosen}{order}").fetchnumpy()
    except duckdb.Error as error:
        raise FileError(f"cannot read {path} as a ServeGen table: {str(error).splitlines()[0]}") from None
    if workload is None:
        return {name: np.asarray(values) for name, values in found.items()}
    return {name: np.ma.filled(np.ma.asarray(values, dtype=np.float64), np.nan) for name, values in found.items()}
