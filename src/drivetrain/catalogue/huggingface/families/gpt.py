"""The GPT-2 generation: learned or ALiBi positions, biases, two-matrix feed-forward parts, old field names."""

from __future__ import annotations

from dataclasses import replace

from drivetrain.catalogue.huggingface.blocks import CONTEXT, INNER, Built, Shape, context, shape, tied, window
from drivetrain.catalogue.huggingface.plain import Style, all_bias, plain, qkv
from drivetrain.catalogue.huggingface.reader import Fields
from drivetrain.catalogue.huggingface.registry import family
from drivetrain.catalogue.model import Dense


def _mlp(f: Fields, s: Shape, *, bias: bool = True) -> Dense:
    return Dense(f.maybe(*INNER) or 4 * s.hidden, gated=False, bias=bias)


@family("gpt2", "gpt-sw3", "gpt_sw3", "imagegpt", vocab_size=50257, hidden_size=768, num_hidden_layers=12,
        num_attention_heads=12, n_embd=768, n_layer=12, n_head=12, n_positions=1024)  # fmt: skip
def gpt2(f: Fields) -> Built:
    """GPT-2, Cerebras-GPT and their like: learned positions, tied."""
    s = shape(f)
    part = _mlp(f, s)
    positions = f.size("n_positions", "n_ctx", "max_position_embeddings") * s.hidden
    return plain(f, s, all_bias(), ffn=lambda _: part, tied=tied(f, default=True), embedding_params=positions)


@family("gpt_bigcode", vocab_size=50257, n_positions=1024)
def gpt_bigcode(f: Fields) -> Built:
    """SantaCoder and StarCoder: GPT-2 with one key/value head."""
    s = shape(f)
    s = replace(s, kv=1) if f.flag("multi_query", default=True) else s
    part = _mlp(f, s)
    positions = f.size("n_positions", "n_ctx") * s.hidden
    return plain(f, s, all_bias(), ffn=lambda _: part, tied=tied(f, default=True), embedding_params=positions)


@family("gptj", "codegen", vocab_size=50400, n_positions=2048, n_ctx=2048)
def gptj(f: Fields) -> Built:
    """GPT-J and CodeGen: one norm, no biases in attention, a head with a bias."""
    s = shape(f)
    part = _mlp(f, s)
    style = Style(norms=1, norm_bias=True)
    built = plain(f, s, style, ffn=lambda _: part)
    return replace(built, embedding_params=0 if built.tied else built.vocab)


@family("gpt_neo", vocab_size=50257, hidden_size=2048, num_layers=24, num_heads=16, max_position_embeddings=2048)
def gpt_neo(f: Fields) -> Built:
    """GPT-Neo: every other layer attends within 256 tokens."""
    s = shape(f)
    part = _mlp(f, s)
    span = window(f, "window_size", default=256)
    kinds = _gpt_neo_kinds(f, s.layers)
    positions = f.size("max_position_embeddings") * s.hidden
    return plain(
        f, s, Style(o_bias=True, norm_bias=True), ffn=lambda _: part, tied=tied(f, default=True),
        embedding_params=positions,
        windows=[span if kind == "local" else None for kind in kinds],
    )  # fmt: skip


