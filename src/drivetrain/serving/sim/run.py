"""The doors to the simulator: what is wrong is said first, then machine code runs, or Python for custom policies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from drivetrain.errors import BadInputError
from drivetrain.serving import policies
from drivetrain.serving.sim.check import checked
from drivetrain.serving.sim.records import Fleet, Options, Outcome, Requests

if TYPE_CHECKING:
    from drivetrain.serving.sim.kernel import Part

Progress = Callable[[int, int, float], None]


def simulate(
    fleet: Fleet,
    requests: Requests,
    options: Options = Options(),  # noqa: B008 - frozen
    progress: Progress | None = None,
) -> Outcome:
    """Play ``requests`` through ``fleet``; raises BadInputError beforehand where they make no sense together.

    ``progress`` hears (requests ended, of how many, simulated seconds) now and then. Ctrl-C gives what there is so far.
    Policies that are not built in run in the plain Python reference, with the same meaning.
    """
    checked(fleet, requests, options)
    if _custom(fleet):
        from drivetrain.serving.sim import reference

        return reference.simulate(fleet, requests, options, progress)
    from drivetrain.cost import jit
    from drivetrain.serving.sim import kernel

    jit.ready("kernel", "about half a minute")
    return kernel.simulate(fleet, requests, options, progress)


def stream(
    fleet: Fleet,
    parts: Iterable[Requests],
    options: Options = Options(),  # noqa: B008 - frozen
    progress: Progress | None = None,
) -> Iterator[Part | Outcome]:
    """Play requests that come in parts, in bounded memory: parts of results as they end, at last the totals.

    The parts are one open stream in order of arrival: no rows that wait for others, no closed loop, no custom policies.
    See :func:`drivetrain.serving.sim.kernel.stream`; each part is checked when it comes.
    """
    if named := _custom(fleet):
        raise BadInputError(
            f"policy '{named}' is not built in: it runs in plain Python, which holds the trace in memory. "
            "Play the trace as a whole, or a part of it (--limit)."
        )
    from drivetrain.cost import jit
    from drivetrain.serving.sim import kernel

    jit.ready("kernel", "about half a minute")
    return kernel.stream(fleet, _checked(fleet, parts, options), options, progress)


def _custom(fleet: Fleet) -> str:
    """The first policy that only plain Python can run; empty where there is none."""
    named = ((kind, getattr(fleet.policies, kind).name) for kind in policies.KINDS)
    return next((name for kind, name in named if policies.is_custom(kind, name)), "")


def _checked(fleet: Fleet, parts: Iterable[Requests], options: Options) -> Iterator[Requests]:
    """The parts, each checked by itself and against the one before it."""
    row, last_s, hash_tokens = 0, 0.0, -1
    for part in parts:
        if not len(part):
            continue
        if part.concurrency > 0 or (part.after >= 0).any():
            raise BadInputError("a stream has requests that come by themselves. Play closed loops and sessions whole.")
        checked(fleet, part, options)
        if part.arrival_s[0] < last_s:
            raise BadInputError(f"row {row} arrives at {part.arrival_s[0]:g} s, before the one above. Sort the trace.")
        if hash_tokens not in (-1, part.hash_tokens):
            sizes = f"{part.hash_tokens} tokens, before {hash_tokens}"
            raise BadInputError(f"from row {row} on hashes name {sizes}. Use one size.")
        row, last_s, hash_tokens = row + len(part), float(part.arrival_s[-1]), part.hash_tokens
        yield part
    if not row:
        raise BadInputError("the stream has no requests. Give a trace with at least one.")
