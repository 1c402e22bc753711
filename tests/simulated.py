"""Small fleets and request sets for tests of the simulator, by hand and as Hypothesis strategies.

``pool``, ``fleet`` and ``requests`` build records with defaults; ``cases`` draws whole simulations that always pass the
check before the run: the KV cache of every core holds the largest request. Step times are real (``MODELS``) or those of
``tiny``, a made-up replica of some milliseconds a step whose operators change from memory to compute bound and whose
second operator sees 48 tokens back, so that short examples meet every rule.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from drivetrain.arch.layout import Layout
from drivetrain.arch.step import CTX_CHUNK, CTX_DECODE, CTX_PREFILL, EXPERT_TOKENS, HIT, N_FEATURES, ONE, ROWS, TOKENS
from drivetrain.catalogue import loader
from drivetrain.catalogue.read_workload import fixed
from drivetrain.cost.compiled import LOCAL, LOG_MISS, N_COLLECTIVE, N_COLUMNS, SPAN, WATTS_COMPUTE, WATTS_MEMORY
from drivetrain.cost.efficiency import collective_coefficients, efficiency
from drivetrain.cost.hardware import hardware_of
from drivetrain.serving import policies, steady
from drivetrain.serving.deployment import cut, deploy
from drivetrain.serving.kernel import STEP_SCALARS
from drivetrain.serving.lengths import lengths_of
from drivetrain.serving.sim import records as r

MODELS = {"llama-3.1-8b": Layout(), "gpt-oss-20b": Layout(), "qwen3-30b-a3b": Layout(dp=2, ep=2)}


# ---------------------------------------------------------------- step models


@functools.cache
def prepared(name: str, isl: float = 1000.0, osl: float = 100.0, budget: float = 2048.0) -> steady.Prepared:
    """A catalogue model on H100 under vLLM, as the steady state takes it."""
    model = loader.load("models", name)
    hardware = hardware_of(loader.load("accelerators", "h100-sxm"))
    piece = cut(model, model.checkpoints[0], MODELS[name], "bf16")
    engine = loader.load("engines", "vllm")
    d = deploy(piece, hardware, engine, efficiency("vllm", "hopper"), collective_coefficients("vllm"))
    return steady.prepare(d, lengths_of(fixed(isl, osl)), budget)


@functools.cache
def step_model(name: str) -> r.StepModel:
    """The step time of ``metronome`` (every step one second), of ``tiny`` or of one of ``MODELS``."""
    if name == "metronome":
        nothing = np.zeros((0, N_COLUMNS)), np.zeros((0, N_COLLECTIVE))
        return r.StepModel(*nothing, np.array([math.inf]), np.array([1.0, 0.0, 0.0, 0.0]))
    if name == "tiny":
        return tiny_model()
    p = prepared(name)
    c = p.deployment.coefficients
    spans = np.array(p.contexts.spans, dtype=np.float64)
    return r.StepModel(c.ops, c.collectives, spans, np.array(p.scalars[:STEP_SCALARS], dtype=np.float64)[:4])


def tiny_model() -> r.StepModel:
    """Four operators: weights, attention over everything, attention over 48 tokens, half of eight experts."""
    ops = np.zeros((4, N_COLUMNS))
    ops[0, [ONE, TOKENS, ROWS]] = 1e-5, 2e-5, 5e-6
    ops[0, N_FEATURES + ONE] = 4e-4
    ops[1, [CTX_DECODE, CTX_PREFILL]] = 2e-6, 1e-7
    ops[1, [N_FEATURES + ROWS, N_FEATURES + CTX_DECODE, N_FEATURES + CTX_CHUNK]] = 4e-5, 1e-6, 2e-7
    ops[2, [CTX_DECODE, CTX_PREFILL]] = 1e-6, 1e-7
    ops[2, [N_FEATURES + ONE, N_FEATURES + CTX_CHUNK]] = 2e-5, 3e-7
    ops[2, SPAN] = 1.0
    ops[3, EXPERT_TOKENS] = 1e-5
    ops[3, N_FEATURES + HIT] = 5e-5
    ops[3, [LOCAL, LOG_MISS]] = 4.0, math.log1p(-0.25)
    ops[:, WATTS_COMPUTE], ops[:, WATTS_MEMORY] = 400.0, 250.0
    collectives = np.zeros((1, N_COLLECTIVE))
    collectives[0] = [2.0, 100.0, 10.0, 5.0, 2e-5, 2e-9, 1e-5, 8e-9, 4e-5, 1e-9]
    return r.StepModel(ops, collectives, np.array([math.inf, 48.0]), np.array([1e-3, 1e-5, 0.1, 5e-4]))


# ---------------------------------------------------------------- by hand


def pool(
    model: str = "tiny",
    *,
    cache: r.Cache | None = None,
    rules: r.Rules | None = None,
    step: r.StepModel | None = None,
    **changes: object,
) -> r.Pool:
    """A pool of one replica of ``model`` with room for a great deal; ``changes`` are further fields."""
    layout = MODELS.get(model, Layout())
    plain = r.Pool(
        name=model,
        service=0,
        region=0,
        role=r.BOTH,
        step=step or step_model(model),
        cache=cache or r.Cache(blocks=100_000, block_tokens=16),
        rules=rules or r.Rules("test", token_budget=2048, max_num_seqs=256),
        pp=layout.pp,
        dp=layout.dp,
        replicas=1,
        max_replicas=1,
        n_accelerators=layout.n_accelerators,
        static_w=210.0,
        tdp_w=700.0,
        idle_w=80.0,
        usd_per_s=1e-3,
    )
    if "replicas" in changes:
        changes.setdefault("max_replicas", changes["replicas"])
    changes.setdefault("n_accelerators", int(changes.get("pp", plain.pp)) * int(changes.get("dp", plain.dp)))
    return replace(plain, **changes)


def fleet(*pools: r.Pool, **fields: object) -> r.Fleet:
    """A fleet of ``pools`` (one tiny one by default); as many services and regions as they name, without delay."""
    pools = pools or (pool(),)
    n_services, n_regions = (1 + max(getattr(p, kind) for p in pools) for kind in ("service", "region"))
    fields.setdefault("services", tuple(f"model-{i}" for i in range(n_services)))
    fields.setdefault("regions", tuple(f"region-{i}" for i in range(n_regions)))
    fields.setdefault("network_s", np.zeros((len(fields["regions"]), len(fields["regions"]))))
    fields.setdefault("transfers", tuple(r.Transfer() for _ in range(n_services)))
    return r.Fleet(pools=pools, **fields)


def requests(
    arrival_s, isl, osl, *, prefixes=None, hash_tokens: int = 0, concurrency: int = 0, **columns
) -> r.Requests:
    """Requests as arrays; scalars are for all rows. ``prefixes`` is one sequence of names a row."""
    n = max(np.size(x) for x in (arrival_s, isl, osl))
    names = [tuple(row) for row in prefixes] if prefixes is not None else [()] * n
    counts = np.array([len(row) for row in names], dtype=np.int64)
    defaults = {"priority": 0, "session": -1, "origin": 0, "service": 0, "difficulty": 0.0, "after": -1, "gap_s": 0.0}
    floats = ("difficulty", "gap_s")
    made = {}
    for key, value in defaults.items():
        column = np.asarray(columns.pop(key, value), dtype=np.float64 if key in floats else np.int64)
        made[key] = np.ascontiguousarray(np.broadcast_to(column, n))
    assert not columns, f"no such columns: {sorted(columns)}"
    return r.Requests(
        arrival_s=np.ascontiguousarray(np.broadcast_to(np.asarray(arrival_s, dtype=np.float64), n)),
        isl=np.ascontiguousarray(np.broadcast_to(np.asarray(isl, dtype=np.int64), n)),
        osl=np.ascontiguousarray(np.broadcast_to(np.asarray(osl, dtype=np.int64), n)),
        hash_start=np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64) if n else np.zeros(0, np.int64),
        hash_count=counts,
        hashes=np.array([name for row in names for name in row], dtype=np.int64),
        hash_tokens=hash_tokens,
        concurrency=concurrency,
        **made,
    )


def blocks_of_one(cache: r.Cache, sent: r.Requests) -> int:
    """Blocks of the largest request under the terms of ``cache``."""
    total = sent.isl + sent.osl
    tokens = -(-total // cache.block_tokens) if cache.block_tokens else np.zeros_like(total)
    fixed = np.full(len(sent), cache.state_blocks)
    for span, per_token in zip(cache.window_spans, cache.window_blocks, strict=True):
        fixed = fixed + per_token * np.minimum(total, span)
    return int((tokens + np.ceil(fixed)).max(initial=1))


# ---------------------------------------------------------------- strategies


@dataclass(frozen=True, slots=True)
class Case:
    """A whole simulation."""

    fleet: r.Fleet
    requests: r.Requests
    options: r.Options


@dataclass(frozen=True, slots=True)
class Features:
    """What :func:`cases` may draw; each off by itself narrows the examples."""

    prefix: bool = True
    pools: bool = True
    disaggregated: bool = True
    cascade: bool = True
    faults: bool = True
    scaling: bool = True
    successors: bool = True
    closed: bool = True
    speculation: bool = True
    policies: bool = True
    horizon: bool = True


EVERYTHING = Features()
ONE_POOL = Features(
    prefix=False, pools=False, disaggregated=False, cascade=False, faults=False, scaling=False, policies=False,
    horizon=False,
)  # fmt: skip

delays = st.sampled_from([0.0, 0.0, 0.001, 0.0137])
moments = st.integers(0, 120).map(lambda k: k * 0.00125)  # coarse, so that things happen at the same time


@st.composite
def request_sets(
    draw, *, n_services: int = 1, n_regions: int = 1, features: Features = EVERYTHING, n_max: int = 14
) -> r.Requests:
    """Up to ``n_max`` requests over some tenths of a second, many of them at once."""
    n = draw(st.integers(1, n_max))
    columns = lambda values: draw(st.lists(values, min_size=n, max_size=n))  # noqa: E731
    hash_tokens = draw(st.sampled_from([0, 8, 16])) if features.prefix else 0
    long_answers = draw(st.booleans())  # what grows most is preempted most
    isl = columns(st.integers(1, 20) if long_answers else st.one_of(st.integers(1, 40), st.integers(1, 160)))
    osl = columns(st.integers(30, 120) if long_answers else st.one_of(st.integers(1, 4), st.integers(1, 40)))
    session = columns(st.integers(-1, 3))
    prefixes = None
    if hash_tokens:  # a session's names agree from the first on, up to where two of its prompts part
        parts = columns(st.integers(0, 12))
        prefixes = [
            [
                10_000 * (1 + max(session[i], 0)) + j if j < parts[i] else 1_000_000 * (1 + i) + j
                for j in range((isl[i] + osl[i]) // hash_tokens)
            ]
            for i in range(n)
        ]
        short = columns(st.integers(0, 3))
        prefixes = [row[: max(len(row) - cut_off, 0)] for row, cut_off in zip(prefixes, short, strict=True)]
    closed = features.closed and draw(st.integers(0, 3)) == 0
    after = [-1] * n
    if features.successors and not closed:
        after = [draw(st.integers(-1, i - 1)) if i and draw(st.booleans()) else -1 for i in range(n)]
    service = columns(st.integers(-1, n_services - 1)) if features.cascade else [0] * n
    return requests(
        sorted(columns(moments)), isl, osl, prefixes=prefixes, hash_tokens=hash_tokens,
        concurrency=draw(st.integers(1, n)) if closed else 0, priority=columns(st.integers(0, 2)), session=session,
        origin=columns(st.integers(0, n_regions - 1)), service=service,
        difficulty=columns(st.floats(0, 1, width=16)), after=after, gap_s=columns(delays),
    )  # fmt: skip


@st.composite
def engine_rules(draw) -> r.Rules:
    """An engine's way to schedule, with budgets small enough to matter."""
    return r.Rules(
        name="drawn",
        token_budget=draw(st.sampled_from([16, 33, 64, 256])),
        max_num_seqs=draw(st.sampled_from([1, 2, 4, 64])),
        chunked=draw(st.booleans()),
        mixed=draw(st.booleans()),
        watermark_frac=draw(st.sampled_from([0.0, 0.02, 0.1])),
        reserve_output_frac=draw(st.sampled_from([0.0, 0.5, 1.0])),
        priority_preempts=draw(st.booleans()),
        fewest_preempts=draw(st.booleans()),
    )


