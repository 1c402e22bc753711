"""How much of a change each of its parts explains, from the value of every state between.

Parts are numbered; a state is the set of parts applied so far, its value ``None`` where nothing meets what was asked
there. Effects always sum to the value with every part less the value with none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations

Value = Callable[[frozenset[int]], float | None]
MOST_AVERAGED = 4  # parts whose orders are all tried: 2^4 states; each more part would double them


@dataclass(frozen=True, slots=True)
class Share:
    """What one part explains; ``None`` where only the joint effect with ``together_with`` is known.

    The last part of such a group carries its joint effect.
    """

    delta: float | None
    together_with: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Averaged:
    """Effects averaged over ``n_used`` of ``n_orders`` orders: those in which every state between has a value."""

    deltas: tuple[float, ...]
    n_used: int
    n_orders: int


def in_turn(order: Sequence[int], value: Value) -> dict[int, Share] | None:
    """Effects of applying the parts in ``order``; ``None`` where the first or the last state has no value.

    Parts that pass through states without a value have one joint effect, that of the way from the last state with a
    value to the next.

    >>> worth = {(): 10.0, (0,): None, (0, 1): 7.0, (0, 1, 2): 6.0}
    >>> in_turn((0, 1, 2), lambda state: worth[tuple(sorted(state))])[1]
    Share(delta=-3.0, together_with=(0,))
    """
    before, after = value(frozenset()), value(frozenset(order))
    if before is None or after is None:
        return None
    shares: dict[int, Share] = {}
    waiting: list[int] = []
    for i, part in enumerate(order):
        now = value(frozenset(order[: i + 1]))
        if now is None:
            waiting.append(part)
            continue
        group = (*waiting, part)
        shares |= {p: Share(None, tuple(q for q in group if q != p)) for p in waiting}
        shares[part] = Share(now - before, tuple(waiting))
        before, waiting = now, []
    return shares


def averaged(n: int, value: Value) -> Averaged | None:
    """Effects averaged over all orders (the Shapley value); ``None`` where no order has a value at every state.

    Orders that pass through a state without a value are left out; each of the others sums to the total, and so does
    their average. L. S. Shapley, "A value for n-person games", 1953.
    """
    sums, used, tried = [0.0] * n, 0, 0
    for order in permutations(range(n)):
        tried += 1
        states = [value(frozenset(order[:i])) for i in range(n + 1)]
        known = [state for state in states if state is not None]
        if len(known) <= n:
            continue
        used += 1
        for part, before, after in zip(order, known, known[1:], strict=False):
            sums[part] += after - before
    return Averaged(tuple(s / used for s in sums), used, tried) if used else None
