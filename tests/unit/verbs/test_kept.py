"""What changes outputs, and what that leaves."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.catalogue import loader
from drivetrain.techniques import Techniques
from drivetrain.verbs.kept import changes_of, keeps, quality_fields, recovery, stand_in_key

LLAMA = loader.load("models", "llama-3.1-70b")
SHIPPED = LLAMA.checkpoints[0]


def in_(dtype):
    return next(c for c in LLAMA.checkpoints if c.weight_dtype == dtype)


def test_what_ships_changes_nothing():
    assert changes_of(SHIPPED, SHIPPED, SHIPPED.kv_dtype, Techniques()) == ()
    assert recovery((), LLAMA) == 1.0
    assert quality_fields((), LLAMA)["recovery"] == 1.0


@pytest.mark.parametrize("exact", [
    Techniques(speculative="eagle"), Techniques(chunked_prefill=False), Techniques(power_cap=0.7),
    Techniques(kv_offload_bytes=1e9), Techniques(two_batch_overlap=True, redundant_experts=8),
])  # fmt: skip
def test_exact_techniques_change_nothing(exact):
    assert changes_of(SHIPPED, SHIPPED, SHIPPED.kv_dtype, exact) == ()


def test_every_change_has_its_key_and_wider_is_none():
    lossy = Techniques(sparsity="2:4", kv_compression=0.25)
    assert changes_of(SHIPPED, in_("fp8"), "fp8", lossy, "sibling=x") == (
        "sibling=x", "weights=fp8", "kv=fp8", "sparsity=2:4", "kv-compression=0.25",
    )  # fmt: skip
    narrow = replace(SHIPPED, weight_dtype="fp8", kv_dtype="fp8")
    assert changes_of(narrow, SHIPPED, "bf16", Techniques()) == ()


def test_changes_multiply_and_one_unknown_makes_all_unknown():
    both = recovery(("weights=fp8", "kv=fp8"), LLAMA)
    assert both == pytest.approx(recovery(("weights=fp8",), LLAMA) * recovery(("kv=fp8",), LLAMA))
    assert recovery(("weights=fp8", "sparsity=2:4"), LLAMA) is None
    assert quality_fields(("sparsity=2:4",), LLAMA)["recovery"] is None
    assert "unknown" in quality_fields(("sparsity=2:4",), LLAMA)["note"]


def test_evidence_is_told_with_sources_by_title():
    found = quality_fields(("weights=fp8",), LLAMA)
    assert found["n"] >= 1
    assert found["low"] <= found["recovery"] <= found["high"]
    assert found["matched"] == "measured on this model"
    assert found["benchmarks"]
    assert all("(" in source for source in found["sources"])


def test_a_stand_in_is_named_as_quality_data_names_it():
    small = loader.load("models", "llama-3.1-8b")
    assert stand_in_key(LLAMA, LLAMA, SHIPPED) == ""
    assert stand_in_key(LLAMA, small, small.checkpoints[0]) == "sibling=llama-3.1-8b"
    taught = replace(small.checkpoints[0], name="deepseek-ai/DeepSeek-R1-Distill-Llama-8B")
    key = stand_in_key(loader.load("models", "deepseek-r1"), small, taught)
    assert key == "sibling=deepseek-ai/DeepSeek-R1-Distill-Llama-8B"
    assert 0 < recovery((key,), loader.load("models", "deepseek-r1"), small) < 1


@given(st.none() | st.floats(0, 1.2), st.floats(0, 1), st.floats(0, 1), st.booleans())
def test_asking_for_more_never_admits_more(kept, one, other, unknown_too):
    low, high = sorted((one, other))
    assert keeps(kept, low, unknown_too) >= keeps(kept, high, unknown_too)
    assert keeps(kept, None, unknown_too)
    assert keeps(kept, low, True) >= keeps(kept, low, False)
