"""The TOML format: exact round trip, unknown and missing fields named."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.catalogue.model import (
    Attention,
    Checkpoint,
    Dense,
    Indexer,
    LatentAttention,
    LayerGroup,
    Model,
    MoE,
    Published,
    Recurrent,
)
from drivetrain.catalogue.read_model import read_model, write_model
from drivetrain.errors import FileError

sizes = st.integers(1, 10**6)
indexers = st.none() | st.builds(Indexer, sizes, sizes, sizes)
attentions = st.builds(
    Attention, sizes, sizes, sizes, sizes, window=st.none() | sizes, q_bias=st.booleans(),
    qk_norm=st.sampled_from(["none", "head", "full"]),
    q_lora_rank=st.none() | sizes, compress=sizes, indexer=indexers, extra_params=st.integers(0, 10**9),
    kv_tied=st.booleans(),
)  # fmt: skip
latents = st.builds(LatentAttention, sizes, st.none() | sizes, sizes, sizes, sizes, sizes, indexer=indexers)
recurrents = st.builds(
    Recurrent, st.sampled_from(["mamba1", "mamba2", "gated_delta", "rwkv"]), sizes, sizes, sizes, sizes, sizes,
    st.floats(0, 1e15, allow_nan=False), state_dtype=st.sampled_from(["fp32", "bf16"]),
)  # fmt: skip
mixers = st.none() | attentions | latents | recurrents
ffns = st.none() | st.builds(Dense, sizes, st.booleans(), st.booleans()) | st.builds(
    MoE, sizes, sizes, sizes, shared_intermediate=st.integers(0, 99), latent_hidden=st.none() | sizes,
    zero_experts=st.integers(0, 9)
)  # fmt: skip
layers = st.lists(
    st.builds(LayerGroup, sizes, mixers, ffns, st.integers(0, 9), st.integers(0, 9), mixers, st.text(max_size=8)),
    min_size=1,
    max_size=3,
).map(tuple)
dtypes = st.dictionaries(st.sampled_from(["default", "attention", "experts"]), st.sampled_from(["bf16", "fp8"]))
models = st.builds(
    Model, st.text(min_size=1), st.lists(st.text(), max_size=2).map(tuple), st.text(), sizes, sizes, layers,
    st.booleans(), sizes,
    st.lists(st.builds(Checkpoint, st.text(), st.text(), dtypes, st.text(), st.text()), max_size=2).map(tuple),
    embedding_params=st.integers(-(10**9), 10**9), mtp=layers | st.just(()),
    published=st.builds(Published, st.none() | st.floats(1, 1e13), st.none() | st.floats(1, 1e13), st.floats(0,
        1), st.text()),
    notes=st.text(), active_embeddings=st.sampled_from(["all", "head", "none"]),
)  # fmt: skip


@given(models)
def test_writing_and_reading_gives_the_same_model(model):
    assert read_model(tomllib.loads(write_model(model)), "here") == model


GOOD = """
name = "toy"
aliases = []
family = "llama"
hidden = 32
vocab = 100
tied_embeddings = false
max_context = 128
[[layers]]
count = 2
attention = { n_heads = 4, n_kv_heads = 2, head_dim = 8, v_head_dim = 8 }
ffn = { intermediate = 64 }
"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("hidden = 32", "", "hidden is missing"),
        ("hidden = 32", "hiden = 32", "Did you mean 'hidden'"),
        ("hidden = 32", "hidden = -1", "negative"),
        ("hidden = 32", 'hidden = "32"', "whole number"),
        ("hidden = 32", "hidden = true", "whole number"),
        ("n_heads = 4", "n_headz = 4", "n_headz"),
        ("count = 2", "count = 0", "at least 1"),
        ("ffn = {", "moe = { n_experts = 4, top_k = 2, intermediate = 8 }\nffn = {", "second ffn"),
        ("[[layers]]\ncount = 2",
            "[[checkpoints]]\nname = 'a'\nweight_dtype = 'fp8'\ndtypes = { attn = 'fp8' }\n[[layers]]\ncount = 2",
            "attn"),
        ("aliases = []", "aliases = [1]", "list of strings"),
        ("tied_embeddings = false", "tied_embeddings = 0", "true or false"),
    ],
)  # fmt: skip
def test_mistakes_are_named(old, new, says):
    assert old in GOOD
    with pytest.raises(FileError, match=says):
        read_model(tomllib.loads(GOOD.replace(old, new)), "toy.toml")


def test_the_good_file_reads():
    assert read_model(tomllib.loads(GOOD), "toy.toml").n_layers == 2
