"""One way to serve a model: engine, accelerator, layout and precision, sized and compiled."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drivetrain.arch.layout import Layout
from drivetrain.arch.memory import Resident
from drivetrain.arch.operators import Op
from drivetrain.catalogue.market import Engine
from drivetrain.catalogue.model import Checkpoint, Model
from drivetrain.comms.collectives import Coefficients
from drivetrain.cost.compiled import StepCoefficients, compile_step
from drivetrain.cost.efficiency import Efficiency
from drivetrain.cost.hardware import Hardware
from drivetrain.serving.lengths import Lengths, decode_context, integral_of_min, prefill_context
from drivetrain.serving.techniques.active import OFF, Active, cut_ops
from drivetrain.serving.techniques.overlap import hidden_frac
from drivetrain.serving.techniques.power import capped

Floats = NDArray[np.float64]
_SAFETY_SIGMAS = 2.0  # cache is sized for this many standard deviations of the resident tokens


@dataclass(frozen=True, slots=True)
class Cut:
    """A model cut by a layout: its operators and what must be resident. Knows no hardware, so it is shared by all.

    ``techniques`` have been applied to operators and residency.
    """

    model: Model
    checkpoint: Checkpoint
    layout: Layout
    kv_dtype: str
    ops: tuple[Op, ...]
    resident: Resident
    techniques: Active = OFF


@dataclass(frozen=True, slots=True)
class Deployment:
    """A :class:`Cut` on an accelerator under an engine, ready to evaluate.

    ``hardware`` and ``efficiency`` are as they run, under a power cap where there is one.
    """

    cut: Cut
    hardware: Hardware
    engine: Engine
    efficiency: Efficiency
    links: Coefficients
    coefficients: StepCoefficients


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on one accelerator: weights, workspace, overhead and cache sum to ``capacity``, what the engine may use.

    ``cache`` is what remains for KV and state (negative when the rest alone does not fit); ``fits`` sequences are
    held at once by the whole replica.
    """

    weights: float
    workspace: float
    overhead: float
    cache: float
    capacity: float
    physical: float
    fits: float
    sequence_bytes: float

    @property
    def short(self) -> float:
        """Bytes missing for a single sequence; negative or zero when it fits."""
        return self.sequence_bytes - self.cache


def cut(model: Model, checkpoint: Checkpoint, layout: Layout, kv_dtype: str, techniques: Active = OFF) -> Cut:
    """Operators and residency of ``model`` under ``layout``; raises LayoutError where it cannot be cut so."""
    ops, held = cut_ops(techniques, model, checkpoint, layout, kv_dtype)
    return Cut(model, checkpoint, layout, kv_dtype, ops, held, techniques)


def deploy(piece: Cut, hardware: Hardware, engine: Engine, eff: Efficiency, links: Coefficients) -> Deployment:
    """Compile ``piece`` on ``hardware``; raises LayoutError where its groups do not tile the hardware's domains."""
    hardware, eff = capped(hardware, eff, piece.techniques.choice.power_cap)
    return Deployment(piece, hardware, engine, eff, links, compile_step(piece.ops, hardware, piece.layout, eff, links))


def on(deployment: Deployment, hardware: Hardware | None = None, eff: Efficiency | None = None) -> Deployment:
    """The same deployment on other hardware or coefficients, given as they run: no power cap is applied again."""
    hardware, eff = hardware or deployment.hardware, eff or deployment.efficiency
    piece, links = deployment.cut, deployment.links
    compiled = compile_step(piece.ops, hardware, piece.layout, eff, links)
    return replace(deployment, hardware=hardware, efficiency=eff, coefficients=compiled)


