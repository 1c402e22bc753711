"""Closed forms of the cache's way: which ranks send how much, what overlaps, what waits."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_steady import BF16, CLOCK, ENGINE, FAST, lengths

from drivetrain.arch.layout import Layout
from drivetrain.catalogue.model import Attention, Dense, LatentAttention, LayerGroup, Model
from drivetrain.comms.coefficients import OPS, Coefficients, LinkFit, Regime
from drivetrain.errors import LayoutError
from drivetrain.serving.deployment import cut, deploy
from drivetrain.serving.transfer import exposed_s, share_a_domain, transfer

NIC, LATENCY, TOKENS = 1e9, 1e-3, 512.0
# links that do just what their rate says, after a latency
PLAIN = Coefficients(
    "plain", tuple(LinkFit(op, k, (Regime("ring", LATENCY, 0.0, 1.0),)) for op in OPS for k in ("switch", "network"))
)
HEADS, HEAD = 8, 16
WIDTH = 2 * HEADS * HEAD * 2.0  # bytes of a token's keys and values in one layer, bf16
NETWORKED = replace(FAST, topology=replace(FAST.topology, nic_bytes_per_s=NIC, link_bytes_per_s=1e10, n_links=1))


def model(mixer, count=4):
    return Model("m", (), "test", 128, 128, (LayerGroup(count, mixer, Dense(128)),), False, 8192, (BF16,))


GROUPED = model(Attention(16, HEADS, HEAD, HEAD))
LATENT = model(LatentAttention(16, None, 64, 16, 16, 16))


def deployment(layout, which=GROUPED, hardware=NETWORKED):
    return deploy(cut(which, BF16, layout, "bf16"), hardware, ENGINE, CLOCK, PLAIN)


def seconds(prefill, decode, which=GROUPED, via="network", load=None):
    found = transfer(deployment(prefill, which), deployment(decode, which), load or lengths(TOKENS), via)
    return found.seconds[0]


def test_the_cache_counts_every_layer_once():
    for prefill, decode in ((Layout(), Layout()), (Layout(tp=4), Layout(tp=2, pp=2))):
        found = transfer(deployment(prefill), deployment(decode), lengths(TOKENS), "network")
        assert found.kv_bytes[0] == pytest.approx(4 * WIDTH * TOKENS)
    latent = transfer(deployment(Layout(tp=4), LATENT), deployment(Layout(tp=8), LATENT), lengths(TOKENS), "network")
    assert latent.kv_bytes[0] == pytest.approx(4 * (64 + 16) * 2 * TOKENS)


@pytest.mark.parametrize(
    ("prefill", "decode", "links"),
    [
        (Layout(), Layout(), 1),
        (Layout(tp=4), Layout(tp=4), 4),
        (Layout(tp=4), Layout(tp=8), 4),  # the four senders are the narrow end
        (Layout(tp=8), Layout(tp=2), 2),
        (Layout(tp=2, pp=2), Layout(tp=4), 4),
        (Layout(pp=4), Layout(tp=8), 4),
    ],
)
def test_the_narrower_end_sets_the_rate(prefill, decode, links):
    whole = 4 * WIDTH * TOKENS
    assert seconds(prefill, decode) == pytest.approx(LATENCY + whole / links / NIC)


def test_more_ranks_than_heads_each_need_a_copy():
    # sixteen ranks share eight heads: each stores a head, twice the cache arrives
    got = seconds(Layout(tp=8), Layout(tp=16), model(Attention(16, HEADS, HEAD, HEAD)))
    assert got == pytest.approx(LATENCY + 4 * WIDTH * TOKENS * 2 / 8 / NIC)


def test_latents_arrive_once_at_every_rank():
    whole = 4 * (64 + 16) * 2 * TOKENS
    for n in (1, 2, 4):
        assert seconds(Layout(tp=n), Layout(tp=n), LATENT) == pytest.approx(LATENCY + whole / NIC)
    # one sender for four receivers
    assert seconds(Layout(), Layout(tp=4), LATENT) == pytest.approx(LATENCY + 4 * whole / NIC)


def test_scale_up_links_are_faster_where_both_fit():
    assert seconds(Layout(), Layout(), via="domain") == pytest.approx(LATENCY + 4 * WIDTH * TOKENS / 1e10)
    one = deployment(Layout(tp=4))
    assert share_a_domain(one, one, 1, 1)
    assert share_a_domain(one, one, 5, 5)  # five domains of a pair each
    assert not share_a_domain(one, one, 2, 1)
    assert share_a_domain(deployment(Layout(tp=2)), one, 2, 1)
    assert not share_a_domain(one, deployment(Layout(tp=4), hardware=replace(NETWORKED, name="other")), 1, 1)


def test_without_a_network_only_a_domain_joins():
    alone = replace(FAST, topology=replace(FAST.topology, nic_bytes_per_s=0.0))
    pair = deployment(Layout(), hardware=alone), deployment(Layout(), hardware=alone)
    assert transfer(*pair, lengths(), "domain").seconds[0] > 0.0
    with pytest.raises(LayoutError, match="no scale-out network"):
        transfer(*pair, lengths(), "network")


def test_a_window_bounds_what_travels():
    windowed = model(Attention(16, HEADS, HEAD, HEAD, window=128))
    assert seconds(Layout(), Layout(), windowed) == pytest.approx(LATENCY + 4 * WIDTH * 128 / NIC)


@given(st.floats(1e-6, 10.0), st.integers(1, 100), st.floats(0.0, 10.0))
def test_streaming_hides_all_but_the_last_piece_or_what_is_slower_than_the_prompt(transfer_s, pieces, prompt_s):
    exposed = float(exposed_s(np.array([transfer_s]), np.array([float(pieces)]), np.array([prompt_s]))[0])
    assert transfer_s / pieces <= exposed * (1 + 1e-12)
    assert exposed <= transfer_s * (1 + 1e-12)
    if pieces == 1 or prompt_s == 0.0:
        assert exposed == pytest.approx(transfer_s)
    # piece by piece: each is sent when it is computed and the one before has left
    sent = 0.0
    for piece in range(1, pieces + 1):
        sent = max(sent, prompt_s * piece / pieces) + transfer_s / pieces
    assert exposed == pytest.approx(sent - prompt_s, abs=1e-9)


def test_waiting_is_that_of_a_single_server():
    found = transfer(deployment(Layout()), deployment(Layout()), lengths(TOKENS), "network")
    weight, t = np.array([1.0]), found.seconds[0]
    assert found.wait_s(0.5, 0.0, weight) == pytest.approx(0.5 * t)  # M/D/1: use / (2 (1 - use))
    assert found.wait_s(0.0, 2.0, weight) == pytest.approx(t)  # two others before or after: one on average
    assert found.wait_s(1.0, 0.0, weight) == np.inf
    assert found.use(0.25 / t, 0.5 / t, weight) == pytest.approx((0.25, 0.5))


def test_ranks_of_their_own_share_the_load():
    sixteen = deployment(Layout(), model(Attention(16, HEADS, HEAD, HEAD)))
    found = transfer(sixteen, sixteen, lengths(TOKENS), "network")
    wide = replace(found, senders=4, receivers=2)
    assert wide.use(1.0, 1.0, np.array([1.0])) == pytest.approx((found.seconds[0] / 4, found.seconds[0] / 2))
