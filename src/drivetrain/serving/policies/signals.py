"""What policies see, as columns of plain arrays: the same in the simulator's two forms and on live endpoints.

A policy is a function over these arrays in the subset of Python that numba compiles:

- **route** ``score(request, endpoints, state, draws, options, scores)`` fills ``scores`` (one per endpoint, higher is
  better, ``-inf`` never); the best is taken, the first among equals.
- **admit** ``admit(request, endpoints, state, draws, options) -> bool``.
- **schedule** ``key(request, options) -> float``; the smallest key goes first. Asked once, when it is enqueued.
- **select** ``choose(request, services, state, draws, options) -> int``: the service for stage ``request[STAGE]``, or
  -1 to keep the answer.
- **scale** ``desired(pool, state, options) -> float``: replicas to have.

``state`` is 16 floats that the policy keeps between calls (zeros at first), ``draws`` four uniform random numbers,
``options`` the policy's own fields in order.
"""

from __future__ import annotations

N_STATE, N_OPTIONS = 16, 8

(ID, TIME_S, ISL, OSL, PRIORITY, SESSION, ORIGIN, DIFFICULTY, STAGE, ATTEMPT, ENQUEUED_S) = range(11)
"""A request. ``OSL`` is known to schedulers only where a client states it; ``SESSION`` is -1 without one;
``ENQUEUED_S`` is set for schedule only."""
N_REQUEST = 11

(ALIVE, INFLIGHT, INFLIGHT_TOKENS, QUEUE, RUNNING, KV_FRAC, AGE_S, HIT_APPROX, HIT_EXACT, NETWORK_S, USD_PER_S,
 PREFILL_TOKENS_PER_S) = range(12)  # fmt: skip
"""An endpoint. ``INFLIGHT`` and ``INFLIGHT_TOKENS`` (prompt tokens whose first token the router has not seen) are the
router's own counts; ``QUEUE``, ``RUNNING`` and ``KV_FRAC`` are the engine's, ``AGE_S`` old; ``HIT_*`` prompt tokens
found in cache by the router's index or the event index; ``NETWORK_S`` one way from the request's origin;
``PREFILL_TOKENS_PER_S`` at full prompt steps, from the cost model."""
N_ENDPOINT = 12

(SERVICE_INFLIGHT, SERVICE_READY, SERVICE_USD_PER_S) = range(3)
"""A service: requests in flight, replicas the router believes alive, what those cost."""
N_SERVICE = 3

(NOW_S, READY, STARTING, POOL_INFLIGHT, POOL_QUEUE, POOL_RUNNING, POOL_KV_FRAC, ARRIVALS_PER_S, MOST, COLD_START_S,
 INTERVAL_S) = range(11)  # fmt: skip
"""A pool at a scaling tick: replicas that serve and that start, requests in flight at them by the router's count,
engine metrics summed (KV: mean) as of the last scrape, requests routed to it per second since the last tick, its
``max_replicas``."""
N_POOL = 11
