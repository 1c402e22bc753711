"""Whether a fleet is sound by itself: the first thing that is not, and what to do."""

from __future__ import annotations

import math

import numpy as np

from drivetrain.errors import BadInputError
from drivetrain.serving import policies
from drivetrain.serving.sim.records import BOTH, DECODE, PARTITION, PREFILL, SLOW, Cache, Control, Fleet, Pool

_ROLES = {BOTH: "whole requests", PREFILL: "prompts", DECODE: "what follows prompts"}


def check_fleet(f: Fleet) -> None:
    """Raise BadInputError for the first thing in ``f`` that no run can make sense of."""
    _check_network(f)
    for pool in f.pools:
        _check_pool(pool)
    _check_services(f)
    for number, control in enumerate(f.controls):
        _check_control(f, number, control)
    for kind in policies.KINDS:
        policies.option_values(kind, getattr(f.policies, kind))  # raises for unknown names and wrong options


def at_least(record: object, where: str, names: tuple[str, ...], least: float) -> None:
    """Raise BadInputError where one of these fields is not finite or below ``least``."""
    for name in names:
        value = getattr(record, name)
        if not (math.isfinite(value) and value >= least):
            raise BadInputError(f"{where}: {name} is {value:g}; give at least {least:g}.")


def share(where: str, name: str, value: float) -> None:
    """Raise BadInputError where ``value`` is not within 0 and 1."""
    if not 0.0 <= value <= 1.0:
        raise BadInputError(f"{where}: {name} is {value:g}; it is a share, 0 to 1.")


def index(where: str, name: str, value: int, n: int) -> None:
    """Raise BadInputError where ``value`` is not the number of one of ``n``."""
    if not 0 <= value < n:
        raise BadInputError(f"{where}: there is no {name} {value}; there are {n}, from 0 on.")


def _check_network(f: Fleet) -> None:
    if not f.pools:
        raise BadInputError("the fleet has no pool. Give at least one.")
    delays = np.asarray(f.network_s)
    if delays.ndim != 2 or delays.shape[1] < len(f.regions) or delays.shape[0] < 1:
        raise BadInputError(f"network_s is {delays.shape}; give one row an origin and one column a region.")
    if not (np.isfinite(delays) & (delays >= 0)).all():
        raise BadInputError("network_s holds delays that are negative or no numbers. Give seconds of at least 0.")
    at_least(f, "fleet", ("scrape_s", "event_lag_s", "retry_s", "max_retries"), 0.0)
    if not f.index_ttl_s >= 0.0:  # inf: for ever
        raise BadInputError(f"fleet: index_ttl_s is {f.index_ttl_s:g}; give at least 0.")
    if not (math.isfinite(f.policies.scale_s) and f.policies.scale_s > 0.0):
        raise BadInputError(f"scale_s is {f.policies.scale_s:g}; give the seconds between two looks, more than 0.")


def _check_pool(p: Pool) -> None:
    where = f"pool '{p.name}'"
    at_least(p, where, ("replicas", "pp", "dp", "n_accelerators"), 1)
    at_least(p, where, ("frontend_s", "cold_start_s", "static_w", "tdp_w", "idle_w", "host_w"), 0.0)
    if p.usd_per_s < 0.0:  # nan: unpriced
        raise BadInputError(f"{where}: usd_per_s is {p.usd_per_s:g}; a price is at least 0.")
    if p.max_replicas < p.replicas:
        raise BadInputError(
            f"{where} starts with {p.replicas} replicas of at most {p.max_replicas}. Raise max_replicas."
        )
    at_least(p.rules, where, ("token_budget", "max_num_seqs"), 1)
    for name in ("watermark_frac", "reserve_output_frac"):
        share(where, name, getattr(p.rules, name))
    at_least(p.step, where, ("verified",), 1)
    share(where, "acceptance", p.step.acceptance)
    share(where, "hidden_frac", p.step.hidden_frac)
    _check_cache(p.cache, where)


def _check_cache(c: Cache, where: str) -> None:
    at_least(c, where, ("blocks",), 1)
    at_least(c, where, ("block_tokens", "state_blocks", "host_blocks", "host_s_per_token"), 0)
    if len(c.window_spans) != len(c.window_blocks):
        raise BadInputError(
            f"{where}: {len(c.window_spans)} window_spans and {len(c.window_blocks)} window_blocks; give one of each."
        )
    if c.prefix and c.block_tokens == 0:
        raise BadInputError(f"{where}: no layer keeps all tokens, so there is no prefix cache. Turn prefix off.")


def _check_services(f: Fleet) -> None:
    for p in f.pools:
        index(f"pool '{p.name}'", "service", p.service, len(f.services))
        index(f"pool '{p.name}'", "region", p.region, len(f.regions))
        if p.role not in _ROLES:
            raise BadInputError(f"pool '{p.name}': role {p.role} is none of {sorted(_ROLES)}.")
    for service, name in enumerate(f.services):
        roles = {p.role for p in f.pools if p.service == service}
        if len(roles) == 1 and BOTH not in roles:
            missing = _ROLES[DECODE if PREFILL in roles else PREFILL]
            raise BadInputError(f"service '{name}' has no pool for {missing}. Add one, or let its pool serve both.")
        if BOTH in roles and len(roles) > 1:
            raise BadInputError(f"service '{name}' has pools for whole requests and for parts. Use one or the other.")
        if PREFILL not in roles:
            continue
        if len(f.transfers) <= service:
            raise BadInputError(
                f"service '{name}' has prefill and decode pools but no transfer between them. Give one."
            )
        transfer = f.transfers[service]
        at_least(transfer, f"transfer of service '{name}'", ("fixed_s", "s_per_token"), 0.0)
        at_least(transfer, f"transfer of service '{name}'", ("pieces",), 1)


def _check_control(f: Fleet, number: int, c: Control) -> None:
    where = f"control event {number}"
    at_least(c, where, ("time_s",), 0.0)
    if not 0 <= c.kind <= PARTITION:
        raise BadInputError(f"{where} is of kind {c.kind}, which is none.")
    if c.kind == PARTITION:
        index(where, "region", c.a, len(f.regions))
        index(where, "region", c.b, len(f.regions))
        if not math.isfinite(c.value):
            raise BadInputError(f"{where}: a partition heals at some time; {c.value:g} is none.")
        return
    index(where, "replica", c.a, sum(p.max_replicas for p in f.pools))
    if c.kind == SLOW and not (math.isfinite(c.value) and c.value > 0.0):
        raise BadInputError(f"{where}: steps take {c.value:g} times as long; give a factor above 0.")