@st.composite
def caches(draw, sent: r.Requests, *, prefix: bool, fixed_ok: bool = True) -> r.Cache:
    """A cache in which the largest of ``sent`` fits, often little more than once."""
    with_fixed = fixed_ok and draw(st.integers(0, 3)) == 0
    block = draw(st.sampled_from([4, 8])) if sent.hash_tokens else draw(st.sampled_from([1, 4, 16]))
    if with_fixed and draw(st.booleans()):
        block = 0
    cache = r.Cache(
        blocks=0,
        block_tokens=block,
        state_blocks=draw(st.sampled_from([0.0, 1.5] if with_fixed else [0.0, 0.0, 0.4])),
        window_spans=(48.0,) if with_fixed else (),
        window_blocks=(0.11,) if with_fixed else (),
        prefix=prefix and sent.hash_tokens > 0 and block > 0 and draw(st.integers(0, 3)) > 0,
        host_blocks=draw(st.sampled_from([0, 5, 40])),
        host_s_per_token=draw(st.sampled_from([0.0, 1e-5, 2e-4])),
    )
    least = blocks_of_one(cache, sent)
    slack = draw(st.sampled_from([1.0, 1.0, 1.3, 2.0, 10.0]))
    return replace(cache, blocks=math.ceil(least * slack) + draw(st.integers(0, 3)))


