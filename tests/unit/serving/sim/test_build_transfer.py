"""Transfers as lines: against the transfer they are drawn through."""

from dataclasses import replace

import numpy as np
import pytest
from deployments_to_build import deployment

from drivetrain.arch.layout import Layout
from drivetrain.catalogue import loader
from drivetrain.catalogue.disaggregation import handovers
from drivetrain.catalogue.read_workload import fixed
from drivetrain.catalogue.wan import place
from drivetrain.serving.lengths import lengths_of
from drivetrain.serving.sim.build_transfer import transfer_of
from drivetrain.serving.transfer import transfer

PREFILL, DECODE = deployment("llama-3.1-70b", Layout(tp=4)), deployment("llama-3.1-70b", Layout(tp=8))
CHAT = lengths_of(loader.load("workloads", "azure-2023-conv"))
VLLM, SGLANG, TRTLLM = (handovers()[name] for name in ("vllm", "sglang", "trtllm"))


def test_a_line_goes_through_the_prompts_of_a_workload():
    for via in ("domain", "network"):
        exact = transfer(PREFILL, DECODE, CHAT, via).seconds
        line = transfer_of(PREFILL, DECODE, via, CHAT, VLLM, 8192.0)
        t = line.transfer
        drawn = t.fixed_s + t.s_per_token * CHAT.isl
        assert CHAT.weight @ drawn == pytest.approx(CHAT.weight @ exact)  # least squares keep the mean
        assert np.abs(drawn / exact - 1.0).max() == pytest.approx(line.error_frac)
        assert t.fixed_s >= 0.0 < t.s_per_token


def test_one_length_is_met_exactly():
    lengths = lengths_of(fixed(4000, 100))
    line = transfer_of(PREFILL, DECODE, "network", lengths, VLLM, 8192.0)
    t, exact = line.transfer, transfer(PREFILL, DECODE, lengths, "network").seconds[0]
    assert t.fixed_s + t.s_per_token * 4000 == pytest.approx(exact, rel=1e-12)
    assert line.error_frac == 0.0


def test_engines_hand_over_differently():
    long = replace(CHAT, isl=CHAT.isl * 40, computed=CHAT.computed * 40)
    vllm, sglang, trtllm = (
        transfer_of(PREFILL, DECODE, "network", long, h, 8192.0).transfer for h in (VLLM, SGLANG, TRTLLM)
    )
    assert (vllm.first_token_by_decode, sglang.first_token_by_decode) == (True, False)
    assert (vllm.pieces, trtllm.pieces) == (1, 1)
    assert sglang.pieces == np.ceil(float(long.weight @ long.computed) / 8192.0) > 1
    assert vllm.shown_by_decode
    assert sglang.shown_by_decode
    layers = transfer_of(PREFILL, DECODE, "network", long, replace(VLLM, sends="layer"), 8192.0).transfer
    assert layers.pieces == 80


def test_between_regions_the_whole_cache_crosses_once():
    us, eu = place("us"), place("eu")
    lengths = lengths_of(fixed(1000, 100))
    t = transfer_of(PREFILL, DECODE, (us, eu), lengths, VLLM, 8192.0).transfer
    assert t.fixed_s == pytest.approx(0.042, rel=1e-6)
    assert t.s_per_token == pytest.approx(80 * 2 * 8 * 128 * 2 / 6.25e9, rel=1e-6)  # keys and values of all layers
