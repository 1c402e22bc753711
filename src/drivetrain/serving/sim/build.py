"""From a deployment to a pool of the simulator: step model, cache, rules and what else a replica is.

Nothing is modelled here: step coefficients, watts and memory are those of the steady state
(:func:`drivetrain.serving.deployment.scalars` and :func:`~drivetrain.serving.deployment.memory`), rules are the
engine's scheduler in the catalogue. Per core, one of dp attention ranks in one of pp lanes, with m bytes of cache on an
accelerator and b bytes of a cached token there::

    blocks       = floor(m / pp / (block b))           an accelerator of a stage holds the cache of all lanes
    sequences    = floor(limit / (dp pp))              limits of the replica, as everywhere
    prefill rate = pp dp budget / t(budget)            tokens/s of a replica whose steps are full of prompts

Layers that keep a window or a state take the same for a whole life of a sequence, in the same blocks; a model with no
other layers is measured in blocks of 64 KiB.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from drivetrain.arch.memory import Resident
from drivetrain.arch.params import state_bytes_per_sequence
from drivetrain.catalogue.market import Engine
from drivetrain.cost.kernel import step
from drivetrain.errors import BadInputError, DoesNotFitError, UnsupportedError
from drivetrain.serving import kernel
from drivetrain.serving.deployment import Deployment, SequenceBytes, memory, scalars
from drivetrain.serving.lengths import integral_of_min
from drivetrain.serving.pools import decoding, prefilling
from drivetrain.serving.reuse import host_bytes_per_s
from drivetrain.serving.sim.records import BOTH, DECODE, PREFILL, Cache, Pool, Rules, StepModel
from drivetrain.units import show

_UNIT_BYTES = 65536.0  # a block where no layer keeps all tokens
_NO_SEQUENCE = SequenceBytes(1.0, 0.0)  # the bytes of cache do not depend on what sequences take


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a pool is beside its deployment. ``region`` and ``service`` are indices of the fleet.

    ``chunked`` and ``mixed`` say how prompts run (``None``: as the engine does). ``by_priority``: requests are
    scheduled by priority. ``prefix_cache`` on, off or as the engine's default, for prefixes named in pieces of
    ``hash_tokens`` tokens (0: none are named); ``host_bytes`` is host memory for evicted entries per accelerator
    (``None``: that of the technique kv-offload). ``isl`` is a usual prompt, for the prefill rate that policies see.
    """

    name: str = "pool"
    service: int = 0
    region: int = 0
    role: int = BOTH
    replicas: int = 1
    max_replicas: int = 0
    chunked: bool | None = None
    mixed: bool | None = None
    by_priority: bool = False
    prefix_cache: bool | None = None
    host_bytes: float | None = None
    hash_tokens: int = 0
    host_w: float = 0.0
    usd_per_s: float = 0.0
    cold_start_s: float = 0.0
    isl: float = 1024.0


def pool_of(deployment: Deployment, budget: float, max_num_seqs: float, setup: Setup) -> Pool:
    """A pool of replicas of ``deployment`` that run at most ``budget`` tokens a rank and ``max_num_seqs`` in all.

    Raises :class:`~drivetrain.errors.DoesNotFitError` where no cache is left, :class:`~drivetrain.errors.BadInputError`
    where prefixes and cache blocks do not go together.
    """
    _known(deployment)
    layout, whole = deployment.cut.layout, deployment
    if setup.role != BOTH:
        deployment = prefilling(deployment) if setup.role == PREFILL else decoding(deployment)
    numbers = scalars(deployment, budget, max_num_seqs)
    model = step_model(deployment, budget)
    rules = rules_of(deployment, budget, max_num_seqs, setup)
    rate = 0.0 if setup.role == DECODE else prefill_rate(model, rules, layout.pp, layout.dp, setup.isl)
    return Pool(
        name=setup.name, service=setup.service, region=setup.region, role=setup.role,
        step=model, cache=cache_of(deployment, budget, setup), rules=rules, pp=layout.pp, dp=layout.dp,
        replicas=setup.replicas, max_replicas=max(setup.replicas, setup.max_replicas),
        n_accelerators=layout.n_accelerators,
        static_w=float(numbers[kernel.STATIC_W]), tdp_w=float(numbers[kernel.TDP_W]),
        idle_w=float(numbers[kernel.IDLE_W]), host_w=setup.host_w, usd_per_s=setup.usd_per_s,
        # a decode replica is reached through the front only once, and that is where its tokens pass too
        frontend_s=whole.coefficients.request_s, cold_start_s=setup.cold_start_s,
        prefill_tokens_per_s=rate,
    )  # fmt: skip


def step_model(deployment: Deployment, budget: float) -> StepModel:
    """The compiled step time of ``deployment`` with its speculation and overlap."""
    c, speculation = deployment.coefficients, deployment.cut.techniques.speculation
    numbers = scalars(deployment, budget, 1.0)
    return StepModel(
        ops=c.ops, collectives=c.collectives, spans=np.array(c.spans, dtype=np.float64),
        scalars=numbers[: kernel.REQUEST_S].copy(), verified=deployment.cut.techniques.verified,
        acceptance=speculation.acceptance if speculation else 0.0, hidden_frac=float(numbers[kernel.OVERLAP]),
    )  # fmt: skip


