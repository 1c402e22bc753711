"""Popularity of experts, load of the busiest rank, and what redundant copies leave of it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from technique_machines import MIXTURE, active, deployment, prepared

from drivetrain.arch.layout import Layout
from drivetrain.arch.operators import operators
from drivetrain.arch.step import Step
from drivetrain.cost.roofline import dot, experts_hit, features
from drivetrain.errors import LayoutError
from drivetrain.serving.steady import at_rate, max_rate
from drivetrain.serving.techniques.active import cut_ops
from drivetrain.serving.techniques.experts import (
    experts_hit_exactly,
    imbalance,
    imbalance_of,
    kinds_of,
    popularity,
    with_experts,
)
from drivetrain.techniques import Techniques
from strategies import layouts_for, models

skews = st.floats(0.0, 3.0)
sizes = st.sampled_from([(8, 2.0), (64, 8.0), (128, 4.0), (256, 8.0)])


@given(sizes, skews)
def test_popularity_falls_and_sums_to_the_experts_a_token_chooses(size, skew):
    n, k = size
    q = np.array(popularity(n, k, skew))
    assert q.sum() == pytest.approx(k)
    assert (np.diff(q) <= 1e-12).all()
    assert 0.0 < q.min() <= q.max() <= 1.0 + 1e-12


def test_popularity_is_zipf_where_no_expert_is_certain():
    q = np.array(popularity(256, 8.0, 0.5))
    assert q[0] / q[3] == pytest.approx(2.0)
    assert q[0] / q[99] == pytest.approx(10.0)
    assert popularity(4, 2.0, 9.0)[:2] == pytest.approx((1.0, 2**-9 / (2**-9 + 3**-9 + 4**-9)))


@given(sizes, skews, st.sampled_from([0, 8, 32]), st.floats(1.0, 1e4))
def test_kinds_keep_number_and_load_and_nearly_the_experts_hit(size, skew, copies, tokens):
    n, k = size
    kinds = kinds_of(n, k, skew, copies, 8)
    assert sum(kind.count for kind in kinds) == pytest.approx(n + copies)
    assert sum(kind.load for kind in kinds) == pytest.approx(1.0)
    hit = sum(experts_hit(kind.count, kind.share, tokens) for kind in kinds)
    if copies == 0:
        assert hit == pytest.approx(experts_hit_exactly(n, k, skew, tokens), rel=0.01 if skew <= 1 else 0.06)
    else:
        assert hit >= experts_hit_exactly(n, k, skew, tokens) * 0.94  # copies are read beside their originals


def test_uniform_kinds_are_the_usual_count():
    (kind,) = kinds_of(256, 8.0, 0.0, 0, 8)
    assert (kind.count, kind.share, kind.load) == (256.0, 8.0 / 256, 1.0)
    assert experts_hit_exactly(256, 8.0, 0.0, 100.0) == pytest.approx(256 * (1 - (1 - 8 / 256) ** 100))


@settings(max_examples=30)
@given(sizes, skews, skews, st.sampled_from([2, 4, 8]))
def test_skew_lowers_the_experts_hit_and_raises_the_imbalance(size, a, b, ranks):
    n, k = size
    low, high = sorted((a, b))
    assert experts_hit_exactly(n, k, high, 50.0) <= experts_hit_exactly(n, k, low, 50.0) + 1e-9
    assert 1.0 <= imbalance(n, k, low, ranks, 0) <= imbalance(n, k, high, ranks, 0) * (1 + 1e-9) <= ranks


@settings(max_examples=30)
@given(sizes, skews, st.sampled_from([2, 4, 8]), st.integers(0, 6))
def test_more_copies_never_leave_more_imbalance(size, skew, ranks, times):
    n, k = size
    fewer, more = (imbalance(n, k, skew, ranks, ranks * c) for c in (times, times + 1))
    assert 1.0 - 1e-9 <= more <= fewer + 1e-9


def test_a_copy_on_every_rank_balances_all():
    assert imbalance(8, 2.0, 1.0, 2, 8) == pytest.approx(1.0, abs=0.02)
    # two ranks, one expert with all the load: a copy halves it
    assert imbalance(2, 1.0, 10.0, 2, 0) == pytest.approx(2.0, abs=0.01)
    assert imbalance(2, 1.0, 10.0, 2, 2) == pytest.approx(1.0, abs=0.01)


def test_observed_imbalance_is_taken_and_balanced():
    observed = Techniques(expert_imbalance=1.4)
    balanced = Techniques(expert_imbalance=1.4, redundant_experts=32)
    assert imbalance_of(observed, 256, 8.0, 8) == 1.4
    assert 1.0 <= imbalance_of(balanced, 256, 8.0, 8) < 1.1
    assert imbalance_of(observed, 256, 8.0, 1) == 1.0
    assert imbalance_of(Techniques(redundant_experts=32), 256, 8.0, 8) == pytest.approx(1.0)


@settings(max_examples=40)
@given(st.data(), st.floats(1.0, 4.0))
def test_the_busiest_rank_does_so_much_more_expert_work(data, factor):
    model = data.draw(models(moe_only=True))
    layout = data.draw(layouts_for(model))
    step = Step(decode=16.0, context=100.0, expert_tokens=16.0 * layout.dp)
    busy = Techniques(expert_imbalance=factor)
    expected = factor if layout.ep > 1 else 1.0
    for op in operators(model, model.checkpoints[0], layout, "bf16"):
        (got,) = with_experts(op, busy, layout)
        x, y = features(op, step), features(got, step)
        if op.kind == "experts":
            assert dot(got.flops, y) == pytest.approx(expected * dot(op.flops, x))
            assert dot(got.activations, y) == pytest.approx(expected * dot(op.activations, x))
            assert dot(op.weights, x) * (1 - 1e-9) <= dot(got.weights, y) <= expected * dot(op.weights, x) * (1 + 1e-9)
        elif op.name in ("expert dispatch", "expert combine"):
            assert dot(got.message, y) == pytest.approx(expected * dot(op.message, x))
        else:
            assert got == op


def test_skewed_operators_share_out_the_work_exactly():
    plain = deployment("", MIXTURE).cut
    skewed = deployment("expert-skew=0.8", MIXTURE).cut
    step = Step(decode=32.0, context=1000.0, expert_tokens=256.0)

    def total(cut, part):
        return sum(dot(getattr(op, part), features(op, step)) for op in cut.ops if op.kind == "experts")

    busiest = imbalance(256, 8.0, 0.8, 8, 0)
    assert total(skewed, "flops") == pytest.approx(busiest * total(plain, "flops"))
    assert sum(op.kernels for op in skewed.ops) == pytest.approx(sum(op.kernels for op in plain.ops))
    assert skewed.resident.weights_bytes == pytest.approx(plain.resident.weights_bytes)
    exact = experts_hit_exactly(256, 8.0, 0.8, 256.0 * busiest) / 8 / experts_hit(32, 8 / 256, 256.0)
    assert total(skewed, "weights") / total(plain, "weights") == pytest.approx(exact, rel=0.03)


def test_copies_take_memory():
    plain, copied = deployment("", MIXTURE).cut, deployment("redundant-experts=32", MIXTURE).cut
    routed = next(op for op in plain.ops if op.kind == "experts")
    each = routed.weights[6]  # bytes of one expert in all layers
    assert copied.resident.weights_bytes - plain.resident.weights_bytes == pytest.approx(32 / 8 * each)


@settings(max_examples=12)
@given(st.floats(1.0, 3.0), st.floats(1.0, 3.0))
def test_imbalance_never_helps(a, b):
    low, high = (prepared(f"expert-imbalance={x!r}", MIXTURE, max_seqs=512.0) for x in sorted((a, b)))
    assert max_rate(high) <= max_rate(low) * (1 + 1e-4)
    rate = 0.5 * max_rate(high)
    assert at_rate(high, rate).tpot.mean >= at_rate(low, rate).tpot.mean * (1 - 1e-6)
    plain = prepared("", MIXTURE, max_seqs=512.0)
    assert at_rate(plain, rate).tpot.mean <= at_rate(low, rate).tpot.mean * (1 + 1e-6)


def test_copies_win_back_throughput_where_experts_are_skewed():
    skewed, balanced = (
        prepared(f"expert-skew=1{more}", MIXTURE, max_seqs=512.0) for more in ("", ",redundant-experts=32")
    )
    assert max_rate(balanced) > 1.1 * max_rate(skewed)
    assert balanced.max_seqs <= skewed.max_seqs


def test_copies_must_divide_over_the_ranks():
    chosen = active("redundant-experts=30", "deepseek-v3", "h200-sxm")
    model = prepared("", MIXTURE).deployment.cut.model
    with pytest.raises(LayoutError, match="do not divide over ep8"):
        cut_ops(chosen, model, model.checkpoints[0], Layout(dp=8, ep=8), "bf16")
    ops, _ = cut_ops(chosen, model, model.checkpoints[0], Layout(tp=8), "bf16")  # nothing is spread, nothing copied
    assert all(math.isfinite(op.experts_local) for op in ops)
