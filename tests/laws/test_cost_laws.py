"""Laws of one step's time and energy on random architectures, layouts, hardware and efficiencies."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.cost.efficiency import IDEAL, SHARES
from drivetrain.cost.roofline import PARTS, rates, step_time
from strategies import efficiencies, halved_latencies, halved_overheads, machines, steps

ROUNDING = 1 + 1e-9


def timed(machine, step, **changes):
    m = replace(machine, **changes)
    return step_time(m.piece.ops, step, m.hardware, m.piece.layout, m.efficiency, m.links)


@given(machines(), steps())
def test_parts_and_operators_both_sum_to_the_step(machine, step):
    time = timed(machine, step)
    assert set(time.parts) == set(PARTS)
    assert sum(time.parts.values()) == pytest.approx(time.seconds, rel=1e-12)
    assert sum(op.seconds for op in time.ops) == pytest.approx(time.seconds, rel=1e-12)
    assert sum(op.joules for op in time.ops) == pytest.approx(time.joules, rel=1e-12)
    for op in time.ops:
        assert sum(op.parts.values()) == pytest.approx(op.seconds, rel=1e-12, abs=1e-30)


@given(machines(), steps())
def test_nothing_is_negative_and_a_step_takes_time_and_energy(machine, step):
    time = timed(machine, step)
    assert min(*time.parts.values(), *(op.seconds for op in time.ops)) >= 0.0
    assert time.seconds > 0.0
    assert time.joules > 0.0
    assert time.parts[time.bound] == max(time.parts.values())


@given(machines(), steps())
def test_no_operator_beats_its_roofline(machine, step):
    hw = machine.hardware
    time = timed(machine, step)
    for op, spent in zip(machine.piece.ops, time.ops, strict=False):
        if op.kind == "collective":
            continue
        peak = rates(op, hw, IDEAL)[0]
        assert spent.seconds * ROUNDING >= spent.flops / peak
        assert spent.seconds * ROUNDING >= spent.bytes_moved / hw.hbm_bytes_per_s
    assert time.flops / time.seconds <= max(hw.flops.values()) * ROUNDING
    assert time.bytes_moved / time.seconds <= hw.hbm_bytes_per_s * ROUNDING


@given(machines(), steps())
def test_the_datasheet_is_never_beaten(machine, step):
    assert timed(machine, step, efficiency=IDEAL).seconds <= timed(machine, step).seconds * ROUNDING


@given(machines(), steps(), efficiencies, efficiencies)
def test_better_efficiency_never_hurts(machine, step, one, other):
    def best(name):
        return max(getattr(one, name), getattr(other, name))

    better = replace(one, **{name: best(name) for name in SHARES}, exposed=min(one.exposed, other.exposed))
    assert timed(machine, step, efficiency=better).seconds <= timed(machine, step, efficiency=one).seconds * ROUNDING


@given(machines(), steps())
def test_twice_every_rate_and_half_every_latency_halves_the_time(machine, step):
    fast = timed(
        machine,
        step,
        hardware=machine.hardware.scaled(flops=2.0, hbm_bytes_per_s=2.0, links=2.0),
        efficiency=halved_overheads(machine.efficiency),
        links=halved_latencies(machine.links),
    )
    slow = timed(machine, step)
    assert fast.seconds == pytest.approx(slow.seconds / 2, rel=1e-9)
    for part in PARTS:
        assert fast.parts[part] == pytest.approx(slow.parts[part] / 2, rel=1e-9, abs=1e-18)


@given(machines(), steps(), st.sampled_from(["flops", "hbm_bytes_per_s", "links", "n_links"]), st.floats(1.0, 10.0))
def test_more_flops_bandwidth_or_links_never_hurt(machine, step, resource, factor):
    hw = machine.hardware
    if resource == "n_links":
        better = replace(hw, topology=replace(hw.topology, n_links=hw.topology.n_links + int(factor)))
    else:
        better = hw.scaled(**{resource: factor})
    assert timed(machine, step, hardware=better).seconds <= timed(machine, step).seconds * ROUNDING


@given(machines(), steps(), st.sampled_from(["decode", "context", "prefill", "prefill_context", "chunk_context"]))
def test_more_work_in_a_step_never_takes_less_time(machine, step, what):
    grown = replace(step, **{what: 1.5 * getattr(step, what)})
    grown = replace(grown, expert_tokens=step.expert_tokens + grown.tokens - step.tokens)
    assert timed(machine, grown).seconds * ROUNDING >= timed(machine, step).seconds


@given(machines(), steps())
def test_two_small_steps_take_no_less_than_one_that_does_both(machine, step):
    """Weights are read once a step, so batching never loses time."""
    half = replace(step, decode=step.decode / 2, prefill=step.prefill / 2, chunks=step.chunks / 2,
                   expert_tokens=step.expert_tokens / 2)  # fmt: skip
    assert timed(machine, step).seconds <= 2 * timed(machine, half).seconds * ROUNDING
