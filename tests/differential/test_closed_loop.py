"""The load test, event by event, against its plain Python twin, against single steps and against the steady state."""

import numpy as np
import pytest

from drivetrain.arch.layout import Layout
from drivetrain.catalogue import loader
from drivetrain.catalogue.read_workload import fixed
from drivetrain.cost.efficiency import collective_coefficients, efficiency
from drivetrain.cost.hardware import hardware_of
from drivetrain.serving import closed_loop, steady
from drivetrain.serving.deployment import cut, deploy
from drivetrain.serving.kernel import STEP_SCALARS
from drivetrain.serving.lengths import lengths_of

MODELS = {"llama-3.1-8b": Layout(), "gpt-oss-20b": Layout(tp=2), "qwen3-30b-a3b": Layout(dp=2, ep=2)}


def prepared(name, isl, osl):
    model = loader.load("models", name)
    hardware = hardware_of(loader.load("accelerators", "h100-sxm"))
    piece = cut(model, model.checkpoints[0], MODELS[name], "bf16")
    engine = loader.load("engines", "vllm")
    d = deploy(piece, hardware, engine, efficiency("vllm", "hopper"), collective_coefficients("vllm"))
    return steady.prepare(d, lengths_of(fixed(isl, osl)), 2048.0)


def load_test(
    p,
    isl,
    osl,
    concurrency,
    *,
    prefill_first=False,
    leap=True,
    run=closed_loop.run,
    request_s=0.0,
    frontend_s=0.0,
    poll=1,
    hold=0,
):
    n, c = len(isl), p.deployment.coefficients
    ttft, tpot = np.full(n, -1.0), np.full(n, -1.0)
    totals = run(c.ops, c.collectives, p.scalars[:STEP_SCALARS], p.contexts.spans, np.asarray(isl, float),
                 np.asarray(osl, float), concurrency, p.budget, p.max_seqs, float(p.deployment.cut.layout.dp),
                 prefill_first, leap, request_s, frontend_s, poll, hold, ttft, tpot)  # fmt: skip
    return totals, ttft, tpot


def lengths(rng, n):
    return rng.integers(50, 3000, n).astype(float), rng.integers(2, 200, n).astype(float)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("prefill_first", [False, True])
def test_leaping_equals_stepping(name, prefill_first):
    isl, osl = lengths(np.random.default_rng(1), 60)
    p = prepared(name, 1000, 100)
    one, ttft, tpot = load_test(p, isl, osl, 7, prefill_first=prefill_first)
    other, ttft_1, tpot_1 = load_test(p, isl, osl, 7, prefill_first=prefill_first, leap=False)
    np.testing.assert_allclose(ttft, ttft_1, rtol=2e-3)
    np.testing.assert_allclose(tpot, tpot_1, rtol=2e-3)
    assert one[closed_loop.STEPS] == other[closed_loop.STEPS]


WAYS_IN = [{"request_s": 0.03}, {"frontend_s": 0.02}, {"poll": 10}, {"hold": 8}, {"request_s": 0.02, "poll": 7}]


@pytest.mark.parametrize("way", WAYS_IN, ids=str)
@pytest.mark.parametrize("prefill_first", [False, True])
def test_leaping_equals_stepping_whatever_keeps_requests_from_the_scheduler(way, prefill_first):
    isl, osl = lengths(np.random.default_rng(5), 60)
    p = prepared("llama-3.1-8b", 1000, 100)
    one, ttft, tpot = load_test(p, isl, osl, 7, prefill_first=prefill_first, **way)
    other, ttft_1, tpot_1 = load_test(p, isl, osl, 7, prefill_first=prefill_first, leap=False, **way)
    np.testing.assert_allclose(ttft, ttft_1, rtol=5e-3)
    np.testing.assert_allclose(tpot, tpot_1, rtol=5e-3)
    assert one[closed_loop.STEPS] == pytest.approx(other[closed_loop.STEPS], rel=1e-3)


