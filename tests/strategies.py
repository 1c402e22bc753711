"""Random architectures, hardware, efficiencies, engines and workloads: what the laws quantify over.

Sizes are powers of two where layouts must divide them. :func:`systems` builds deployments that fit by drawing the
room for sequences and sizing the memory to it, so that no example is thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from hypothesis import strategies as st

from drivetrain.arch.layout import Layout, layout_problem
from drivetrain.arch.step import Step
from drivetrain.catalogue.market import Engine
from drivetrain.catalogue.model import (
    Attention,
    Checkpoint,
    Dense,
    Indexer,
    LatentAttention,
    LayerGroup,
    Model,
    MoE,
    Recurrent,
)
from drivetrain.catalogue.scheduler import Scheduler
from drivetrain.comms.collectives import DATASHEET, Coefficients
from drivetrain.comms.topology import Topology
from drivetrain.cost.efficiency import SHARES, Efficiency
from drivetrain.cost.hardware import Hardware
from drivetrain.serving.deployment import Cut, Deployment, cut, deploy, memory, sequence_bytes
from drivetrain.serving.lengths import Lengths
from drivetrain.serving.steady import Prepared, prepare

WEIGHT_DTYPES = ("bf16", "fp8", "fp8_block", "int8", "int4", "nvfp4", "mxfp4")
KV_DTYPES = ("bf16", "fp8")


# ---------------------------------------------------------------- architectures


@st.composite
def attentions(draw, *, plain=False):
    """Grouped-head attention; ``plain`` leaves out biases and the rarer variants."""
    n_heads = draw(st.sampled_from([8, 16, 32]))
    head_dim = draw(st.sampled_from([64, 128]))
    basic = Attention(
        n_heads=n_heads,
        n_kv_heads=draw(st.sampled_from([n for n in (1, 2, 4, 8, 16, 32) if n <= n_heads])),
        head_dim=head_dim,
        v_head_dim=draw(st.sampled_from([head_dim, 64])),
        window=draw(st.sampled_from([None, None, 128, 1024, 4096])),
    )
    if plain:
        return basic
    variants = [
        {},
        {"output_gate": True},
        {"q_bias": True, "kv_bias": True, "o_bias": True, "sinks": True},
        {"k_eq_v": True, "v_head_dim": head_dim},
        {"k_eq_v": True, "v_head_dim": head_dim, "kv_tied": True},
        {"q_lora_rank": 256, "o_lora_rank": 128, "o_groups": 8},
        {"compress": 4},
        {"compress": 4, "window": 128, "indexer": Indexer(8, 64, 512)},
        {"window": None, "indexer": Indexer(8, 64, 512)},
    ]
    return replace(basic, **draw(st.sampled_from(variants)))


latent_attentions = st.builds(
    LatentAttention,
    n_heads=st.sampled_from([8, 16, 32]),
    q_lora_rank=st.sampled_from([None, 256]),
    kv_lora_rank=st.sampled_from([128, 512]),
    nope_head_dim=st.sampled_from([64, 128]),
    rope_head_dim=st.sampled_from([32, 64]),
    v_head_dim=st.sampled_from([64, 128]),
)


@st.composite
def recurrents(draw, hidden):
    width = hidden * draw(st.sampled_from([1, 2]))
    return Recurrent(
        kind=draw(st.sampled_from(["mamba2", "gated_delta", "short_conv"])),
        n_heads=draw(st.sampled_from([8, 16])),
        proj_in=hidden * width * 2,
        proj_out=hidden * width,
        state=width * draw(st.sampled_from([16, 128])),
        conv_state=draw(st.sampled_from([0, 4 * width])),
        flops_per_token=float(6 * width * 16),
        state_dtype=draw(st.sampled_from(["fp32", "bf16"])),
    )


dense_parts = st.builds(Dense, intermediate=st.sampled_from([1024, 4096, 14336]), gated=st.booleans())


@st.composite
def mixtures(draw):
    n_experts = draw(st.sampled_from([8, 16, 64, 128]))
    return MoE(
        n_experts=n_experts,
        top_k=draw(st.sampled_from([1, 2, 4, 8])),
        intermediate=draw(st.sampled_from([512, 1024, 2048])),
        gated=draw(st.booleans()),
        shared_intermediate=draw(st.sampled_from([0, 512, 2048])),
        shared_gated=draw(st.booleans()),
        latent_hidden=draw(st.sampled_from([None, None, 512])),
    )


@st.composite
def models(draw, *, plain=False, dense_only=False, moe_only=False):
    """A model of one to three kinds of layer. ``plain``: no biases, so that counts agree exactly."""
    hidden = draw(st.sampled_from([512, 1024, 4096]))
    mixers = attentions(plain=plain)
    if not dense_only:
        mixers = st.one_of(mixers, latent_attentions, recurrents(hidden))
    ffns = dense_parts if dense_only else mixtures() if moe_only else st.one_of(dense_parts, mixtures())
    groups = st.builds(
        LayerGroup,
        count=st.integers(1, 12),
        mixer=mixers,
        ffn=ffns,
        norm_params=st.just(2 * hidden),
        parallel_mixer=st.none() if dense_only else st.one_of(st.none(), st.none(), recurrents(hidden)),
    )
    checkpoint = Checkpoint(
        name="drawn",
        weight_dtype=draw(st.sampled_from(WEIGHT_DTYPES)),
        dtypes=draw(st.sampled_from([{}, {"lm_head": "bf16", "embedding": "bf16", "router": "bf16"}, {"ffn": "fp8"}])),
        kv_dtype=draw(st.sampled_from(KV_DTYPES)),
    )
    return Model(
        name="drawn",
        aliases=(),
        family="test",
        hidden=hidden,
        vocab=draw(st.sampled_from([1024, 32000, 128256])),
        layers=tuple(draw(st.lists(groups, min_size=1, max_size=3))),
        tied_embeddings=draw(st.booleans()),
        max_context=131072,
        checkpoints=(checkpoint,),
        norm_params=hidden,
    )


LAYOUTS = tuple(
    Layout(tp=tp, pp=pp, dp=dp, ep=ep)
    for tp in (1, 2, 4, 8)
    for pp in (1, 2, 4)
    for dp in (1, 2, 4, 8)
    for ep in (1, 2, 4, 8, 16)
    if (tp * dp) % ep == 0 and tp * pp * dp <= 32
)


def layouts_for(model):
    """The layouts that ``model`` can be cut by; tp1 always is one."""
    return st.sampled_from([layout for layout in LAYOUTS if not layout_problem(model, layout)])


# ---------------------------------------------------------------- hardware, efficiency, engine


topologies = st.builds(
    Topology,
    kind=st.sampled_from(["switch", "mesh", "torus", "pcie"]),
    n_links=st.integers(1, 18),
    link_bytes_per_s=st.floats(1e9, 2e11),
    domain=st.sampled_from([8, 16, 64]),  # every group in LAYOUTS tiles these
    nic_bytes_per_s=st.floats(1e9, 1e11),
    fabric=st.just("drawn"),
)


@st.composite
def hardware(draw):
    bf16 = draw(st.floats(1e13, 5e15))
    flops = {"bf16": bf16}
    for dtype, factor in draw(st.sampled_from([(), (("fp8", 2.0),), (("fp8", 2.0), ("int8", 2.0), ("nvfp4", 4.0))])):
        flops[dtype] = factor * bf16
    tdp = draw(st.floats(100.0, 2000.0))
    return Hardware(
        name="drawn",
        generation="drawn",
        flops=flops,
        hbm_bytes_per_s=draw(st.floats(1e11, 2e13)),
        memory_bytes=draw(st.floats(1e10, 3e11)),
        tdp_w=tdp,
        idle_w=tdp * draw(st.floats(0.02, 0.6)),
        topology=draw(topologies),
    )


_COEFFICIENTS = {
    **{name: st.floats(0.05, 1.0) for name in SHARES},
    "exposed": st.floats(0.0, 1.0),
    "kernel_s": st.floats(0.0, 2e-5),
    "prefill_kernel_s": st.floats(0.0, 2e-5),
    "step_s": st.floats(0.0, 5e-3),
    "sequence_s": st.floats(0.0, 5e-5),
    "request_s": st.floats(0.0, 0.05),
    "network": st.floats(1.0, 3.0),
    "overhead_bytes": st.floats(0.0, 4e9),
    "static_power": st.floats(0.1, 0.5),
    "compute_power": st.floats(0.1, 1.0),
    "memory_power": st.floats(0.1, 1.0),
}
_KNOWN = {field.name for field in fields(Efficiency)}
efficiencies = st.builds(Efficiency, **{name: drawn for name, drawn in _COEFFICIENTS.items() if name in _KNOWN})

engines = st.builds(
    Engine,
    name=st.just("drawn"),
    aliases=st.just(()),
    family=st.just("drawn"),
    version=st.just("1"),
    released=st.just("2026"),
    chunked_prefill=st.just(True),
    max_batched_tokens=st.sampled_from([512, 2048, 8192, 16384]),
    max_num_seqs=st.sampled_from([16, 64, 256, 1024]),
    memory_frac=st.floats(0.5, 1.0),
    block_tokens=st.just(16),
    vendors=st.just(()),
    weight_dtypes=st.just(()),
    facts=st.just({}),
    scheduler=st.sampled_from([Scheduler(), Scheduler(), Scheduler(mixes="never")]),
)


# ---------------------------------------------------------------- load


@st.composite
def lengths(draw, *, max_isl=20000, max_osl=2000):
    """Whole-token request classes, some of the input in a prefix cache."""
    n = draw(st.integers(1, 4))
    weight = np.array([draw(st.floats(0.05, 1.0)) for _ in range(n)])
    isl = np.array([float(draw(st.integers(1, max_isl))) for _ in range(n)])
    hit = draw(st.sampled_from([0.0, 0.0, 0.3, 0.9]))
    return Lengths(
        weight=weight / weight.sum(),
        isl=isl,
        osl=np.array([float(draw(st.integers(2, max_osl))) for _ in range(n)]),
        computed=np.maximum(np.floor(isl * (1.0 - hit)), 1.0),
        arrival_cv2=draw(st.sampled_from([0.25, 1.0, 4.0, 16.0])),
    )


@st.composite
def steps(draw):
    """A step of a real engine: contexts bound chunks, chunks bound prefill tokens."""
    prefill = draw(st.sampled_from([0.0, 1.0, 100.0, 2048.0, 8192.0]))
    chunks = draw(st.sampled_from([1.0, 2.5, 8.0])) if prefill else 0.0
    decode = draw(st.sampled_from([0.0, 1.0, 7.0, 64.0, 500.0]))
    if prefill == decode == 0.0:
        decode = 1.0
    beside = draw(st.sampled_from([1.0, 1.0, 8.0]))  # tokens of all ranks over those of this one
    return Step(
        decode=decode,
        context=draw(st.floats(0.0, 1e5)),
        prefill=prefill,
        chunks=chunks,
        prefill_context=draw(st.floats(0.0, 1e5)),
        chunk_context=draw(st.floats(0.0, 1e5)),
        expert_tokens=beside * (decode + prefill),
    )


# ---------------------------------------------------------------- systems


@dataclass(frozen=True)
class Machine:
    """A cut model on hardware, before any load: the ingredients of a step."""

    piece: Cut
    hardware: Hardware
    efficiency: Efficiency
    links: Coefficients = DATASHEET

    def deploy(self, engine=None):
        return deploy(self.piece, self.hardware, engine, self.efficiency, self.links)


@st.composite
def cuts(draw, model_kinds=None):
    model = draw(models() if model_kinds is None else model_kinds)
    checkpoint = model.checkpoints[0]
    return cut(model, checkpoint, draw(layouts_for(model)), checkpoint.kv_dtype)


@st.composite
def machines(draw):
    return Machine(draw(cuts()), draw(hardware()), draw(efficiencies))


@st.composite
def systems(draw):
    """A deployment under an engine and a workload, with memory for 1 to 400 sequences a rank."""
    machine, engine, load = draw(machines()), draw(engines), draw(lengths())
    budget = float(engine.max_batched_tokens)
    room = draw(st.floats(1.05, 400.0))
    one = sequence_bytes(machine.piece, load)
    hw = machine.hardware
    empty = memory(machine.piece, hw, engine, machine.efficiency, one, budget)
    need = empty.weights + empty.workspace + empty.overhead + room * one.mean + 1.0
    hw = replace(hw, memory_bytes=need / engine.memory_frac)
    return prepare(replace(machine, hardware=hw).deploy(engine), load, budget)


def redeploy(prepared: Prepared, **changes) -> Prepared:
    """``prepared`` with other hardware, efficiency or links; engine, batch limits and workload stay."""
    d = prepared.deployment
    new: Deployment = deploy(
        d.cut,
        changes.get("hardware", d.hardware),
        d.engine,
        changes.get("efficiency", d.efficiency),
        changes.get("links", d.links),
    )
    return prepare(new, changes.get("lengths", prepared.lengths), prepared.budget, prepared.max_seqs)


def halved_latencies(links: Coefficients) -> Coefficients:
    """``links`` with every launch and hop in half the time."""
    fits = tuple(
        replace(
            fit,
            regimes=tuple(replace(r, launch_s=r.launch_s / 2, hop_s=r.hop_s / 2) for r in fit.regimes),
        )
        for fit in links.fits
    )
    return Coefficients(links.library, fits)


def halved_overheads(eff: Efficiency) -> Efficiency:
    """``eff`` with every overhead in half the time."""
    return replace(eff, **{name: getattr(eff, name) / 2 for name in _KNOWN if name.endswith("_s")})