def _gpt_neo_kinds(f: Fields, n: int) -> list[str]:
    listed = f.items("attention_layers", length=n)
    if listed is not None:
        return [str(kind) for kind in listed]
    kinds: list[str] = []
    for item in f.items("attention_types") or [[["global", "local"], n // 2]]:
        if not (isinstance(item, list) and len(item) == 2 and isinstance(item[0], list) and isinstance(item[1], int)):
            raise f.bad('attention_types needs entries such as [["global", "local"], 12].')
        kinds += [str(k) for k in item[0]] * item[1]
    if len(kinds) < n:
        raise f.bad(f"attention_types describes {len(kinds)} of {n} layers.")
    return kinds[:n]


@family("gpt_neox", vocab_size=50432, hidden_size=6144, num_hidden_layers=44, num_attention_heads=64,
        intermediate_size=24576)  # fmt: skip
def gpt_neox(f: Fields) -> Built:
    """GPT-NeoX, Pythia, Dolly, RedPajama."""
    s = shape(f)
    part = _mlp(f, s)
    bias = f.flag("attention_bias", default=True)
    style = replace(all_bias(), q_bias=bias, kv_bias=bias, o_bias=bias)
    return plain(f, s, style, ffn=lambda _: part)


@family("gpt_neox_japanese", vocab_size=32000, intermediate_multiple_size=4)
def gpt_neox_japanese(f: Fields) -> Built:
    """GPT-NeoX Japanese: biases only on norms and the last attention output."""
    s = shape(f)
    part = Dense(f.size("intermediate_multiple_size") * s.hidden, gated=False)
    return plain(f, s, Style(norm_bias=True), ffn=lambda _: part, embedding_params=s.hidden, tied=tied(f, default=True))


@family("bloom", vocab_size=250880, hidden_size=64, seq_length=2048)
def bloom(f: Fields) -> Built:
    """BLOOM: ALiBi, a norm over the embeddings, tied."""
    s = shape(f)
    part = _mlp(f, s)
    return plain(f, s, all_bias(), ffn=lambda _: part, tied=tied(f, default=True), embedding_params=2 * s.hidden)


@family("opt", vocab_size=50272, hidden_size=768, num_hidden_layers=12, num_attention_heads=12, ffn_dim=3072,
        max_position_embeddings=2048)  # fmt: skip
def opt(f: Fields) -> Built:
    """OPT and Galactica: two more learned positions than the context; the 350M has a narrow embedding."""
    s = shape(f)
    bias = f.flag("enable_bias", default=True)
    norms = f.flag("layer_norm_elementwise_affine", default=True)
    part = Dense(f.size("ffn_dim", "intermediate_size"), gated=False, bias=bias)
    final = f.flag("do_layer_norm_before", default=True) and not f.flag("_remove_final_layer_norm") and norms
    style = replace(all_bias(bias), norm_bias=True, norms=2 if norms else 0, final_norm=final)
    vocab = f.size("vocab_size")
    width = f.size("word_embed_proj_dim", default=s.hidden)
    extra = (context(f) + 2) * s.hidden
    if width != s.hidden:
        extra += vocab * (width - s.hidden) + 2 * width * s.hidden
    return plain(f, s, style, ffn=lambda _: part, tied=tied(f, default=True), embedding_params=extra)


@family("biogpt", vocab_size=42384, hidden_size=1024, num_hidden_layers=24, num_attention_heads=16,
        intermediate_size=4096, max_position_embeddings=1024)  # fmt: skip
@family("xglm", ffn_dim=4096)
def learned_or_sinusoidal(f: Fields) -> Built:
    """BioGPT (learned positions) and XGLM (computed ones)."""
    s = shape(f)
    part = _mlp(f, s)
    positions = (context(f) + 2) * s.hidden if f.text("model_type") == "biogpt" else 0
    return plain(f, s, all_bias(), ffn=lambda _: part, tied=tied(f, default=True), embedding_params=positions)


@family("mpt", d_model=2048, n_heads=16, n_layers=24, expansion_ratio=4, max_seq_len=2048, vocab_size=50368)
def mpt(f: Fields) -> Built:
    """MPT: ALiBi, no biases, tied; ``attn_config`` says how many key/value heads."""
    s = Shape(f.size("d_model"), f.size("n_layers"), f.size("n_heads"), f.size("n_heads"), 1)
    s = replace(s, head_dim=s.hidden // s.heads)
    attn = f.table("attn_config")
    kind = attn.text("attn_type", default="multihead_attention")
    s = replace(s, kv=1 if kind == "multiquery_attention" else attn.maybe("kv_n_heads") or s.heads)
    bias = not f.flag("no_bias", default=True)
    style = replace(all_bias(bias), norm_bias=bias, qk_norm="full" if attn.flag("qk_ln") else "none", gated=False)
    part = Dense(round(f.real("expansion_ratio") * s.hidden), gated=False, bias=bias)
    learned = f.flag("learned_pos_emb", default=True) and not attn.flag("alibi", default=True)
    positions = f.size(*CONTEXT) * s.hidden if learned else 0
    return plain(f, s, style, ffn=lambda _: part, tied=tied(f, default=True), embedding_params=positions)


@family("falcon", "RefinedWeb", "RefinedWebModel", vocab_size=65024, hidden_size=4544, num_hidden_layers=32,
        num_attention_heads=71)  # fmt: skip
def falcon(f: Fields) -> Built:
    """Falcon 1 and 2.

    7B one norm and one key/value head, 40B and 180B two norms and eight, 1B with biases and ALiBi.
    """
    new = f.flag("new_decoder_architecture", default=f.raw.get("model_type") == "RefinedWeb")
    s = shape(f, kv_default=1)
    if not new and not f.flag("multi_query", default=True):
        s = replace(s, kv=s.heads)
    elif not new:
        s = replace(s, kv=1)
    parallel, bias = f.flag("parallel_attn", default=True), f.flag("bias")
    norms = f.count("num_ln_in_parallel_attn", default=2) if new else (1 if parallel else 2)
    part = _mlp(f, s, bias=bias)
    style = qkv(bias, o=bias, norms=norms, norm_bias=True)
    return plain(f, s, style, ffn=lambda _: part, tied=tied(f, default=True))
