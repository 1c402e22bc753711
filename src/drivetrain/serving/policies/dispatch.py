"""A built-in policy called by its code (its place in ``names.BUILT_IN``), in machine code.

Chains of comparisons and not tables of functions: they compile once, load from numba's cache and call directly.
A code that is none of a kind's gives what no policy may: no endpoint, nan.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.jit import jit
from drivetrain.serving.policies.admit import always, slo_aware, token_bucket
from drivetrain.serving.policies.route import (
    cheapest_region,
    least_loaded,
    least_tokens,
    power_of_two,
    prefix_aware,
    prefix_events,
    random,
    round_robin,
    session,
    weighted,
)
from drivetrain.serving.policies.scale import fixed, predictive, target_concurrency, target_queue
from drivetrain.serving.policies.schedule import fcfs, priority, shortest
from drivetrain.serving.policies.select import by_difficulty, cascade, one_model

Floats = NDArray[np.float64]

round_robin_score, random_score, least_loaded_score = round_robin.score, random.score, least_loaded.score
least_tokens_score, power_of_two_score = least_tokens.score, power_of_two.score
prefix_aware_score, prefix_events_score = prefix_aware.score, prefix_events.score
session_score, weighted_score, cheapest_region_score = session.score, weighted.score, cheapest_region.score
always_admit, token_bucket_admit, slo_aware_admit = always.admit, token_bucket.admit, slo_aware.admit
fcfs_key, priority_key, shortest_key = fcfs.key, priority.key, shortest.key
one_model_choose, by_difficulty_choose, cascade_choose = one_model.choose, by_difficulty.choose, cascade.choose
fixed_desired, target_concurrency_desired = fixed.desired, target_concurrency.desired
target_queue_desired, predictive_desired = target_queue.desired, predictive.desired


@jit
def score(
    code: int, request: Floats, endpoints: Floats, state: Floats, draws: Floats, options: Floats, scores: Floats
) -> None:
    """Fill ``scores`` as the route policy ``code`` does."""
    if code == 0:
        round_robin_score(request, endpoints, state, draws, options, scores)
    elif code == 1:
        random_score(request, endpoints, state, draws, options, scores)
    elif code == 2:
        least_loaded_score(request, endpoints, state, draws, options, scores)
    elif code == 3:
        least_tokens_score(request, endpoints, state, draws, options, scores)
    elif code == 4:
        power_of_two_score(request, endpoints, state, draws, options, scores)
    elif code == 5:
        prefix_aware_score(request, endpoints, state, draws, options, scores)
    elif code == 6:
        prefix_events_score(request, endpoints, state, draws, options, scores)
    elif code == 7:
        session_score(request, endpoints, state, draws, options, scores)
    elif code == 8:
        weighted_score(request, endpoints, state, draws, options, scores)
    elif code == 9:
        cheapest_region_score(request, endpoints, state, draws, options, scores)
    else:
        scores[:] = -np.inf


@jit
def admit(code: int, request: Floats, endpoints: Floats, state: Floats, draws: Floats, options: Floats) -> bool:
    """Whether the admit policy ``code`` takes the request."""
    if code == 0:
        return bool(always_admit(request, endpoints, state, draws, options))
    if code == 1:
        return bool(token_bucket_admit(request, endpoints, state, draws, options))
    return code == 2 and bool(slo_aware_admit(request, endpoints, state, draws, options))


@jit
def key(code: int, request: Floats, options: Floats) -> float:
    """The key by which the schedule policy ``code`` orders the request."""
    if code == 0:
        return float(fcfs_key(request, options))
    if code == 1:
        return float(priority_key(request, options))
    return float(shortest_key(request, options)) if code == 2 else np.nan


@jit
def choose(code: int, request: Floats, services: Floats, state: Floats, draws: Floats, options: Floats) -> int:
    """The service that the select policy ``code`` names for the request's stage; -1 keeps the answer."""
    if code == 0:
        return int(one_model_choose(request, services, state, draws, options))
    if code == 1:
        return int(by_difficulty_choose(request, services, state, draws, options))
    return int(cascade_choose(request, services, state, draws, options)) if code == 2 else -1


@jit
def desired(code: int, pool: Floats, state: Floats, options: Floats) -> float:
    """Replicas that the scale policy ``code`` wants."""
    if code == 0:
        return float(fixed_desired(pool, state, options))
    if code == 1:
        return float(target_concurrency_desired(pool, state, options))
    if code == 2:
        return float(target_queue_desired(pool, state, options))
    return float(predictive_desired(pool, state, options)) if code == 3 else np.nan


@jit
def best(scores: Floats) -> int:
    """The place of the largest score, the first among equals; -1 where all are ``-inf``."""
    found, highest = -1, -np.inf
    for i in range(scores.shape[0]):
        if scores[i] > highest:
            found, highest = i, scores[i]
    return found