def test_a_request_alone_pays_for_the_way_in_and_nothing_else():
    p = prepared("llama-3.1-8b", 1000, 100)
    isl, osl = [1000.0] * 3, [100.0] * 3
    _, ttft, tpot = load_test(p, isl, osl, 1)
    _, later, same = load_test(p, isl, osl, 1, request_s=0.03, frontend_s=0.02, poll=10, hold=20)
    assert later == pytest.approx(ttft + 0.05, rel=1e-9)
    assert same == pytest.approx(tpot, rel=1e-9)


def test_a_burst_queues_at_the_front_end():
    p = prepared("llama-3.1-8b", 1000, 100)
    _, ttft, _ = load_test(p, [100.0] * 8, [2.0] * 8, 8, frontend_s=10.0)
    assert ttft == pytest.approx(10.0 * np.arange(1, 9), rel=0.01)


def test_held_prompts_share_steps():
    rng = np.random.default_rng(6)
    isl, osl = np.full(160, 200.0), np.round(100 * rng.uniform(0.8, 1.2, 160))
    p = prepared("llama-3.1-8b", 200, 100)
    plain, ttft, tpot = load_test(p, isl, osl, 16)
    held, ttft_1, tpot_1 = load_test(p, isl, osl, 16, hold=20)
    assert ttft_1.mean() > ttft.mean()
    assert tpot_1.mean() < tpot.mean()
    assert held[closed_loop.STEPS] > plain[closed_loop.STEPS]


@pytest.mark.parametrize("name", MODELS)
def test_machine_code_equals_plain_python(name, monkeypatch):
    isl, osl = lengths(np.random.default_rng(2), 12)
    p = prepared(name, 1000, 100)
    compiled = load_test(p, isl, osl, 3)
    plain = load_test(p, isl, osl, 3, run=closed_loop.run.py_func)
    np.testing.assert_allclose(compiled[0], plain[0], rtol=1e-12)
    np.testing.assert_allclose(compiled[1], plain[1], rtol=1e-12)


def test_every_request_is_served_once_and_time_only_goes_forward():
    isl, osl = lengths(np.random.default_rng(3), 80)
    (_, _, duration, steps), ttft, tpot = load_test(prepared("llama-3.1-8b", 1000, 100), isl, osl, 16)
    assert (ttft > 0).all()
    assert (tpot > 0).all()
    assert duration > (ttft + tpot * (osl - 1)).max()
    # each output token but the first of a request takes one step of it, and steps are shared by at most 16
    assert steps >= (osl - 1).sum() / 16


def test_a_request_alone_meets_nobody():
    p = prepared("llama-3.1-8b", 1000, 100)
    _, ttft, tpot = load_test(p, [1000.0] * 3, [100.0] * 3, 1)
    assert ttft == pytest.approx([ttft[0]] * 3, rel=1e-9)
    state = steady.at_concurrency(p, 1)
    assert tpot.mean() == pytest.approx(state.tpot.mean, rel=0.02)


@pytest.mark.parametrize("name", MODELS)
def test_a_long_test_settles_to_the_steady_state(name):
    p = prepared(name, 800, 120)
    rng = np.random.default_rng(4)
    isl, osl = 800 * rng.uniform(0.9, 1.1, 1200), np.round(120 * rng.uniform(0.5, 1.5, 1200))
    totals, _, _ = load_test(p, isl, osl, 24)
    state = steady.at_concurrency(p, 24)
    assert totals[closed_loop.TPOT] == pytest.approx(state.tpot.mean, rel=0.08)
    assert len(isl) / totals[closed_loop.DURATION] == pytest.approx(state.rate, rel=0.1)


def test_the_opening_burst_dominates_mean_ttft():
    p = prepared("llama-3.1-8b", 4000, 100)
    _, ttft, _ = load_test(p, [4000.0] * 320, [100.0] * 320, 32)
    assert ttft[:32].mean() > 2 * np.median(ttft[64:])
