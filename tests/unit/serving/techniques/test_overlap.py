"""Two-batch overlap and whole prompts: the readable step against the machine code, and what they gain or cost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from technique_machines import DENSE, MIXTURE, NODES, prepared

from drivetrain.arch.layout import Layout
from drivetrain.catalogue import loader
from drivetrain.cost.roofline import PARTS
from drivetrain.serving import kernel
from drivetrain.serving.report import utilisation
from drivetrain.serving.steady import _solve, at_rate, max_rate, steps
from drivetrain.serving.techniques.overlap import hidden_frac
from drivetrain.techniques import Techniques

loads = st.floats(0.02, 0.95)
EVERY = [
    ("", DENSE), ("speculative=eagle", DENSE), ("speculative=mtp,draft-tokens=3", MIXTURE), ("sparsity=2:4", DENSE),
    ("kv-compression=0.3", DENSE), ("chunked-prefill=off", DENSE), ("chunked-prefill=off,two-batch-overlap=on", NODES),
    ("power-cap=0.6", MIXTURE), ("expert-skew=1,redundant-experts=32", MIXTURE), ("expert-imbalance=1.7", NODES),
    ("two-batch-overlap=on", NODES), ("lora=16:32", DENSE), ("kv-offload=32GB", DENSE),
    ("speculative=mtp,two-batch-overlap=on,expert-skew=0.7,power-cap=0.8,kv-compression=0.5,lora=4:8", NODES),
]  # fmt: skip


@settings(max_examples=8)
@given(loads)
@pytest.mark.parametrize(("text", "where"), EVERY, ids=[text or "none" for text, _ in EVERY])
def test_the_readable_steps_are_those_of_the_machine_code(text, where, load):
    p = prepared(text, where, isl=3000, osl=300, hit=0.2, budget=4096.0)
    rate = load * max_rate(p)
    out, state = _solve(p, rate, 1.0, 1.0), at_rate(p, rate)
    decode, mixed = steps(p, state)
    assert decode.seconds == pytest.approx(out[kernel.T_DECODE], rel=1e-4)
    assert mixed.seconds == pytest.approx(out[kernel.T_MIXED], rel=1e-3)
    for step in (decode, mixed):
        assert sum(step.parts.values()) == pytest.approx(step.seconds)
        assert sum(op.seconds for op in step.ops) == pytest.approx(step.seconds)
    used = utilisation(p, state)
    assert sum(used.breakdown_s[part] for part in PARTS) == pytest.approx(state.tpot.mean, rel=1e-3)
    assert 0.0 <= used.mbu <= 1.0
    assert 0.0 <= used.mfu <= 1.0


@settings(max_examples=10)
@given(loads)
def test_overlap_never_slows_and_saves_at_most_the_messages(load):
    plain, split = prepared("", NODES), prepared("two-batch-overlap=on", NODES)
    rate = load * max_rate(plain)
    before, after = at_rate(plain, rate), at_rate(split, rate)
    assert after.tpot.mean <= before.tpot.mean * (1 + 1e-6)
    assert after.ttft.mean <= before.ttft.mean * (1 + 1e-6)
    assert max_rate(split) >= max_rate(plain) * (1 - 1e-4)
    without = utilisation(plain, before).mixed
    assert steps(split, before)[1].seconds >= without.seconds - without.parts["network"]


def test_overlap_pays_between_nodes_where_messages_are_long():
    plain, split = prepared("", NODES), prepared("two-batch-overlap=on", NODES)
    assert 1.1 < max_rate(split) / max_rate(plain) < 1.6
    _, mixed = steps(split, at_rate(split, 0.5 * max_rate(plain)))
    _, whole = steps(plain, at_rate(plain, 0.5 * max_rate(plain)))
    assert mixed.parts["weights"] >= whole.parts["weights"]  # read twice
    assert mixed.parts["network"] < whole.parts["network"]


def test_overlap_is_for_data_parallel_attention():
    on = Techniques(two_batch_overlap=True)
    assert hidden_frac(on, Layout(tp=8)) == 0.0
    assert hidden_frac(on, Layout(dp=8, ep=8)) == loader.techniques()["overlap_hidden"].mid.value
    assert hidden_frac(Techniques(), Layout(dp=8, ep=8)) == 0.0


@settings(max_examples=10)
@given(loads)
def test_whole_prompts_stall_decoding_longer(load):
    chunked, whole = prepared("", DENSE, isl=8000, osl=300, budget=2048.0), prepared(
        "chunked-prefill=off", DENSE, isl=8000, osl=300, budget=8000.0
    )  # fmt: skip
    rate = load * min(max_rate(chunked), max_rate(whole))
    a, b = _solve(chunked, rate, 1.0, 1.0), _solve(whole, rate, 1.0, 1.0)
    assert b[kernel.T_MIXED] > a[kernel.T_MIXED]  # the stall is the whole prompt
    assert at_rate(whole, rate).itl.p99 >= at_rate(chunked, rate).itl.p99 * 0.99 or b[kernel.MIXED_FRAC] < 0.01


def test_whole_prompts_leave_decode_steps_plain():
    """A decode step sees prompt steps in between: t = t_decode + u t_prompts, and sequences decode by Little's law."""
    p = prepared("chunked-prefill=off", DENSE, isl=4000, osl=200)
    rate = 0.6 * max_rate(p)
    out = _solve(p, rate, 1.0, 1.0)
    prompts = out[kernel.T_MIXED] - out[kernel.T_DECODE]
    assert out[kernel.T_STEP] == pytest.approx(out[kernel.T_DECODE] + out[kernel.MIXED_FRAC] * prompts, rel=1e-6)
    tpot = out[kernel.LATENCY + 5 * kernel.TPOT]
    assert out[kernel.T_STEP] <= tpot <= 1.1 * out[kernel.T_STEP]  # a request sees the prompts behind its own besides
    assert out[kernel.DECODING] == pytest.approx(rate * 199 * tpot, rel=1e-6)
    # prompts per second run through: chunks per step times steps per second
    per_step = out[kernel.MIXED_FRAC] * out[kernel.PREFILL_TOKENS]
    assert per_step / out[kernel.T_STEP] == pytest.approx(rate * 4000, rel=1e-6)


def test_under_heavy_prompts_several_prompt_steps_pass_between_decode_steps():
    p = prepared("chunked-prefill=off", DENSE, isl=2000, osl=20, budget=2000.0)
    out = _solve(p, 0.97 * max_rate(p), 1.0, 1.0)
    assert out[kernel.STABLE] == 1.0
    assert out[kernel.MIXED_FRAC] > 1.0
    assert out[kernel.PREFILL_LOAD] < 1.0
