"""Counting laws: operators, parameters and memory of random architectures under random layouts."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from drivetrain.arch import params
from drivetrain.arch.layout import Layout, parse_layout
from drivetrain.arch.memory import resident
from drivetrain.arch.operators import merge, operators
from drivetrain.arch.step import HIT, ONE, TOKENS
from drivetrain.catalogue.model import Attention, MoE
from drivetrain.cost.roofline import dot, experts_hit, features
from strategies import Step, attentions, cuts, layouts_for, models, steps

ALONE = Layout()
DECODE_ONE = Step(decode=1.0, context=0.0)


def cut_of(model, layout=ALONE):
    checkpoint = model.checkpoints[0]
    ops = operators(model, checkpoint, layout, checkpoint.kv_dtype)
    return ops, resident(model, checkpoint, layout, ops)


def flops_of(ops, step, kinds=("gemm", "experts", "attention", "scan")):
    return sum(dot(op.flops, features(op, step)) for op in ops if op.kind in kinds)


def held_weights(ops):
    return sum(op.weights[ONE] + op.experts_local * op.weights[HIT] for op in ops)


def mixers(model):
    return [m for g in model.layers for m in (g.mixer, g.parallel_mixer) if m is not None]


@given(models(plain=True))
def test_weights_resident_on_one_accelerator_are_the_checkpoint_but_for_norms(model):
    expected = params.weight_bytes(model, model.checkpoints[0])
    norms = params.count(model).parts["norm"]
    assert cut_of(model)[1].weights_bytes == pytest.approx(expected, abs=4 * norms, rel=1e-12)


@given(models())
def test_weights_resident_on_one_accelerator_are_the_checkpoint_within_biases(model):
    expected = params.weight_bytes(model, model.checkpoints[0])
    norms = params.count(model).parts["norm"]
    assert cut_of(model)[1].weights_bytes == pytest.approx(expected, rel=5e-3, abs=4 * norms)


@given(models(), st.data())
def test_pipeline_stages_together_hold_at_least_the_whole_model(model, data):
    pp = data.draw(st.sampled_from([n for n in (1, 2, 4) if n <= model.n_layers]))
    assert pp * cut_of(model, Layout(pp=pp))[1].weights_bytes >= cut_of(model)[1].weights_bytes * (1 - 1e-12)


@given(models())
def test_cache_grows_per_token_as_the_parameter_count_says(model):
    assume(not any(getattr(m, "indexer", None) for m in mixers(model)))  # index keys have their own precision
    grown = sum(term.bytes_per_token for term in cut_of(model)[1].cache if term.span is None)
    assert grown == pytest.approx(params.kv_bytes_per_token(model, model.checkpoints[0]), rel=1e-12)


@given(models())
def test_recurrent_state_is_what_the_parameter_count_says(model):
    assert cut_of(model)[1].state_bytes == pytest.approx(params.state_bytes_per_sequence(model), rel=1e-12)


@given(cuts(), st.floats(0.0, 1e6), st.floats(0.0, 1e6))
def test_a_longer_sequence_never_takes_less_memory_and_windows_cap_it(piece, a, b):
    low, high = sorted((a, b))
    r = piece.resident
    assert r.state_bytes <= r.sequence_bytes(low) <= r.sequence_bytes(high)
    windows = [t.span for t in r.cache]
    if windows and None not in windows:
        assert r.sequence_bytes(1e9) == r.sequence_bytes(max(windows))


@given(models(plain=True))
def test_a_token_at_zero_context_costs_two_flops_per_active_parameter(model):
    active = params.count(model).active_parts
    linear = sum(active[part] for part in ("attention", "ffn", "experts", "shared_experts", "recurrent", "router"))
    expected = 2.0 * (linear + model.hidden * model.vocab)
    assert flops_of(cut_of(model)[0], DECODE_ONE, ("gemm", "experts")) == pytest.approx(expected, rel=1e-12)


@given(models(plain=True, dense_only=True), st.data(), steps())
def test_tensor_parallelism_divides_flops_and_weights_of_dense_models(model, data, step):
    fewest = min(m.n_kv_heads for m in mixers(model))
    tp = data.draw(st.sampled_from([n for n in (1, 2, 4, 8) if n <= fewest]))
    whole, share = cut_of(model)[0], cut_of(model, Layout(tp=tp))[0]
    assert tp * flops_of(share, step) == pytest.approx(flops_of(whole, step), rel=1e-12)
    assert tp * held_weights(share) == pytest.approx(held_weights(whole), rel=1e-12)


@given(models(), st.data(), steps())
def test_a_rank_does_no_more_than_the_whole_and_all_ranks_no_less(model, data, step):
    layout = data.draw(layouts_for(model))
    assume(layout.dp == 1)
    ranks = layout.tp
    whole, share = cut_of(model)[0], cut_of(model, layout)[0]
    for measure in (lambda ops: flops_of(ops, step), held_weights):
        assert measure(share) <= measure(whole) * (1 + 1e-9)
        assert ranks * measure(share) >= measure(whole) * (1 - 1e-9)


@given(models(moe_only=True), st.data())
def test_ranks_together_hold_every_expert_once(model, data):
    layout = data.draw(layouts_for(model))

    def experts(ops):
        return sum(op.experts_local * op.weights[HIT] for op in ops if op.kind == "experts")

    together = layout.tp * layout.dp * experts(cut_of(model, layout)[0])
    assert together == pytest.approx(experts(cut_of(model)[0]), rel=1e-12)


@given(models(moe_only=True), st.data(), st.floats(1.0, 1e5))
def test_ranks_together_do_every_expert_flop_once(model, data, tokens):
    layout = data.draw(layouts_for(model))
    step = Step(decode=tokens, expert_tokens=tokens)
    together = layout.tp * layout.dp * flops_of(cut_of(model, layout)[0], step, ("experts",))
    assert together == pytest.approx(flops_of(cut_of(model)[0], step, ("experts",)), rel=1e-12)


@given(st.integers(1, 512), st.data())
def test_one_token_hits_top_k_experts_and_many_hit_all(n_experts, data):
    share = data.draw(st.integers(1, n_experts)) / n_experts
    assert experts_hit(n_experts, share, 0.0) == 0.0
    assert experts_hit(n_experts, share, 1.0) == pytest.approx(n_experts * share)
    assert experts_hit(n_experts, share, 1e6) == pytest.approx(n_experts)


@given(st.integers(1, 512), st.floats(0.001, 0.999), st.integers(0, 1000))
def test_experts_hit_is_the_chance_that_somebody_chose_each(n_experts, share, tokens):
    missed = 1.0
    for _ in range(tokens):
        missed *= 1.0 - share
    hit = experts_hit(n_experts, share, tokens)
    assert hit == pytest.approx(n_experts * (1.0 - missed), rel=1e-9)
    assert hit <= min(n_experts, n_experts * share * tokens) * (1 + 1e-12)


@given(attentions(plain=True), models(plain=True, dense_only=True), st.floats(1.0, 1e6))
def test_a_window_caps_what_is_read_and_does_nothing_before_it_fills(mixer, model, context):
    def read(window):
        layer = replace(model.layers[0], mixer=replace(mixer, window=window), parallel_mixer=None)
        ops = cut_of(replace(model, layers=(layer,)))[0]
        step = Step(decode=3.0, context=context)
        return sum(dot(op.kv, features(op, step)) + dot(op.flops, features(op, step)) for op in ops)

    window = 1024
    if context <= window:
        assert read(window) == read(None)
    else:
        assert read(window) < read(None)
        longer = Step(decode=3.0, context=2 * context)
        layer = replace(model.layers[0], mixer=replace(mixer, window=window), parallel_mixer=None)
        ops = cut_of(replace(model, layers=(layer,)))[0]
        assert flops_of(ops, longer) == flops_of(ops, Step(decode=3.0, context=context))


@given(models(), st.data(), steps())
def test_splitting_a_group_of_equal_layers_changes_nothing(model, data, step):
    layout = data.draw(layouts_for(model))
    first, *rest = model.layers
    assume(first.count > 1)
    k = data.draw(st.integers(1, first.count - 1))
    split = (replace(first, count=k), *rest, replace(first, count=first.count - k))
    one, r_one = cut_of(model, layout)
    two, r_two = cut_of(replace(model, layers=split), layout)
    assert len(one) == len(two)
    assert flops_of(two, step) == pytest.approx(flops_of(one, step), rel=1e-12)
    assert sum(op.kernels for op in two) == pytest.approx(sum(op.kernels for op in one))
    assert r_two.weights_bytes == pytest.approx(r_one.weights_bytes, rel=1e-12)
    assert r_two.sequence_bytes(5000.0) == pytest.approx(r_one.sequence_bytes(5000.0), rel=1e-12)


@given(cuts())
def test_merging_twice_is_merging_once(piece):
    assert merge(list(piece.ops)) == piece.ops


@given(models(plain=True, dense_only=True), st.sampled_from([1, 2, 4, 8]))
def test_dense_layers_sum_over_ranks_twice_each(model, tp):
    assume(all(isinstance(m, Attention) and m.n_heads % tp == 0 for m in mixers(model)))
    sums = [op for op in cut_of(model, Layout(tp=tp))[0] if op.collective == "all_reduce"]
    assert sum(op.calls for op in sums) == (0 if tp == 1 else 2 * model.n_layers)
    assert all(op.message[TOKENS] == 2.0 * model.hidden for op in sums)


@given(models(moe_only=True))
def test_active_parameters_are_fewer_than_all_where_experts_rest(model):
    counts = params.count(model)
    resting = any(isinstance(g.ffn, MoE) and g.ffn.top_k < g.ffn.n_experts for g in model.layers)
    assert counts.total == sum(counts.parts.values())
    assert counts.active == sum(counts.active_parts.values())
    assert (counts.active < counts.total) == resting


degrees = st.sampled_from([1, 2, 3, 4, 8, 16, 72])


@given(degrees, degrees, degrees, degrees)
def test_a_layout_prints_as_it_parses(tp, pp, dp, ep):
    assume((tp * dp) % ep == 0)
    layout = Layout(tp=tp, pp=pp, dp=dp, ep=ep)
    assert parse_layout(str(layout)) == layout
    assert parse_layout(f" {str(layout).upper()} ") == layout
    assert layout.expert_slices * ep * pp == layout.n_accelerators