@st.composite
def pools(draw, sent: r.Requests, features: Features, *, service: int, region: int, role: int, name: str) -> r.Pool:
    """One pool: its step time, lanes, cores, cache and rules."""
    model = draw(st.sampled_from(["tiny", "tiny", "tiny", "gpt-oss-20b", "qwen3-30b-a3b", "llama-3.1-8b"]))
    step = step_model(model)
    if features.speculation and draw(st.integers(0, 3)) == 0:
        step = replace(step, verified=draw(st.integers(2, 4)), acceptance=draw(st.sampled_from([0.0, 0.6, 0.9, 1.0])))
    if draw(st.integers(0, 3)) == 0:
        step = replace(step, hidden_frac=0.7)
    replicas = draw(st.integers(1, 3)) if features.pools else 1
    return pool(
        model, name=name, service=service, region=region, role=role, step=step,
        cache=draw(caches(sent, prefix=features.prefix)), rules=draw(engine_rules()),
        pp=draw(st.sampled_from([1, 1, 1, 2])), dp=draw(st.sampled_from([1, 1, 1, 2, 3])), replicas=replicas,
        max_replicas=replicas + (draw(st.integers(0, 2)) if features.scaling else 0),
        frontend_s=draw(delays), cold_start_s=draw(st.sampled_from([0.0, 0.01, 0.05])),
        prefill_tokens_per_s=draw(st.sampled_from([0.0, 5e3])),
    )  # fmt: skip