def memory(
    piece: Cut, hardware: Hardware, engine: Engine, eff: Efficiency, one: SequenceBytes, budget: float
) -> Memory:
    """Size the memory of one accelerator for sequences of size ``one`` and steps of ``budget`` tokens.

    Resident tokens of a decoding sequence are spread over its life; N sequences need ``N m + 2 sigma sqrt(N)`` bytes
    with m and sigma the mean and standard deviation of one, so the number that fits solves a quadratic.
    """
    r = piece.resident
    capacity = hardware.memory_bytes * engine.memory_frac
    workspace = r.workspace_bytes_per_token * budget + r.logits_bytes_per_row * min(engine.max_num_seqs, 256)
    cache = capacity - r.weights_bytes - workspace - eff.overhead_bytes
    mean, spread = max(one.mean, 1.0), _SAFETY_SIGMAS * one.sigma
    fits = 0.0
    if cache >= mean:
        root = (math.sqrt(spread * spread + 4 * mean * cache) - spread) / (2 * mean)
        fits = max(1.0, math.floor(root * root)) * piece.layout.dp
    return Memory(r.weights_bytes, workspace, eff.overhead_bytes, cache, capacity, hardware.memory_bytes, fits, mean)


@dataclass(frozen=True, slots=True)
class SequenceBytes:
    """Mean and standard deviation of a running sequence's cache and state.

    Bytes on one accelerator, over its decode life.
    """

    mean: float
    sigma: float


def sequence_bytes(piece: Cut, lengths: Lengths) -> SequenceBytes:
    """Size one running sequence of ``lengths``."""
    share = lengths.weight * lengths.osl / (lengths.weight @ lengths.osl)
    by_class = np.full(share.shape, piece.resident.state_bytes)
    ends = np.full(share.shape, piece.resident.state_bytes)
    start = lengths.isl * min(lengths.kept, piece.techniques.choice.kv_compression)
    for term in piece.resident.cache:
        span = math.inf if term.span is None else float(term.span)
        area = integral_of_min(start + lengths.osl, span) - integral_of_min(start, span)
        by_class = by_class + term.bytes_per_token * area / lengths.osl
        ends = ends + term.bytes_per_token * np.minimum(start + lengths.osl, span)
    mean = float(share @ by_class)
    within = (ends - by_class) ** 2 / 3.0  # uniform over the stretch that decoding adds
    return SequenceBytes(mean, math.sqrt(max(float(share @ (by_class**2 + within)) - mean * mean, 0.0)))


@dataclass(frozen=True, slots=True)
class Contexts:
    """Attended contexts of a workload within each span of a deployment's operators: the kernel's view of lengths."""

    spans: Floats
    decode: Floats
    prefill: Floats


def contexts(spans: tuple[float, ...], lengths: Lengths) -> Contexts:
    """Contexts of ``lengths`` for each of ``spans`` (rows) and request class (columns)."""
    return Contexts(
        spans=np.array(spans, dtype=np.float64),
        decode=np.array([decode_context(lengths, s) for s in spans]),
        prefill=np.array([prefill_context(lengths, s) for s in spans]).reshape(len(spans), len(lengths.isl)),
    )


def takes_turns(deployment: Deployment) -> bool:
    """Whether prompts run in steps of their own while decodes wait: as chosen, else as the engine's scheduler does.

    An engine that can cut prompts into chunks is taken to be told so.
    """
    choice = deployment.cut.techniques.choice
    return choice.chunked_prefill is False or not deployment.engine.scheduler.mixed(True)


def scalars(deployment: Deployment, budget: float, max_seqs: float, host_s: float = 0.0) -> Floats:
    """The deployment scalars in the kernel's order; ``host_s`` is spent per input token on loading from the host."""
    c, hardware, layout, eff = (
        deployment.coefficients,
        deployment.hardware,
        deployment.cut.layout,
        deployment.efficiency,
    )
    techniques = deployment.cut.techniques
    speculation, choice = techniques.speculation, techniques.choice
    return np.array(
        [c.overhead_s, c.sequence_s, c.exposed, c.prefill_s, c.request_s, layout.pp, layout.dp, budget, max_seqs,
         eff.static_power * hardware.tdp_w, hardware.tdp_w, hardware.idle_w,
         techniques.verified, speculation.tokens_per_step if speculation else 1.0,
         speculation.variance if speculation else 0.0, takes_turns(deployment),
         hidden_frac(choice, layout), host_s, 1.0]
    )  # fmt: skip
