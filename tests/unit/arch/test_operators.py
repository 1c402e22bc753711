"""Operators of known models against numbers one can work out by hand."""

import pytest

from drivetrain.arch.layout import Layout, parse_layout
from drivetrain.arch.memory import resident
from drivetrain.arch.operators import operators
from drivetrain.arch.step import CTX_DECODE, CTX_PREFILL, HIT, ONE, ROWS, TOKENS, Step, vector
from drivetrain.catalogue.model import Attention, Checkpoint, Dense, LatentAttention, LayerGroup, Model, MoE, Recurrent

BF16 = Checkpoint("bf16", "bf16", {})
LLAMA_8B = Model(
    "llama-8b", (), "llama", 4096, 128256,
    (LayerGroup(32, Attention(32, 8, 128, 128), Dense(14336), norm_params=8192),),
    False, 131072, (BF16,), norm_params=4096,
)  # fmt: skip


def ops_of(model, layout="tp1", checkpoint=BF16, kv="bf16"):
    return {op.name: op for op in operators(model, checkpoint, parse_layout(layout), kv)}


def one_layer(mixer, ffn=None, hidden=1024):
    return Model("toy", (), "test", hidden, 1000, (LayerGroup(1, mixer, ffn),), False, 4096, (BF16,))


def test_llama_8b_holds_eight_billion_parameters_and_128_kib_a_token():
    ops = operators(LLAMA_8B, BF16, Layout(), "bf16")
    held = resident(LLAMA_8B, BF16, Layout(), ops)
    assert held.weights_bytes == pytest.approx(2 * 8_030_261_248, abs=2 * 4096)
    assert held.sequence_bytes(1000.0) == 1000 * 131072
    assert held.state_bytes == 0.0


def test_llama_8b_kv_halves_in_fp8_and_over_two_ranks_but_not_beyond_its_heads():
    def per_token(layout, kv):
        ops = operators(LLAMA_8B, BF16, parse_layout(layout), kv)
        return resident(LLAMA_8B, BF16, parse_layout(layout), ops).sequence_bytes(1.0)

    assert per_token("tp1", "fp8") == 65536
    assert per_token("tp2", "bf16") == 65536
    assert per_token("tp8", "bf16") == per_token("tp16", "bf16") == 16384
    assert per_token("pp2", "bf16") == 65536


def test_llama_8b_attention_flops_by_hand():
    attend = ops_of(LLAMA_8B)["attention over cache"]
    assert attend.flops[CTX_DECODE] == attend.flops[CTX_PREFILL] == 32 * 2 * 32 * (128 + 128)
    assert attend.kv[CTX_DECODE] == 131072


def test_scores_take_the_key_width_and_sums_the_value_width():
    attend = ops_of(one_layer(Attention(8, 4, 64, 96)))["attention over cache"]
    assert attend.flops[CTX_DECODE] == 2 * 8 * (64 + 96)
    assert attend.stored == 4 * (64 + 96) * 2


def test_latent_attention_is_absorbed_in_decode_and_expanded_in_prefill():
    mla = LatentAttention(16, 256, 512, 128, 64, 128)
    attend = ops_of(one_layer(mla))["attention over cache"]
    assert attend.flops[CTX_DECODE] == 2 * 16 * (512 + 512 + 64)
    assert attend.flops[CTX_PREFILL] == 2 * 16 * (128 + 64 + 128)
    assert attend.kv[CTX_DECODE] == (512 + 64) * 2
    cut = ops_of(one_layer(mla), "tp4")["attention over cache"]
    assert cut.flops[CTX_DECODE] == attend.flops[CTX_DECODE] / 4
    assert cut.stored == attend.stored  # every rank keeps the whole latent


def test_keys_equal_to_values_save_a_projection_but_only_tied_ones_save_cache():
    def cached(**more):
        ops = ops_of(one_layer(Attention(8, 4, 64, 64, **more)))
        return ops["attention over cache"].stored, ops["attention projections"].weights[ONE]

    both, equal, tied = cached(), cached(k_eq_v=True), cached(k_eq_v=True, kv_tied=True)
    assert both[0] == equal[0] == 2 * tied[0]
    assert both[1] - equal[1] == 2 * 1024 * 4 * 64
    assert tied[1] == equal[1]


def test_a_layer_that_reuses_a_cache_reads_it_and_stores_nothing():
    own, borrowed = (ops_of(one_layer(Attention(8, 4, 64, 64, reuses_kv=r)))["attention over cache"] for r in (0, 1))
    assert borrowed.stored == 0.0
    assert borrowed.kv[CTX_DECODE] == own.kv[CTX_DECODE]
    assert borrowed.kv[TOKENS] == 0.0


def test_a_recurrence_reads_and_writes_its_state_once_a_sequence():
    mixer = Recurrent("mamba2", 8, 1024 * 4096, 2048 * 1024, 2048 * 128, 8192, 1e6)
    scan = ops_of(one_layer(mixer))["recurrent state"]
    assert scan.state == 2048 * 128 * 4 + 8192 * 2
    assert scan.kv[ROWS] == 2 * scan.state
    assert scan.flops[TOKENS] == 1e6


def test_experts_of_mixtral_shape():
    moe = MoE(8, 2, 14336)
    ops = ops_of(one_layer(Attention(32, 8, 128, 128), moe, 4096), "tp8ep8")
    experts = ops["routed experts"]
    assert experts.weights[HIT] == 3 * 4096 * 14336 * 2
    assert experts.experts_local == 1.0
    assert experts.expert_share == 0.25
    assert "expert dispatch" not in ops  # all ranks hold all tokens: a sum, no travel


def test_experts_over_data_parallel_ranks_send_a_token_to_each_rank_it_visits():
    moe = MoE(8, 2, 1024)
    ops = ops_of(one_layer(Attention(8, 8, 64, 64), moe), "dp8ep8")
    visited = 8 * (1 - (7 / 8) ** 2)
    assert ops["expert dispatch"].message[TOKENS] == pytest.approx(visited * 1024 * 2)
    assert ops["expert combine"].message[TOKENS] == pytest.approx(visited * 1024 * 2)


def test_pipelines_hand_over_once_between_stages():
    hand_over = ops_of(LLAMA_8B, "pp4")["pipeline hand-over"]
    assert hand_over.calls == 3
    assert hand_over.message[TOKENS] == 4096 * 2


def test_a_vector_knows_its_features():
    assert vector(one=1.0, expert_tokens=2.0) == (1.0, 0, 0, 0, 0, 0, 0, 2.0)


def test_a_step_caps_its_contexts():
    step = Step(decode=2, context=5000.0, prefill=512, chunks=2, prefill_context=900.0, chunk_context=3000.0)
    assert step.contexts(1000.0) == (1000.0, 900.0, 1256.0)
    assert step.tokens == 514
