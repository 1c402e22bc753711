"""Prefill and decode pools against an event-by-event twin in plain Python, on catalogue models and hardware."""

from dataclasses import replace

import numpy as np
import pytest
from by_event import Clock, decode, prefill, send

from drivetrain.arch.layout import Layout
from drivetrain.catalogue import loader
from drivetrain.catalogue.disaggregation import handovers
from drivetrain.catalogue.read_workload import fixed
from drivetrain.cost.efficiency import collective_coefficients, efficiency
from drivetrain.cost.hardware import hardware_of
from drivetrain.serving import disagg
from drivetrain.serving.deployment import cut, deploy
from drivetrain.serving.lengths import Lengths, lengths_of

REQUESTS, WARM, SEEDS = 3000, 600, (1, 2)
BUDGET = 8192.0
CASES = {
    "short prompts": ("llama-3.1-8b", Layout(), Layout(), 500, 100, "sglang"),
    "long prompts": ("llama-3.1-8b", Layout(), Layout(tp=2), 6000, 60, "vllm"),
    "chunked prompts": ("llama-3.1-70b", Layout(tp=8), Layout(tp=4), 16000, 20, "trtllm"),
    "experts": ("qwen3-30b-a3b", Layout(tp=2, ep=2), Layout(tp=2, ep=2), 2000, 100, "vllm"),
}


def deployment(name, layout, family, nic=None):
    model = loader.load("models", name)
    hardware = hardware_of(loader.load("accelerators", "h100-sxm"), nic_bytes_per_s=nic)
    eff = replace(efficiency(family, "hopper"), request_s=0.0, reply_s=0.0)
    piece = cut(model, model.checkpoints[0], layout, "bf16")
    return deploy(piece, hardware, loader.load("engines", family), eff, collective_coefficients(family))


def pools(name, prefill_layout, decode_layout, lengths, family, nic=None, max_seqs=256.0):
    handover = replace(handovers()[family], sends="prompt")
    return disagg.disaggregated(
        disagg.Pool(deployment(name, prefill_layout, family, nic), BUDGET, np.inf, 1),
        disagg.Pool(deployment(name, decode_layout, family, nic), 2048.0, max_seqs, 1),
        lengths, handover, "network",
    )  # fmt: skip


def simulate(d, rate, seed):
    """Mean TTFT, TPOT weighted by tokens, e2e, time from prompt to arrived cache."""
    rng = np.random.default_rng(seed)
    n = d.lengths
    kind = rng.choice(len(n.weight), REQUESTS, p=n.weight)
    sent = np.cumsum(rng.exponential(1.0 / rate, REQUESTS))
    isl, osl = n.isl[kind], n.osl[kind].astype(int)
    ready = prefill(Clock(d.prefill.prepared), sent, isl, BUDGET)
    arrived = send(ready, d.transfer.seconds[kind])
    shown, ended = decode(
        Clock(d.decode), arrived, isl, osl, int(d.decode.max_seqs), d.handover.first_token == "decode"
    )
    late = slice(WARM, None)
    tpot = np.average(((ended - shown) / (osl - 1))[late], weights=(osl - 1)[late])
    return np.array([(shown - sent)[late].mean(), tpot, (ended - sent)[late].mean(), (arrived - ready)[late].mean()])


def both(d, load):
    rate = load * disagg.max_rate(d)
    state = disagg.at_rate(d, rate)
    assert state.stable
    found = np.mean([simulate(d, rate, seed) for seed in SEEDS], axis=0)
    return np.array([state.ttft.mean, state.tpot.mean, state.e2e.mean, state.transfer_s]), found


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("load", [0.05, 0.4])
def test_moderate_loads_agree(case, load):
    name, first, then, isl, osl, family = CASES[case]
    model, events = both(pools(name, first, then, lengths_of(fixed(isl, osl)), family), load)
    assert model[0] == pytest.approx(events[0], rel=0.08), "TTFT"
    assert model[1:3] == pytest.approx(events[1:3], rel=0.03), "TPOT, e2e"


def test_a_mixture_of_prompts_agrees():
    mixed = Lengths(np.array([0.6, 0.3, 0.1]), np.array([500.0, 2000.0, 8000.0]), np.array([200.0, 100.0, 50.0]),
                    np.array([500.0, 2000.0, 8000.0]), 1.0)  # fmt: skip
    model, events = both(pools("llama-3.1-8b", Layout(), Layout(), mixed, "sglang"), 0.4)
    assert model[:3] == pytest.approx(events[:3], rel=0.1)


def test_a_busy_link_is_not_taken_for_a_free_one():
    """One link behind one prefill replica sees spaced departures: the Poisson wait is on the safe side, and bounded."""
    d = pools("llama-3.1-8b", Layout(), Layout(), lengths_of(fixed(2000, 100)), "trtllm", nic=4e9)
    model, events = both(d, 0.5)
    alone = d.transfer.seconds[0]
    assert model[3] > 1.3 * alone
    assert events[3] <= model[3] <= 1.3 * events[3]


def test_few_slots_make_requests_wait():
    d = pools("llama-3.1-8b", Layout(), Layout(), lengths_of(fixed(500, 100)), "trtllm", max_seqs=12.0)
    rate = 0.8 * disagg.max_rate(d)
    state = disagg.at_rate(d, rate)
    ttft = np.mean([simulate(d, rate, seed)[0] for seed in SEEDS])
    assert state.decode.queue_s > 0.0
    assert state.ttft.mean == pytest.approx(ttft, rel=0.35)