transfers = st.builds(
    r.Transfer,
    fixed_s=st.sampled_from([0.0, 1e-3]),
    s_per_token=st.sampled_from([0.0, 2e-5, 3e-4]),
    pieces=st.sampled_from([1, 4]),
    first_token_by_decode=st.booleans(),
    shown_by_decode=st.booleans(),
)


QUICK = {
    "route": (
        "prefix-aware:match=0.1,balance_abs=1,balance_rel=1", "prefix-events:weight=2,held=64", "session:bound=1",
        "weighted:queue=1,kv=1,inflight=1,prefix=1", "cheapest-region:ttft=20ms", "least-tokens:per_request=50",
    ),
    "admit": ("token-bucket:rate=20,burst=2", "slo-aware:ttft=30ms"),
    "schedule": ("priority:aging=50ms", "shortest:output=1,aging=1000"),
    "select": ("by-difficulty:threshold=0.3,threshold_2=0.6", "cascade:skill=0.3,skill_2=0.6"),
    "scale": (
        "target-concurrency:target=2,down_after=0", "target-queue:target=1,down_after=0",
        "predictive:target=2,down_after=0,tolerance=0",
    ),
}  # fmt: skip


@st.composite
def policy_sets(draw, n_services: int, features: Features) -> r.Policies:
    """Any combination of built-in policies, with default options or such as matter within tenths of a second."""

    def any_of(kind: str) -> r.Policy:
        return policies.parse(kind, draw(st.sampled_from((*policies.BUILT_IN[kind], *QUICK[kind]))))

    plain = r.Policies()
    if not features.policies:
        return plain
    return r.Policies(
        route=any_of("route"),
        admit=any_of("admit"),
        schedule=any_of("schedule"),
        select=any_of("select") if features.cascade and n_services > 1 else plain.select,
        scale=any_of("scale") if features.scaling else plain.scale,
        scale_s=0.025,
    )


