"""Whether fleet and requests are sound, before anything runs: the first thing that is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import BadInputError
from drivetrain.registry import slug
from drivetrain.serving import policies
from drivetrain.serving.sim.check_fleet import at_least, check_fleet, index
from drivetrain.serving.sim.check_requests import check_requests, refuse_rows
from drivetrain.serving.sim.records import DECODE, PREFILL, Fleet, Options, Pool, Requests

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


def checked(fleet: Fleet, requests: Requests, options: Options | None = None) -> None:
    """Raise BadInputError for the first thing that no run can make sense of."""
    check_requests(requests)
    check_fleet(fleet)
    _check_match(fleet, requests)
    for pool in fleet.pools:
        _check_room(fleet, pool, requests)
    if options is not None:
        _check_options(options)


def _check_match(f: Fleet, r: Requests) -> None:
    n_origins, n_services = len(f.network_s), len(f.services)
    outside = (r.origin < 0) | (r.origin >= n_origins)
    refuse_rows(outside, "origin", r.origin, f"network_s has {n_origins} origins, from 0 on")
    outside = (r.service < -1) | (r.service >= n_services)
    refuse_rows(outside, "service", r.service, f"there are {n_services}, from 0 on; -1 leaves the choice to select")
    served = np.isin(np.arange(n_services), [p.service for p in f.pools])
    without = (r.service >= 0) & ~served[np.maximum(r.service, 0)]
    refuse_rows(without, "service", r.service, "no pool serves it")
    if (r.service == -1).any():
        _check_select(f, served)
    for p in f.pools:
        block = p.cache.block_tokens
        if p.cache.prefix and p.role != DECODE and r.hash_tokens > 0 and r.hash_tokens % block:
            raise BadInputError(
                f"pool '{p.name}' keeps blocks of {block} tokens, the requests' hashes name {r.hash_tokens}. "
                f"Use hashes of a multiple of {block} tokens, or turn its prefix cache off."
            )
    if any(p.cache.prefix and p.cache.host_blocks > 0 for p in f.pools):
        remedy = (
            "a name stands twice among its hashes; a name stands for all tokens up to its piece, so give each its own"
        )
        refuse_rows(_names_twice(r), "hash_count", r.hash_count, remedy)


def _names_twice(r: Requests) -> Bools:
    """Which requests name two pieces of their prefix alike."""
    owner = np.repeat(np.arange(len(r)), r.hash_count)
    first = np.repeat(r.hash_start - np.concatenate([[0], np.cumsum(r.hash_count)[:-1]]), r.hash_count)
    names = r.hashes[first + np.arange(len(owner))]
    order = np.lexsort((names, owner))
    owner, names = owner[order], names[order]
    same = (owner[1:] == owner[:-1]) & (names[1:] == names[:-1])
    found = np.zeros(len(r), dtype=bool)
    found[owner[1:][same]] = True
    return found


def _check_select(f: Fleet, served: Bools) -> None:
    """Where select is asked, every service it may name has a pool."""
    policy = f.policies.select
    if slug(policy.name) == "one-model":
        service = int(policies.option_values("select", policy)[0])
        index("select policy 'one-model'", "service", service, len(f.services))
        named: Iterable[int] = (service,)
    else:
        named = range(len(f.services))
    for service in named:
        if not served[service]:
            raise BadInputError(f"select may choose service '{f.services[service]}', which no pool serves. Add one.")


def _check_room(f: Fleet, p: Pool, r: Requests) -> None:
    """The largest request fits a core's cache by itself."""
    comes = (r.service == p.service) | (r.service == -1)
    if slug(f.policies.select.name) == "one-model":
        chosen = int(policies.option_values("select", f.policies.select)[0])
        comes = (r.service == p.service) | ((r.service == -1) & (chosen == p.service))
    blocks = np.where(comes, _blocks(p, r), 0)
    row = int(blocks.argmax())
    if blocks[row] <= p.cache.blocks:
        return
    held = "isl" if p.role == PREFILL else "isl + osl"
    total = r.isl[row] if p.role == PREFILL else r.isl[row] + r.osl[row]
    more = int((blocks > p.cache.blocks).sum()) - 1
    also = f" (and {more} more)" if more else ""
    raise BadInputError(
        f"request {row}{also} needs {blocks[row]:,} KV blocks ({held} = {total:,} tokens), but a core of pool "
        f"'{p.name}' has {p.cache.blocks:,}. Leave out or cut what is longer (--max-context {_most_tokens(p, r, row)}"
        " --too-long drop), or give the pool more memory (--layout, --kv)."
    )


def _most_tokens(p: Pool, r: Requests, row: int) -> int:
    """Tokens of prompt and answer that fit a core by themselves, windows and states as large as those of ``row``."""
    paged = -(-int(r.isl[row] + (0 if p.role == PREFILL else r.osl[row])) // max(p.cache.block_tokens, 1))
    fixed = int(_blocks(p, r)[row]) - (paged if p.cache.block_tokens else 0)
    return max(p.cache.blocks - fixed, 0) * max(p.cache.block_tokens, 1)


def _blocks(p: Pool, r: Requests) -> Ints:
    """Blocks that each request takes at most in a core of the pool."""
    cache, total = p.cache, r.isl + r.osl
    tokens = r.isl if p.role == PREFILL else total
    fixed = np.full(len(r), cache.state_blocks)
    for span, per_token in zip(cache.window_spans, cache.window_blocks, strict=True):
        fixed = fixed + per_token * np.minimum(total, span)
    paged = -(-tokens // cache.block_tokens) if cache.block_tokens else np.zeros_like(tokens)
    return np.asarray(paged + np.ceil(fixed).astype(np.int64))


def _check_options(o: Options) -> None:
    at_least(o, "options", ("seed", "sample_s", "log_steps"), 0)
    if not o.horizon_s > 0.0:
        raise BadInputError(f"horizon_s is {o.horizon_s:g}; give the seconds after which to stop, more than 0.")