def rules_of(deployment: Deployment, budget: float, max_num_seqs: float, setup: Setup) -> Rules:
    """The scheduler of the deployment's engine, within the limits of a replica."""
    layout, known, choice = deployment.cut.layout, deployment.engine.scheduler, deployment.cut.techniques.choice
    if choice.chunked_prefill is False:  # the technique: whole prompts in steps of their own
        chunked, mixed = False, False
    else:
        chunked = deployment.engine.chunked_prefill if setup.chunked is None else setup.chunked
        mixed = known.mixed(chunked) if setup.mixed is None else setup.mixed
    return Rules(
        name=deployment.engine.name,
        token_budget=max(int(budget), deployment.cut.techniques.verified),
        max_num_seqs=max(int(max_num_seqs / (layout.dp * layout.pp)), 1),
        chunked=chunked, mixed=mixed, watermark_frac=known.watermark_frac,
        reserve_output_frac=known.reserve_output_frac, priority_preempts=setup.by_priority and known.priority_victim,
        # with drafts the batch is cut from its end, whoever stands there
        fewest_preempts=known.victim == "fewest-tokens" and deployment.cut.techniques.verified == 1,
    )  # fmt: skip


def cache_of(deployment: Deployment, budget: float, setup: Setup) -> Cache:
    """KV memory of one core, in the engine's blocks."""
    piece, hardware, engine = deployment.cut, deployment.hardware, deployment.engine
    room = memory(piece, hardware, engine, deployment.efficiency, _NO_SEQUENCE, budget).cache / piece.layout.pp
    per_token = _bytes_per_token(piece.resident)
    block_tokens = engine.block_tokens if per_token > 0.0 else 0
    block_bytes = per_token * block_tokens if per_token > 0.0 else _UNIT_BYTES
    blocks = math.floor(room / block_bytes)
    if blocks < 1:
        raise DoesNotFitError(
            f"{piece.model.name} leaves no memory for cache on {hardware.name} at {piece.layout}: "
            f"{show(max(room, 0.0), 'bytes')} for each pipeline stage's lane. Use a larger --layout or --accelerator."
        )
    windows = [term for term in piece.resident.cache if term.span is not None]
    prefix = prefix_problem(deployment, setup) == ""
    choice = piece.techniques.choice
    host = (choice.kv_offload_bytes or 0.0) if setup.host_bytes is None else setup.host_bytes
    return Cache(
        blocks=blocks, block_tokens=block_tokens, state_blocks=piece.resident.state_bytes / block_bytes,
        window_spans=tuple(float(term.span or 0) for term in windows),
        window_blocks=tuple(term.bytes_per_token / block_bytes for term in windows),
        prefix=prefix, host_blocks=math.floor(host / piece.layout.pp / block_bytes) if prefix else 0,
        host_s_per_token=per_token / host_bytes_per_s(hardware) if prefix and host > 0.0 else 0.0,
    )  # fmt: skip


def prefix_problem(deployment: Deployment, setup: Setup) -> str:
    """Why a pool keeps no prefixes, or an empty string where it does."""
    held, engine = deployment.cut.resident, deployment.engine
    if setup.role == DECODE:
        return "the decode pool is handed whole prompts"
    if not (engine.scheduler.prefix_cache if setup.prefix_cache is None else setup.prefix_cache):
        return "off" if setup.prefix_cache is False else f"{engine.name} has it off by default"
    model = deployment.cut.model
    if state_bytes_per_sequence(model) > 0.0:  # not the room that drafts look ahead into, which is booked as state too
        return f"layers of {model.name} that keep a state serve no prefix of any length"
    if _bytes_per_token(held) == 0.0:
        return f"all layers of {model.name} keep a window only"
    if setup.hash_tokens == 0:
        return "the requests name no prefixes"
    _check_blocks(engine, setup.hash_tokens)
    return ""


def windows_follow(deployment: Deployment) -> bool:
    """Whether some layers keep a window only, whose part of a prefix is taken to be there where the others' is."""
    return any(term.span is not None for term in deployment.cut.resident.cache)


def prefill_rate(model: StepModel, rules: Rules, pp: int, dp: int, isl: float) -> float:
    """Tokens/s of a replica whose steps are full of prompts of ``isl`` tokens, nothing found in cache."""
    budget = float(rules.token_budget)
    tokens = min(isl, budget) if rules.chunked else isl
    chunks = max(budget / tokens, 1.0)
    isls = np.array([isl])
    context = np.array([float(integral_of_min(isls, s)[0]) / isl for s in model.spans])
    reach = np.minimum((isl + tokens) / 2.0, model.spans + tokens)
    none = np.zeros(len(model.spans))
    seconds = step(model.ops, model.collectives, model.scalars, 0.0, chunks * tokens, chunks, chunks * tokens * dp,
                   none, context, reach)[0]  # fmt: skip
    return float(pp * dp * chunks * tokens / seconds)


def _bytes_per_token(held: Resident) -> float:
    """Bytes on one accelerator of a cached token, in layers that keep all of them."""
    return sum(term.bytes_per_token for term in held.cache if term.span is None)


def _known(deployment: Deployment) -> None:
    """Refuse techniques whose requests the simulator does not follow."""
    if deployment.cut.techniques.choice.kv_compression < 1.0:
        raise UnsupportedError(
            "the simulator follows every cached token, so that kv-compression cannot be simulated. Leave it out, or "
            "ask 'drivetrain predict serve', which knows it."
        )


def _check_blocks(engine: Engine, hash_tokens: int) -> None:
    if hash_tokens % engine.block_tokens:
        raise BadInputError(
            f"prefixes are named in pieces of {hash_tokens} tokens, which are no whole blocks of {engine.block_tokens} "
            f"tokens as {engine.name} has them. Name them in a multiple of {engine.block_tokens} (--hash-tokens "
            f"{math.lcm(engine.block_tokens, hash_tokens)}), or turn the prefix cache off (--cache none)."
        )
