"""Traffic made up from a workload's statistics: an open stream, a closed loop, or sessions of calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from drivetrain.catalogue import loader
from drivetrain.catalogue.read_workload import fixed
from drivetrain.catalogue.workload import Workload
from drivetrain.serving.sim.records import Floats, Ints, Requests
from drivetrain.serving.traffic.arrivals import MOST_REQUESTS, Arrivals, arrival_times
from drivetrain.serving.traffic.context import within
from drivetrain.serving.traffic.lengths import HOW, check_length, drawn, even
from drivetrain.serving.traffic.prefixes import Reuse, named
from drivetrain.serving.traffic.records import Note, Traffic, requests_of
from drivetrain.serving.traffic.sessions import Sessions, calls_of, counts_of, in_turn, names_of, prompts_of
from drivetrain.serving.traffic.streams import ORIGIN, PRIORITY, THINK, stream
from drivetrain.serving.traffic.wrong import ChoiceError, above_zero, among


def generate(
    workload: Workload | str | None = None, arrivals: Arrivals | None = None, *, isl: float | None = None,
    osl: float | None = None, range_frac: float = 0.0, n: int | None = None, duration_s: float | None = None,
    lengths: str = "classes", reuse: Reuse | None = None, sessions: Sessions | None = None,
    origins: Sequence[float] = (1.0,), priorities: Sequence[float] = (1.0,), context: int | None = None,
    too_long: str = "error", seed: int = 1,
) -> Traffic:  # fmt: skip
    """Requests of a ``workload`` (a profile or its name), or of lengths ``isl`` and ``osl``; and what was assumed.

    ``n`` requests are made, or those that come within ``duration_s``, whichever is fewer. ``range_frac`` r spreads
    fixed lengths evenly over [(1 - r) L, L]. ``lengths``: the profile's classes, as the closed form has them, or its
    quantiles. ``reuse`` says how prompts begin alike. With ``sessions`` the rate stays that of requests, as far as
    they end in time; with a concurrency, so many sessions are always under way. ``origins`` and ``priorities`` are
    the shares of requests (of sessions) of each. Prompts over ``context`` tokens fall under the rule ``too_long``.
    """
    if arrivals is None:
        raise ChoiceError(
            lambda say: f"say how requests come: a {say('rate')} (open loop) or a {say('concurrency')} (closed loop)."
        )
    if n is not None and not 1 <= n <= MOST_REQUESTS:
        raise ChoiceError(lambda say: f"{say('n')} is {n:,}. Give 1 to {MOST_REQUESTS:,} requests.")
    above_zero("duration_s", duration_s)
    if arrivals.concurrency and n is None:
        raise ChoiceError(lambda say: f"a closed loop ends after so many requests: say how many ({say('n')}).")
    source = _source(workload, isl, osl, range_frac, lengths, seed)
    make = _stream if sessions is None else partial(_sessions, sessions)
    requests, notes = make(source, arrivals, reuse or Reuse(), n, duration_s)
    requests, long = within(requests, context, too_long)
    if not len(requests):
        raise ChoiceError(
            lambda say: (
                f"no request of {source.profile.name} fits the context of {context:,} tokens. Cut their prompts "
                f"with {say('too_long', 'truncate')}."
            )
        )
    if sessions and arrivals.concurrency:
        think = stream(seed, THINK).exponential(arrivals.think_s, len(requests))
        requests = in_turn(requests, arrivals.concurrency, think)
    each = np.arange(len(requests)) if sessions is None else requests.session
    requests = replace(
        requests,
        origin=_shares(origins, "origins", each, stream(seed, ORIGIN)),
        priority=_shares(priorities, "priorities", each, stream(seed, PRIORITY)),
    )
    return Traffic(requests, (*notes, *long.notes()))


@dataclass(frozen=True, slots=True)
class _Source:
    """The profile, and how ``n`` pairs of lengths are drawn from it."""

    profile: Workload
    lengths: Callable[[int], tuple[Ints, Ints]]
    note: Note
    seed: int


def _source(workload: Workload | str | None, isl: float | None, osl: float | None, range_frac: float, lengths: str,
            seed: int) -> _Source:  # fmt: skip
    if (workload is None) == (isl is None and osl is None):
        raise _no_lengths()
    if workload is not None:
        profile = loader.load("workloads", workload) if isinstance(workload, str) else workload
        among("lengths", lengths, HOW)
        said = Note("lengths", f"{lengths} of the workload {profile.name}")
        return _Source(profile, lambda n: drawn(profile, n, lengths, seed), said, seed)
    if isl is None or osl is None:
        raise _no_lengths()
    check_length("isl", isl)
    check_length("osl", osl)
    profile = fixed(isl, osl, range_frac=range_frac)
    said = Note("lengths", profile.title)
    return _Source(profile, lambda n: even(isl, osl, range_frac, n, seed), said, seed)


def _no_lengths() -> ChoiceError:
    return ChoiceError(lambda say: f"give a {say('workload')}, or both {say('isl')} and {say('osl')}.")


def _stream(source: _Source, arrivals: Arrivals, reuse: Reuse, n: int | None, duration_s: float | None,
            ) -> tuple[Requests, list[Note]]:  # fmt: skip
    """Requests that know nothing of each other."""
    seed, loop = source.seed, arrivals.concurrency
    arrival_s, notes = (
        (np.zeros(n or 0), [_loop_note(arrivals)]) if loop else _times(source, arrivals, 1.0, n, duration_s)
    )
    isl, osl = source.lengths(len(arrival_s))
    share = source.profile.prefix_hit_frac if reuse.share is None else reuse.share
    names = None
    if share > 0:
        names, said = named(isl, osl, share, reuse, arrivals.rate or 0.0, loop, seed)
        notes.append(said)
    gap_s = stream(seed, THINK).exponential(arrivals.think_s, len(isl)) if loop and arrivals.think_s else None
    made = requests_of(
        isl,
        osl,
        arrival_s=arrival_s,
        gap_s=gap_s,
        names=names,
        hash_tokens=reuse.hash_tokens,
        concurrency=loop,
        seed=seed,
    )
    return made, [source.note, *notes]


def _sessions(sessions: Sessions, source: _Source, arrivals: Arrivals, reuse: Reuse, n: int | None,
              duration_s: float | None) -> tuple[Requests, list[Note]]:  # fmt: skip
    """Sessions whose first calls come by themselves and whose others wait for answers; the last may be cut at ``n``."""
    seed, profile = source.seed, source.profile
    share = profile.prefix_hit_frac if reuse.share is None else reuse.share
    first, new = prompts_of(sessions, profile.isl_mean, profile.osl_mean, share)
    if arrivals.concurrency:
        arrival_s, notes = np.zeros(n or 0), [_loop_note(arrivals)]
    else:
        arrival_s, notes = _times(source, arrivals, sessions.calls, n, duration_s)
    counts = counts_of(sessions, len(arrival_s), seed)
    if n is not None:
        ends = np.cumsum(counts)
        used = int(np.searchsorted(ends, n, "left")) + 1
        counts = counts[:used]
        counts[-1] -= max(int(ends[min(used, len(ends)) - 1]) - n, 0)
    _, osl = source.lengths(int(counts.sum()))
    calls = calls_of(sessions, counts, osl, first, new, seed)
    made = requests_of(
        calls.isl, osl, arrival_s=arrival_s[calls.session], session=calls.session, after=calls.after, gap_s=calls.gap_s,
        names=names_of(sessions, calls, osl, reuse.hash_tokens, seed), hash_tokens=reuse.hash_tokens, seed=seed,
    )  # fmt: skip
    text = (
        f"{len(counts):,} of {sessions.calls:g} calls ({sessions.law}): {first:,.0f} tokens in the first prompt, "
        f"{new:,.0f} new in each later one, {sessions.gap_s:g} s between answer and call"
    )
    return made, [source.note, Note("sessions", text), *notes]


def _times(source: _Source, arrivals: Arrivals, calls: float, n: int | None, duration_s: float | None,
           ) -> tuple[Floats, list[Note]]:  # fmt: skip
    """When requests come, or sessions of so many ``calls``."""
    profile, rate = source.profile, (arrivals.rate or 0.0) / calls
    cv = 1.0 if arrivals.law == "poisson" else profile.arrival_cv if arrivals.cv is None else arrivals.cv
    times = arrival_times(arrivals, rate, cv, profile.day_shape, n, duration_s, source.seed)
    if not len(times):
        raise ChoiceError(
            lambda say: (
                f"nothing comes within {duration_s:g} s at {rate:g}/s. Give a longer {say('duration_s')} or a "
                f"higher {say('rate')}."
            )
        )
    law = "Poisson" if cv == 1.0 else f"{arrivals.law}, CV {cv:g}"
    what = "requests" if calls == 1.0 else f"sessions, {arrivals.rate:g} requests"
    text = f"{rate:.6g} {what}/s, {law}"
    if arrivals.day != "flat":
        text += f"; mean over the day, which is {arrivals.day} and begins at {arrivals.start_s / 3600:g} h"
    return times, [Note("arrivals", text)]


def _loop_note(arrivals: Arrivals) -> Note:
    text = f"a closed loop of {arrivals.concurrency:,}"
    return Note(
        "arrivals", text + (f", {arrivals.think_s:g} s (exponential) after each answer" if arrivals.think_s else "")
    )


def _shares(shares: Sequence[float], what: str, each: Ints, generator: np.random.Generator) -> Ints:
    """Which of the shares everything that has one number in ``each`` falls to."""
    weight = np.array(shares, dtype=np.float64)
    if not len(weight) or not np.isfinite(weight).all() or (weight < 0).any() or weight.sum() <= 0:
        given = ", ".join(f"{x:g}" for x in shares) or "none"
        raise ChoiceError(lambda say: f"{say(what)} are {given}. Give shares of at least 0, one above.")
    if len(weight) == 1:
        return np.zeros(len(each), dtype=np.int64)
    edges = np.cumsum(weight / weight.sum())
    picked = np.searchsorted(edges, generator.random(int(each.max()) + 1), "right")
    return np.minimum(picked, len(weight) - 1)[each]
