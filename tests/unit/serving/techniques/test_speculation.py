"""Speculative decoding: the closed forms, what verifying and drafting cost, and what the solver makes of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from technique_machines import DENSE, MIXTURE, active, deployment, prepared

from drivetrain.arch.layout import Layout, parse_layout
from drivetrain.arch.operators import operators
from drivetrain.arch.params import count
from drivetrain.arch.precision import bytes_per_weight
from drivetrain.arch.step import HIT, ONE, Step
from drivetrain.catalogue import loader
from drivetrain.cost.roofline import dot, features
from drivetrain.errors import LayoutError, UnsupportedError
from drivetrain.serving import kernel
from drivetrain.serving.steady import _solve, at_rate, max_rate
from drivetrain.serving.techniques.active import OFF, activate, cut_ops
from drivetrain.serving.techniques.drafts import draft_resident, eagle_draft, mtp_draft
from drivetrain.serving.techniques.speculation import (
    expected_tokens,
    repeated,
    speculation_of,
    variance_of_tokens,
    verifying,
)
from drivetrain.techniques import Techniques, parse_techniques
from strategies import layouts_for, models

acceptances = st.floats(0.0, 1.0)
drafts = st.integers(1, 8)


@settings(max_examples=25)
@given(acceptances, drafts)
def test_yield_and_variance_are_those_of_geometric_acceptance(acceptance, k):
    rng = np.random.default_rng(1)
    accepted = np.cumprod(rng.random((40_000, k)) < acceptance, axis=1).sum(axis=1)
    tokens = accepted + 1.0
    assert expected_tokens(acceptance, k) == pytest.approx(tokens.mean(), abs=0.05)
    assert variance_of_tokens(acceptance, k) == pytest.approx(tokens.var(), rel=0.06, abs=0.05)


@given(st.floats(0.0, 0.999), drafts)
def test_the_sum_is_the_closed_form(acceptance, k):
    closed = (1.0 - acceptance ** (k + 1)) / (1.0 - acceptance)
    assert expected_tokens(acceptance, k) == pytest.approx(closed, rel=1e-9)
    assert 1.0 <= expected_tokens(acceptance, k) <= k + 1


@given(acceptances, acceptances, drafts)
def test_yield_grows_with_acceptance_and_drafts(a, b, k):
    assert expected_tokens(min(a, b), k) <= expected_tokens(max(a, b), k)
    assert expected_tokens(a, k) <= expected_tokens(a, k + 1)


@settings(max_examples=40)
@given(st.data(), drafts)
def test_verifying_is_running_more_tokens_on_the_same_cache(data, k):
    """Operators on n sequences that verify k drafts move and compute what n (k+1) tokens would, cache read once."""
    model = data.draw(models())
    layout = data.draw(layouts_for(model))
    context, n = 5000.0, 6.0
    plain = Step(decode=n, context=context, expert_tokens=n * (k + 1))
    wide = Step(decode=n * (k + 1), context=context, expert_tokens=n * (k + 1))
    for op in operators(model, model.checkpoints[0], layout, "bf16"):
        x, y = features(op, plain), features(op, wide)
        v = verifying(op, k)
        assert dot(v.flops, x) == pytest.approx(dot(op.flops, y))
        assert dot(v.activations, x) == pytest.approx(dot(op.activations, y))
        assert dot(v.message, x) == pytest.approx(dot(op.message, y))
        assert dot(v.weights, x) == pytest.approx(dot(op.weights, y))
        if op.kind == "attention":
            assert dot(v.kv, x) < dot(op.kv, y)  # a cache is read once for all tokens of its sequence
        assert verifying(op, 0) == op


@settings(max_examples=40)
@given(st.data(), st.integers(1, 4), st.integers(1, 6))
def test_a_repeated_pass_is_a_decode_step(data, times, verified):
    model = data.draw(models())
    layout = data.draw(layouts_for(model))
    n, context = 7.0, 3000.0
    seen = n * layout.dp
    one = Step(decode=n, context=context, expert_tokens=seen)
    told = Step(decode=n, context=context, expert_tokens=seen * verified)  # what the solver says
    for op in operators(model, model.checkpoints[0], layout, "bf16"):
        again = repeated(op, times, verified, layout.dp)
        for part in ("flops", "weights", "kv", "activations"):
            expected = times * dot(getattr(op, part), features(op, one))
            assert dot(getattr(again, part), features(again, told)) == pytest.approx(expected), (op.name, part)
        assert again.kernels == times * op.kernels
        assert again.calls * dot(again.message, features(again, told)) == pytest.approx(
            times * op.calls * dot(op.message, features(op, one))
        )


def test_the_mtp_draft_holds_the_models_mtp_parameters():
    model = loader.load("models", "deepseek-v3")
    checkpoint = model.checkpoints[0]
    held = draft_resident(mtp_draft(model, checkpoint, 1), Layout(), checkpoint.kv_dtype)
    one_byte = bytes_per_weight("fp8_block")
    assert held.weights_bytes == pytest.approx(count(model).mtp * one_byte, rel=0.005)
    assert sum(t.bytes_per_token for t in held.cache) == pytest.approx(576 * 2)  # one latent entry in 16 bit
    several = loader.load("models", "minimax-m2.5")
    three = mtp_draft(several, several.checkpoints[0], 5)
    assert three.modules == 3
    assert sum(g.count for g in three.model.layers) == 1


def test_an_eagle_draft_is_one_layer_with_a_small_head():
    for name in ("llama-3.1-8b", "deepseek-v3", "gpt-oss-120b", "qwen3.5-27b"):
        model = loader.load("models", name)
        draft = eagle_draft(model)
        assert [g.count for g in draft.model.layers] == [1]
        assert draft.model.vocab == 32000
        assert draft.model.hidden == model.hidden
    # the published EAGLE-3 checkpoint for Llama 3.1 8B: 218 M layer, 50 M fusion, 131 M head
    draft = eagle_draft(loader.load("models", "llama-3.1-8b"))
    held = draft_resident(draft, Layout(), "bf16")
    assert held.weights_bytes == pytest.approx(2 * (243e6 + 50e6 + 131e6), rel=0.1)


def test_draft_memory_is_counted():
    plain, drafted = deployment("", MIXTURE), deployment("speculative=mtp", MIXTURE)
    model = plain.cut.model
    held = draft_resident(mtp_draft(model, plain.cut.checkpoint, 1), plain.cut.layout, plain.cut.kv_dtype)
    r, s = drafted.cut.resident, plain.cut.resident
    assert r.weights_bytes == pytest.approx(s.weights_bytes + held.weights_bytes)
    per_token = [sum(t.bytes_per_token for t in x.cache) for x in (r, s, held)]
    assert per_token[0] == pytest.approx(per_token[1] + per_token[2])
    assert r.logits_bytes_per_row == 2 * s.logits_bytes_per_row


@pytest.mark.parametrize(("text", "where"), [
    ("speculative=eagle", DENSE), ("speculative=mtp,draft-tokens=3", MIXTURE), ("speculative=ngram", DENSE),
    ("speculative=draft:llama-3.2-1b", DENSE),
])  # fmt: skip
def test_perfect_guesses_at_no_cost_divide_the_time_by_their_number(text, where):
    """With every draft accepted the time per token is the step over k+1, and percentiles are ordered."""
    p = prepared(text + ",acceptance=1", where)
    state = at_rate(p, 0.3 * max_rate(p))
    verified = p.deployment.cut.techniques.verified
    assert p.scalars[kernel.YIELD] == verified
    assert p.scalars[kernel.YIELD_VARIANCE] == pytest.approx(0.0, abs=1e-12)
    assert state.tpot.p50 <= state.tpot.p90 <= state.tpot.p99
    assert _solve(p, state.rate, 1.0, 1.0)[kernel.T_DECODE] / verified <= state.tpot.p50 <= state.tpot.mean * 1.1
    assert state.tpot.mean <= state.tpot.p90  # stalls are skewed: the median may lie below the mean
    assert state.itl.p50 == 0.0 if verified > 2 else state.itl.p50 > 0.0
    assert state.itl.p99 >= _solve(p, state.rate, 1.0, 1.0)[kernel.T_DECODE]
    gaps = 255.0
    assert state.e2e.mean == pytest.approx(state.ttft.mean + gaps * state.tpot.mean, rel=1e-9)


@settings(max_examples=15)
@given(
    acceptances, acceptances, st.sampled_from([("eagle", DENSE), ("mtp", MIXTURE), ("ngram", DENSE)]), st.integers(1, 5)
)
def test_higher_acceptance_never_lowers_throughput(a, b, way, k):
    method, where = way
    low, high = (prepared(f"speculative={method},draft-tokens={k},acceptance={x!r}", where, max_seqs=64.0)
                 for x in sorted((a, b)))  # fmt: skip
    assert max_rate(high) >= max_rate(low) * (1 - 1e-4)
    rate = 0.5 * max_rate(low)
    assert at_rate(high, rate).tpot.mean <= at_rate(low, rate).tpot.mean * (1 + 1e-6)


def test_useless_drafts_only_cost():
    plain, useless = prepared("", DENSE), prepared("speculative=eagle,acceptance=0", DENSE)
    assert max_rate(useless) < max_rate(plain)
    assert useless.max_seqs < plain.max_seqs


def test_a_heavier_draft_costs_more():
    small, large = (prepared(f"speculative=draft:{name}", DENSE) for name in ("llama-3.2-1b", "llama-3.1-8b"))
    rate = 0.3
    assert at_rate(small, rate).tpot.mean < at_rate(large, rate).tpot.mean
    assert small.memory.weights < large.memory.weights


def test_itl_percentiles_are_gaps_within_and_between_steps():
    p = prepared("speculative=mtp,acceptance=0.5", MIXTURE)
    state = at_rate(p, 0.05 * max_rate(p))
    per_step = p.scalars[kernel.YIELD]
    assert per_step == 1.5
    # a third of the gaps are within a step, so that the median gap is the step at the lower quartile
    out = _solve(p, state.rate, 1.0, 1.0)
    assert state.itl.p50 == out[kernel.T_DECODE]
    assert state.tpot.mean == pytest.approx(out[kernel.T_STEP] / per_step, rel=1e-3)  # and the prompts behind one's own
    assert state.tpot.mean >= out[kernel.T_STEP] / per_step
    burst = prepared("speculative=mtp,draft-tokens=3,acceptance=0.9", MIXTURE)
    assert at_rate(burst, 0.1).itl.p50 == 0.0
    assert at_rate(burst, 0.1).itl.p99 > 0.0


def test_defaults_come_from_sourced_facts():
    facts = loader.techniques()
    for method in ("mtp", "eagle", "ngram", "draft"):
        s = speculation_of(Techniques(speculative="draft:x" if method == "draft" else method))
        assert s.acceptance == facts[f"acceptance_{method}"].mid.value
        assert s.drafts == facts[f"draft_tokens_{method}"].mid.value
    stated = speculation_of(parse_techniques("speculative=mtp,draft-tokens=4,acceptance=0"))
    assert (stated.drafts, stated.acceptance) == (4, 0.0)
    assert speculation_of(Techniques()) is None


@pytest.mark.parametrize(("text", "model", "says"), [
    ("speculative=mtp", "llama-3.1-70b", "no multi-token-prediction layers"),
    ("speculative=draft:qwen3-8b", "llama-3.1-70b", "vocabularies"),
    ("speculative=draft:llama-3.1-405b", "llama-3.1-70b", "no smaller"),
    ("two-batch-overlap=on", "llama-3.1-70b", "no experts"),
    ("redundant-experts=32", "llama-3.1-70b", "no experts"),
    ("expert-imbalance=1.2", "llama-3.1-70b", "no experts"),
])  # fmt: skip
def test_what_a_model_has_no_use_for_is_refused(text, model, says):
    with pytest.raises(UnsupportedError, match=says):
        activate(parse_techniques(text), loader.load("models", model))


def test_drafts_do_not_cross_pipeline_stages():
    model = loader.load("models", "llama-3.1-70b")
    chosen = active("speculative=eagle", "llama-3.1-70b", "h100-sxm")
    with pytest.raises(LayoutError, match="pipeline"):
        cut_ops(chosen, model, model.checkpoints[0], parse_layout("tp4pp2"), "bf16")


@settings(max_examples=30)
@given(st.data())
def test_no_technique_leaves_operators_as_they_are(data):
    model = data.draw(models())
    layout = data.draw(layouts_for(model))
    ops, held = cut_ops(OFF, model, model.checkpoints[0], layout, "bf16")
    assert ops == operators(model, model.checkpoints[0], layout, "bf16")
    assert activate(Techniques(), model) == OFF
    weights = sum(op.weights[ONE] + op.experts_local * op.weights[HIT] for op in ops)
    assert held.weights_bytes > 0.0
    assert weights > 0.0
