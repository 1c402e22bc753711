"""What must hold of every training step, whatever the model, the layout and the machine."""

from dataclasses import fields, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.arch.training import counts
from drivetrain.catalogue import loader
from drivetrain.cost.hardware import hardware_of
from drivetrain.training.cases import Cluster, Job, lay_out, stack
from drivetrain.training.coefficients import coefficients
from drivetrain.training.goodput import Checkpoint, Reliability, goodput
from drivetrain.training.layout import TrainingLayout, parse_layout, side_by_side
from drivetrain.training.memory import memory
from drivetrain.training.timing import PARTS, step_times

MODELS = [counts(loader.load("models", name), 4096)
          for name in ("llama-3-8b", "llama-3-70b", "mixtral-8x7b", "deepseek-v3", "nemotron-3-nano")]  # fmt: skip
MACHINES = [hardware_of(loader.load("accelerators", name)) for name in ("a100-sxm-80gb", "h100-sxm-80gb", "tpu-v5p")]
BATCH = 256
powers = st.sampled_from([1, 2, 4, 8])


@st.composite
def jobs(draw):
    model, machine = draw(st.sampled_from(MODELS)), draw(st.sampled_from(MACHINES))
    tp, pp, cp, dp = (draw(powers) for _ in range(4))
    vp = draw(st.sampled_from([1, 2])) if pp > 1 else 1
    ep = draw(powers.filter(lambda d: (tp * cp * dp) % d == 0)) if model.n_experts else 1
    layout = TrainingLayout(
        tp=tp, pp=pp, vp=vp, cp=cp, dp=dp, ep=ep, micro_batch=draw(st.sampled_from([1, 2])),
        zero=draw(st.sampled_from([0, 1, 2, 3])), schedule="interleaved" if vp > 1 else "1f1b",
        recompute=draw(st.sampled_from(["none", "selective", "full"])),
    )  # fmt: skip
    return model, machine, layout


def cases_of(model, machine, layout, rates=None):
    rates = rates or coefficients("megatron", machine.generation)[0]
    return lay_out(model, Job(BATCH), Cluster(machine, layout.n_accelerators), side_by_side([layout]), rates)


def total(*job, **more):
    return float(step_times(cases_of(*job, **more)).total[0])


@given(jobs())
@settings(max_examples=60, deadline=None)
def test_parts_sum_and_nothing_is_negative(job):
    parts = step_times(cases_of(*job)).parts()
    assert np.isclose(sum(parts.values()), total(*job), rtol=1e-9)
    assert min(parts.values()) >= -1e-12
    assert set(parts) == set(PARTS)


@given(jobs())
@settings(max_examples=40, deadline=None)
def test_nothing_beats_the_peak(job):
    model, machine, layout = job
    flops = model.model_flops * BATCH * model.seq / layout.n_accelerators
    assert total(*job) > flops / machine.flops["bf16"]


@given(jobs())
@settings(max_examples=40, deadline=None)
def test_better_hardware_is_never_slower(job):
    model, machine, layout = job
    rates = coefficients("megatron", machine.generation)[0]
    slow = total(*job, rates=rates)
    for factor in ({"flops": 2.0}, {"hbm_bytes_per_s": 2.0}, {"links": 2.0}):
        assert total(model, machine.scaled(**factor), layout, rates=rates) <= slow * (1 + 1e-9)


@given(jobs())
@settings(max_examples=40, deadline=None)
def test_recompute_trades_time_for_memory(job):
    model, machine, layout = job
    ways = [cases_of(model, machine, replace(layout, recompute=word)) for word in ("none", "selective", "full")]
    seconds = [float(step_times(c).total[0]) for c in ways]
    kept = [float(memory(c).activations[0]) for c in ways]
    assert seconds == sorted(seconds)
    assert kept[0] >= kept[1]
    if layout.pp == 1:  # a stage of few layers keeps one layer's activations beside the inputs
        assert kept[0] >= kept[2]


@given(jobs())
@settings(max_examples=40, deadline=None)
def test_sharing_out_more_needs_less_memory(job):
    model, machine, layout = job
    held = []
    for zero in (0, 1, 2):
        found = memory(cases_of(model, machine, replace(layout, zero=zero)))
        held.append(float((found.weights + found.gradients + found.optimizer)[0]))
    assert held == sorted(held, reverse=True)


@given(st.lists(jobs(), min_size=2, max_size=6))
@settings(max_examples=20, deadline=None)
def test_side_by_side_is_one_by_one(chosen):
    single = [cases_of(*job) for job in chosen]
    together = step_times(stack(single))
    for i, one in enumerate(single):
        alone = step_times(one)
        for f in fields(alone):
            a, b = (
                float(np.broadcast_to(getattr(together, f.name), (len(single),))[i]),
                float(getattr(alone, f.name)[0]),
            )
            assert np.isclose(a, b, rtol=1e-12, atol=1e-15), f.name


@given(jobs())
@settings(max_examples=60, deadline=None)
def test_layouts_are_spelled_and_read(job):
    layout = job[2]
    assert parse_layout(str(layout), recompute=layout.recompute) == layout


@given(
    st.integers(8, 200_000), st.floats(0.1, 600.0), st.floats(0.0, 600.0), st.floats(1e3, 1e6), st.floats(0.0, 3600.0)
)
@settings(max_examples=80, deadline=None)
def test_goodput_is_a_share_and_falls_with_failures(n, pause, write, hours, restart):
    saved = Checkpoint(pause, write)
    parts = [Reliability(failures_per_hour=rate / hours, restart_s=restart) for rate in (1.0, 2.0)]
    few, many = (goodput(n, saved, reliability) for reliability in parts)
    assert 0.0 <= many.effective_time_frac <= few.effective_time_frac <= 1.0
    for found in (few, many):
        shares = (found.effective_time_frac, found.checkpoint_frac, found.lost_frac, found.recovery_frac)
        assert np.isclose(sum(shares), 1.0)
        assert min(shares) >= 0.0
