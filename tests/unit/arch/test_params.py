"""Counts and bytes against sums done by hand."""

from __future__ import annotations

import pytest

from drivetrain.arch.params import count, ffn_params, kv_bytes_per_token, kv_elements_per_token, weight_bytes
from drivetrain.arch.precision import BYTES_PER_WEIGHT, bytes_per_kv, bytes_per_weight
from drivetrain.catalogue.model import Attention, Checkpoint, Dense, Indexer, LatentAttention, LayerGroup, Model, MoE
from drivetrain.errors import UnsupportedError

ATTENTION = Attention(4, 2, 8, 8)
GROUP = LayerGroup(2, ATTENTION, MoE(8, 2, 16, shared_intermediate=16, router_bias=True), norm_params=64)
MODEL = Model("toy", (), "x", 32, 100, (GROUP,), False, 128, (), norm_params=32)


def test_a_mixture_by_hand():
    expert, attention = 3 * 32 * 16, 32 * (32 + 16 + 16 + 32)
    counts = count(MODEL)
    assert counts.total == 2 * 3200 + 32 + 2 * (attention + 8 * expert + expert + 32 * 8 + 8 + 64)
    assert counts.total - counts.active == 2 * 6 * expert
    assert counts.non_embedding == counts.total - 6400


def test_identity_experts_lower_the_mean_of_active_ones():
    part = MoE(8, 3, 16, zero_experts=4)
    assert ffn_params(part, 32, active=True)["experts"] == 2 * 3 * 32 * 16


@pytest.mark.parametrize(
    ("mixer", "elements"),
    [
        (ATTENTION, 32),
        (Attention(4, 2, 8, 8, window=64), 0),
        (Attention(4, 2, 8, 8, reuses_kv=True), 0),
        (Attention(4, 1, 8, 8, window=64, compress=4, kv_tied=True, k_eq_v=True, indexer=Indexer(2, 4, 16)), 3),
        (LatentAttention(4, None, 16, 8, 4, 8, indexer=Indexer(2, 6, 16)), 26),
        (None, 0),
    ],
)
def test_cache_elements(mixer, elements):
    assert kv_elements_per_token(mixer) == elements


def test_bytes_follow_the_precision_of_each_part():
    plain, small = Checkpoint("a", "bf16", {}), Checkpoint("b", "nvfp4", {"default": "bf16", "experts": "nvfp4"}, "fp8")
    parts = count(MODEL).parts
    assert weight_bytes(MODEL, plain) == 2 * sum(parts.values())
    assert weight_bytes(MODEL, small) == 2 * sum(parts.values()) - (2 - 0.5625) * parts["experts"]
    assert kv_bytes_per_token(MODEL, plain) == 2 * kv_bytes_per_token(MODEL, small) == 128


def test_unknown_precision_says_which_are_known():
    with pytest.raises(UnsupportedError, match="Did you mean 'fp8'"):
        bytes_per_weight("fp-8")
    assert all(bytes_per_kv(d) <= bytes_per_weight(d) for d in BYTES_PER_WEIGHT)
    assert isinstance(Dense(8), Dense)