@st.composite
def control_sets(draw, n_replicas: int, n_regions: int) -> tuple[r.Control, ...]:
    """Failures with detection and recovery, notices, slow replicas, partitions, in order of time."""
    made: list[r.Control] = []
    for _ in range(draw(st.integers(0, 3))):
        at, a = draw(moments), draw(st.integers(0, n_replicas - 1))
        kind = draw(st.sampled_from(["fail", "fail", "spot", "slow", "partition"]))
        if kind in ("fail", "spot"):
            seen, back = at + draw(delays), at + 0.02 + draw(moments)
            made += [r.Control(at, r.FAIL, a), r.Control(seen, r.DETECT, a)]
            made += [r.Control(max(at - 0.01, 0.0), r.NOTICE, a)] if kind == "spot" else []
            made += [r.Control(back, r.RECOVER, a), r.Control(back + 0.003, r.DETECT, a)] if draw(st.booleans()) else []
        elif kind == "slow":
            made += [r.Control(at, r.SLOW, a, value=2.5), r.Control(at + 0.03, r.SLOW, a, value=1.0)]
        elif n_regions > 1:
            made.append(r.Control(at, r.PARTITION, 0, 1, value=at + draw(st.sampled_from([0.01, 0.05]))))
    return tuple(sorted(made, key=lambda c: c.time_s))


@st.composite
def cases(draw, features: Features = EVERYTHING, n_max: int = 14) -> Case:
    """A simulation with whatever ``features`` allow."""
    n_services = draw(st.integers(1, 2)) if features.cascade else 1
    n_regions = draw(st.integers(1, 2)) if features.pools else 1
    sent = draw(request_sets(n_services=n_services, n_regions=n_regions, features=features, n_max=n_max))
    drawn: list[r.Pool] = []
    for service in range(n_services):
        apart = features.disaggregated and draw(st.integers(0, 2)) == 0
        roles = [r.PREFILL, r.DECODE] if apart else [r.BOTH]
        if features.pools and draw(st.booleans()):
            roles.append(draw(st.sampled_from(roles)))
        for k, role in enumerate(roles):
            region = draw(st.integers(0, n_regions - 1))
            drawn.append(
                draw(pools(sent, features, service=service, region=region, role=role, name=f"pool-{service}-{k}"))
            )
    n_replicas = sum(p.max_replicas for p in drawn)
    network = np.array([[draw(delays) for _ in range(n_regions)] for _ in range(n_regions)])
    made = fleet(
        *drawn,
        services=tuple(f"model-{i}" for i in range(n_services)),
        regions=tuple(f"region-{i}" for i in range(n_regions)),
        network_s=network,
        transfers=tuple(draw(transfers) for _ in range(n_services)),
        policies=draw(policy_sets(n_services, features)),
        controls=draw(control_sets(n_replicas, n_regions)) if features.faults else (),
        scrape_s=draw(st.sampled_from([0.0, 0.0, 0.005, 0.03])),
        event_lag_s=draw(st.sampled_from([0.0, 0.004])),
        index_ttl_s=draw(st.sampled_from([0.02, 120.0])),
        retry_s=draw(st.sampled_from([0.0, 0.005, 0.04])),
        max_retries=draw(st.integers(0, 3)),
    )
    options = r.Options(
        seed=draw(st.integers(0, 2**40)),
        sample_s=draw(st.sampled_from([0.0, 0.01])),
        log_steps=draw(st.sampled_from([0, 100_000])),
        horizon_s=draw(st.sampled_from([math.inf, math.inf, math.inf, 0.06])) if features.horizon else math.inf,
    )
    return Case(made, sent, options)
