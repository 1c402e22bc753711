"""Waiting for a token budget and for a slot, in machine code: bursts, batches, several queues.

``load`` is the share of the time that a server is busy, ``cv2`` a squared coefficient of variation. Method and
sources: docs/method/serving.md.
"""

from __future__ import annotations

import math

from drivetrain.cost.jit import jit

_GAMMA = 0.94  # of 1 + 1 / cv2, between 0.89 and 1


@jit
def wait_probability(offered: float, servers: float, burst: float) -> float:
    """Halfin and Whitt's probability of waiting, with the offered load's spread widened by burstiness."""
    beta = (servers - offered) / math.sqrt(max(offered * burst, 1e-12))
    if beta > 30.0:
        return 0.0
    density = math.exp(-0.5 * beta * beta) / math.sqrt(2.0 * math.pi)
    below = 0.5 * math.erfc(-beta / math.sqrt(2.0))
    return density / (density + beta * below)


@jit
def rounds(one: float, during: float) -> float:
    """Prompt steps for each decode step, where decodes wait until no prompt is there.

    ``one`` is the chance of a first (some prompt came in the decode step). Each is followed by another where prompts
    came meanwhile: ``u = one exp(during / u)`` with ``during`` the chunks that come in all of them; by Newton.
    """
    if during <= 0.0 or one <= 1e-12:
        return one
    u = one + during
    for _ in range(6):
        log = math.log(u / one)
        u -= (u * log - during) / (log + 1.0)
    return u


@jit
def company(expected: float, cv2: float) -> float:
    """Arrivals beyond those ``expected`` within a time after an arrival, where gaps are Gamma with ``cv2`` above 1.

    With f the chance that the next gap is shorter than that time, a run of short gaps adds f / (1 - f); over long
    times the excess is (cv2 - 1) / 2. Between the two: their harmonic sum. No excess up to ``cv2`` 1.
    """
    if cv2 <= 1.0 or expected <= 0.0:
        return 0.0
    f = min((expected / cv2) ** (1.0 / cv2) / _GAMMA, 0.999)
    return float(1.0 / (2.0 / (cv2 - 1.0) + (1.0 - f) / f))


@jit
def nearby(expected: float, cv2: float, ways: float) -> float:
    """Arrivals within a time around one's own, ``expected`` of them on average, a stream dealt out ``ways``.

    Bursts bring more (:func:`company`, before and after), regular arrivals fewer: in a short time none.
    """
    if cv2 < 1.0:
        return expected * expected / (expected + 1.0 - cv2) if expected > 0.0 else 0.0
    return float(expected + 2.0 * company(0.5 * expected * ways, cv2) / ways)


@jit
def prompt_queue(
    load: float, drain: float, budgets: float, cv2: float, regular: float, ranks: float, even: float, crowd: float
) -> tuple[float, float, float]:
    """(mean wait, chance to wait, variability) of a prompt for room in the token budget.

    Pollaczek and Khinchine with batches: ``[load (regular + cv2) / 2 + crowd] / (1 - load)`` services, fewer where
    requests go to the emptier of several ranks (Sakasegawa's exponent). Work up to a budget runs at once in the next
    step, so only what exceeds it waits: a random walk over steps, by Siegmund's correction exp(-2 0.583 drift /
    deviation), or over whole prompts where those are larger than a budget. A prompt is of
    ``budgets``; infinite where nothing decodes: prompts then take turns.
    """
    emptier = even * max(load, 1e-9) ** (math.sqrt(2.0 * (ranks + 1.0)) - 2.0)
    among = 1.0 - even + emptier / ranks
    waits = 1.0 - even + emptier
    spread = regular + 2.0 * crowd + cv2
    jump = min(max(budgets * spread, 1e-9), 1e9)  # work that comes together, in budgets
    exceeds = math.exp(-(1.0 - load) * min(1.165 / math.sqrt(max(load * jump, 1e-12)), 1.0 / jump))
    wait = (load * (regular + cv2) / 2.0 * among + crowd) / (1.0 - load) * drain * exceeds
    clump = (regular + 2.0 * crowd + 1.0) / 2.0
    chance = 1.0 - (1.0 - load * waits) / clump if clump >= 1.0 else load * clump * waits
    return wait, chance * exceeds, spread
