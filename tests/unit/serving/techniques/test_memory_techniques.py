"""What changes bytes: sparsity, cache compression, a finite prefix cache with host memory, adapters."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from technique_machines import DENSE, MIXTURE, active, deployment, hardware, prepared

from drivetrain.arch.layout import Layout
from drivetrain.arch.operators import operators
from drivetrain.arch.step import HIT, ONE, TOKENS, Step
from drivetrain.catalogue import loader
from drivetrain.cost.roofline import dot, features
from drivetrain.serving import kernel
from drivetrain.serving.reuse import host_bytes_per_s, host_seconds, lengths_on
from drivetrain.serving.slo import Target
from drivetrain.serving.steady import at_rate, max_rate, prepare
from drivetrain.serving.techniques.adapters import adapter_ops
from drivetrain.serving.techniques.sparsity import PRUNED, sparse, sparse_gain

shares = st.floats(0.05, 1.0)


def test_sparse_weights_take_half_and_their_places():
    model = loader.load("models", "llama-3.1-70b")
    for checkpoint in model.checkpoints:
        for op in operators(model, checkpoint, Layout(tp=4), "bf16"):
            pruned = sparse(op, 1.5)
            if op.name not in PRUNED or op.dtype in ("nvfp4", "mxfp4"):
                assert pruned == op
                continue
            # (16 + 2) / 32 and (8 + 2) / 16 bits; of 4 bits with a 16-bit scale per 128, (4.125 + 2) / 8.25
            share = {"bf16": 0.5625, "fp8": 0.625, "int8": 0.625, "int4": 6.125 / 8.25}[op.dtype]
            assert pruned.weights[ONE] == pytest.approx(share * op.weights[ONE])
            assert pruned.flops[TOKENS] == pytest.approx(op.flops[TOKENS] / 1.5)
            assert (pruned.activations, pruned.kv, pruned.kernels) == (op.activations, op.kv, op.kernels)


def test_sparsity_gains_where_there_are_units_for_it_and_nothing_elsewhere():
    for name in ("a100-sxm", "h100-sxm", "b200", "mi300x", "l40s"):
        assert 1.0 < sparse_gain(hardware(name)) < 2.0
    for name in ("v100", "tpu-v5p", "gaudi-3", "mi250x", "trainium2"):
        assert sparse_gain(hardware(name)) is None
    dense, pruned = deployment("", DENSE).cut, deployment("sparsity=2:4", DENSE).cut
    assert pruned.resident.weights_bytes < 0.6 * dense.resident.weights_bytes
    old = ("llama-3.1-8b", "v100", "tp1")
    assert deployment("sparsity=2:4", old).cut.ops == deployment("", old).cut.ops


def test_sparse_throughput_agrees_with_what_was_published():
    """Neural Magic: 1.2 times the throughput from sparsity alone, Llama 3.1 8B in fp8 on Hopper; within a tenth."""
    where = ("llama-3.1-8b", "h100-sxm", "tp1")
    fp8 = next(i for i, c in enumerate(loader.load("models", "llama-3.1-8b").checkpoints) if c.weight_dtype == "fp8")
    dense, pruned = (
        prepared(t, where, isl=1024, osl=256, checkpoint=fp8, max_seqs=256.0) for t in ("", "sparsity=2:4")
    )
    assert max_rate(pruned) / max_rate(dense) == pytest.approx(1.2, rel=0.1)


@settings(max_examples=20)
@given(shares, shares, st.sampled_from([DENSE, MIXTURE, ("gemma-3-27b", "h100-sxm", "tp2")]))
def test_more_compression_never_lowers_capacity(a, b, where):
    tight, loose = (prepared(f"kv-compression={c!r}", where, isl=8000, osl=400) for c in sorted((a, b)))
    assert tight.max_seqs >= loose.max_seqs
    assert tight.memory.sequence_bytes <= loose.memory.sequence_bytes
    assert max_rate(tight) >= max_rate(loose) * (1 - 1e-4)
    rate = 0.4 * max_rate(loose)
    assert at_rate(tight, rate).tpot.mean <= at_rate(loose, rate).tpot.mean * (1 + 1e-9)


def test_compression_keeps_a_share_of_the_prompt_and_all_that_is_generated():
    plain, half = prepared("", DENSE, isl=6000, osl=1000), prepared("kv-compression=0.5", DENSE, isl=6000, osl=1000)
    assert plain.contexts.decode[0] == pytest.approx(6500.0)
    assert half.contexts.decode[0] == pytest.approx(3500.0)
    assert half.memory.sequence_bytes / plain.memory.sequence_bytes == pytest.approx(3500 / 6500)
    assert (half.contexts.prefill == plain.contexts.prefill).all()  # prompts are read whole


TRACE = "mooncake-conversation"
HIT_FRAC = 0.3615


def trace(text, where=DENSE):
    return prepared(text, where, isl=TRACE, osl=0, hit=HIT_FRAC)


@settings(max_examples=20)
@given(st.floats(0.0, 4e12), st.floats(0.0, 4e12))
def test_more_host_memory_finds_no_less(a, b):
    less, more = (trace(f"kv-offload={x!r}B") for x in sorted((a, b)))
    assert (more.lengths.computed <= less.lengths.computed + 1e-9).all()
    assert more.lengths.host_frac >= less.lengths.host_frac - 1e-12
    unlimited = trace("")
    assert (unlimited.lengths.computed <= more.lengths.computed + 1e-6).all()
    assert max_rate(more) >= max_rate(less) * (1 - 1e-3)


def test_a_finite_cache_finds_what_is_used_again_in_time():
    device = trace("kv-offload=0GB")
    found = 1 - device.lengths.weight @ device.lengths.computed / device.lengths.isl_mean
    assert 0.02 < found < 0.8 * HIT_FRAC
    assert device.lengths.host_frac == 0.0
    vast = trace("kv-offload=100TB")
    assert vast.lengths.computed == pytest.approx(trace("").lengths.computed, rel=1e-3)
    assert vast.lengths.host_frac == pytest.approx(HIT_FRAC - found, rel=0.01)


def test_preparing_again_changes_nothing():
    p = trace("kv-offload=64GB,kv-compression=0.5")
    again = lengths_on(p.deployment, p.lengths)
    assert again.computed == pytest.approx(p.lengths.computed, rel=1e-12)
    assert (again.host_frac, again.kept) == (p.lengths.host_frac, p.lengths.kept)


@settings(max_examples=15)
@given(st.floats(0.5, 30.0), st.floats(0.02, 0.5), st.sampled_from([0.0, 64e9, 512e9]))
def test_hits_and_the_rate_within_the_targets_are_a_fixed_point(ttft, tpot, host):
    """What is found is what the cache keeps at the rate that finding so much makes possible."""
    targets = (Target("ttft", "p95", ttft), Target("tpot", "p95", tpot))
    loaded = trace(f"kv-offload={host!r}B")
    d = loaded.deployment
    p = prepare(d, loaded.lengths, loaded.budget, loaded.max_seqs, targets)
    rate = max_rate(p, targets)
    assume(rate > 1e-2 * max_rate(p))
    found = 1 - p.lengths.weight @ p.lengths.computed / p.lengths.isl_mean
    full = 1 - loaded.lengths.weight @ loaded.lengths.computed / loaded.lengths.isl_mean
    assert found >= full * (1 - 1e-3)  # slower than full load, so kept for longer
    new = p.lengths.weight @ (p.lengths.isl - p.lengths.reusable + p.lengths.osl)
    per_token = sum(term.bytes_per_token for term in d.cut.resident.cache if term.span is None)
    retention = (p.memory.cache + host) / (rate / d.cut.layout.dp * new * per_token)
    interval = loader.techniques()["reuse_interval"].mid.value
    unlimited = p.lengths.weight @ p.lengths.reusable / p.lengths.isl_mean
    assert found == pytest.approx(unlimited * -np.expm1(-retention / interval), rel=0.03)


def test_a_stated_host_hit_is_on_top_of_the_devices():
    p = trace("kv-offload=64GB,host-hit=0.2")
    assert p.lengths.host_frac == 0.2
    assert 1 - p.lengths.computed / p.lengths.isl == pytest.approx(HIT_FRAC + 0.2, rel=1e-3)


def test_loading_from_the_host_takes_its_bytes_over_the_link():
    p = trace("kv-offload=64GB,host-hit=0.2")
    model = loader.load("models", "llama-3.1-70b")
    per_token = 80 * 2 * 8 * 128 * 2 / 4  # layers, keys and values, heads, width, 16 bit, over tp4
    link = 64e9 * 0.8
    assert model.n_layers == 80
    assert host_bytes_per_s(hardware("h100-sxm")) == pytest.approx(link)
    assert p.scalars[kernel.HOST_S] == pytest.approx(0.2 * per_token / link)
    calm = at_rate(p, 1e-6).ttft.mean
    computing = at_rate(_without_host(p), 1e-6).ttft.mean
    assert calm - computing == pytest.approx(p.lengths.isl_mean * p.scalars[kernel.HOST_S], rel=1e-3)


def _without_host(p):
    scalars = p.scalars.copy()
    scalars[kernel.HOST_S] = 0.0
    return type(p)(p.deployment, p.lengths, p.budget, p.max_seqs, p.memory, p.contexts, scalars)


def test_links_to_the_host_differ():
    assert host_bytes_per_s(hardware("a100-sxm")) < host_bytes_per_s(hardware("h100-sxm"))
    assert host_bytes_per_s(hardware("gh200-144gb")) > 5 * host_bytes_per_s(hardware("h100-sxm"))
    assert host_seconds(deployment("", DENSE), trace("").lengths) == 0.0


@settings(max_examples=30)
@given(st.integers(1, 200), st.integers(1, 128), st.sampled_from(["llama-3.1-8b", "deepseek-v3", "qwen3.5-27b"]))
def test_adapters_count_their_parameters(n, rank, name):
    model = loader.load("models", name)
    (op,) = adapter_ops(model, Layout(), n, rank)
    stored = op.experts_local * op.weights[HIT]
    assert stored == pytest.approx(n * rank * _sum_of_widths(model) * 2)
    assert op.flops[TOKENS] == pytest.approx(2 * rank * _sum_of_widths(model))
    one = Step(decode=1.0, expert_tokens=1.0)
    assert dot(op.weights, features(op, one)) == pytest.approx(stored / n)  # one token uses one adapter
    many = Step(decode=1e6, expert_tokens=1e6)
    assert dot(op.weights, features(op, many)) == pytest.approx(stored)


def _sum_of_widths(model):
    if model.name == "llama-3.1-8b":  # q, k, v, o, gate, up, down
        return 32 * (8192 + 2 * (4096 + 1024) + 8192 + 3 * (4096 + 14336))
    if model.name == "deepseek-v3":  # q_a, kv_a, q_b, o; dense and shared feed-forward
        attention = (7168 + 1536) + (7168 + 576) + (1536 + 128 * 192) + (128 * 128 + 7168)
        return 61 * attention + 3 * 3 * (7168 + 18432) + 58 * 3 * (7168 + 2048)
    return sum(
        g.count * _gated_attention(g.mixer, model.hidden) + g.count * 3 * (model.hidden + g.ffn.intermediate)
        for g in model.layers
    )


def _gated_attention(a, hidden):
    if not hasattr(a, "head_dim"):
        return 0
    q, kv, o = 2 * a.n_heads * a.head_dim, a.n_kv_heads * a.head_dim, a.n_heads * a.v_head_dim
    return hidden + q + 2 * (hidden + kv) + o + hidden


def test_adapters_cost_memory_time_and_capacity():
    plain, few, many = (prepared(t, DENSE) for t in ("", "lora=4:16", "lora=64:64"))
    assert plain.memory.weights < few.memory.weights < many.memory.weights
    rate = 0.5
    times = [at_rate(p, rate).tpot.mean for p in (plain, few, many)]
    assert times[0] < times[1] < times[2] < 2 * times[0]
    assert max_rate(plain) > max_rate(few) > max_rate(many)
    assert adapter_ops(plain.deployment.cut.model, Layout(), 0, 0) == []


def test_adapters_are_chosen_by_sequences_not_by_drafted_tokens():
    chosen = active("lora=8:16,speculative=eagle", "llama-3.1-70b", "h100-sxm")
    piece = deployment("lora=8:16,speculative=eagle", DENSE).cut
    op = next(o for o in piece.ops if o.name == "adapters")
    n = 5.0
    told = Step(decode=n, expert_tokens=n * chosen.verified)
    expected = 8 * (1 - (1 - 1 / 8) ** n)
    assert features(op, told)[HIT] == pytest.approx(expected)
    assert np.isfinite(op.flops).all()
