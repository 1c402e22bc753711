"""What evidence a model is given for a technique, in which order, and how several techniques combine."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.catalogue import loader
from drivetrain.catalogue.quality import (
    FAMILY_FACTOR,
    SIZE_FACTOR,
    QualityDelta,
    combine,
    quality_of,
    siblings_of,
)
from drivetrain.catalogue.quality_keys import LOSSLESS, PLAIN, PRECISIONS, canonical, is_known, kept_share

MODELS = loader.load_all("models")
ROWS = loader.load_all("quality")
TECHNIQUES = sorted({row.technique for row in ROWS.values() if not row.stand_in} | set(LOSSLESS))
RANK = ["measured on this model", "by construction", "on its family", "on models of like size"]
names = st.sampled_from(sorted(MODELS))
techniques = st.sampled_from(TECHNIQUES)
DELTA = QualityDelta(
    "weights=fp8", 0.99, 0.98, 1.0, -0.7, 3, "on its family", ("m",), ("MMLU",), ("s",), "measured", False
)
deltas = st.builds(
    lambda recovery, spread, n: replace(DELTA, recovery=recovery, low=recovery - spread, high=recovery + spread, n=n),
    st.floats(0.2, 1.1), st.floats(0.0, 0.1), st.integers(1, 9),
)  # fmt: skip


@given(techniques, names)
def test_the_median_lies_within_what_was_measured(technique, name):
    found = quality_of(technique, MODELS[name])
    if found:
        assert 0.0 < found.low <= found.recovery <= found.high <= 1.5
        assert found.n >= 1
        assert found.sources
        assert found.technique == canonical(technique)
        assert set(found.sources) <= {row.evidence.source for row in ROWS.values()}


@given(techniques, names)
def test_what_was_measured_on_the_model_beats_all_else(technique, name):
    own = [row for row in ROWS.values() if row.technique == technique and row.model == name]
    found = quality_of(technique, MODELS[name])
    if own:
        assert found is not None
        assert found.matched == RANK[0]
        assert found.measured_on == (name,)
        if kept_share(technique) is None:
            assert found.n == len(own)
    elif found and kept_share(technique) is None:
        assert found.matched != RANK[0]


@given(techniques, names)
def test_relatives_come_from_the_family_and_lie_within_reach(technique, name):
    model, found = MODELS[name], quality_of(technique, MODELS[name])
    if found and found.matched in RANK[2:]:
        reach = FAMILY_FACTOR if found.matched == "on its family" else SIZE_FACTOR
        for row in ROWS.values():
            if row.technique == found.technique and (row.model or row.checkpoint) in found.measured_on:
                family = MODELS[row.model].family if row.model else row.family
                size = MODELS[row.model].published.total if row.model else row.params
                if found.matched == "on its family" and family != model.family:
                    continue  # a checkpoint of the same name elsewhere
                assert max(size / model.published.total, model.published.total / size) <= reach * (1 + 1e-9)


@given(names, st.sampled_from(LOSSLESS))
def test_equal_outputs_recover_everything_on_every_model(name, technique):
    found = quality_of(technique, MODELS[name])
    assert found is not None
    assert (found.recovery, found.low, found.high, found.delta) == (1.0, 1.0, 1.0, 0.0)
    assert found.kind == "derived"


def test_unknown_stays_unknown():
    llama = MODELS["llama-3.1-8b"]
    assert quality_of("speculative=relaxed", llama) is None
    assert quality_of("weights=fp2", llama) is None
    assert quality_of("sibling=no-such-model", llama) is None
    assert quality_of("", llama) is None
    huge = replace(llama, name="huge", family="none")
    assert quality_of("weights=nvfp4", huge, 1e15) is None
    unsized = replace(huge, published=replace(llama.published, total=None))
    assert quality_of("weights=nvfp4", unsized) is None
    assert quality_of("prefix cache", unsized).recovery == 1.0


ROW = """
technique = "weights=mxfp8"
source = "assumption"
seen = "2026-11"
kind = "assumed"
"""


def rows(*entries):
    return ROW + "".join(f"\n[[quality]]\n{entry}\n" for entry in entries)


def other(family, params, after, name="x"):
    return f'family = "{family}"\nparams = {params!r}\ncheckpoint = "{name}"\nscores = {{ "MMLU" = [80, {after!r}] }}'


def test_order_of_evidence(overlay):
    llama = MODELS["llama-3.1-8b"]
    size, found = llama.published.total, []
    kept = []
    for entry in (
        other("qwen3", size * 1.9, 70.0, "alike"),
        other("llama3", size * 3.9, 72.0, "far relative"),
        other("llama3", size * 1.5, 74.0, "near relative"),
        'model = "llama-3.1-8b"\nscores = { "MMLU" = [80, 76.0] }',
    ):
        kept.append(entry.replace("llama3", llama.family))
        overlay("quality", "zz", rows(*kept))
        found.append(quality_of("weights=mxfp8", llama))
    assert [delta.matched for delta in found] == [RANK[3], RANK[2], RANK[2], RANK[0]]
    assert [delta.recovery * 80 for delta in found] == pytest.approx([70, 72, 74, 76])
    assert [delta.delta for delta in found] == pytest.approx([-10, -8, -6, -4])
    assert [delta.n for delta in found] == [1, 1, 1, 1]


@pytest.mark.parametrize(("family", "reach"), [(None, FAMILY_FACTOR), ("qwen3", SIZE_FACTOR)])
def test_evidence_ends_at_its_reach(overlay, family, reach):
    llama = MODELS["llama-3.1-8b"]
    for factor in (reach * 0.99, reach * 1.01):
        for size in (llama.published.total * factor, llama.published.total / factor):
            overlay("quality", "zz", rows(other(family or llama.family, size, 79.0)))
            assert (quality_of("weights=mxfp8", llama) is not None) == (factor < reach)


def test_median_and_extremes_over_rows_that_fit_alike(overlay):
    llama = MODELS["llama-3.1-8b"]
    scores = 'scores = { "MMLU" = [80, 79], "GPQA" = [50, 45], "GSM8K" = [100, 101] }\nmodel = "llama-3.1-8b"'
    overlay("quality", "zz", rows(scores))
    found = quality_of("weights=mxfp8", llama)
    assert (found.low, found.recovery, found.high) == pytest.approx((0.9, 79 / 80, 1.01))
    assert found.delta == pytest.approx(-1.0)
    assert found.benchmarks == ("MMLU", "GPQA", "GSM8K")
    overlay("quality", "zz", rows('model = "llama-3.1-8b"\nrecoveries = { "MMLU" = 98 }'))
    stated = quality_of("weights=mxfp8", llama)
    assert (stated.recovery, stated.delta) == (pytest.approx(0.98), None)


def test_a_stand_in_speaks_for_its_own_model_only():
    r1, relative = MODELS["deepseek-r1"], replace(MODELS["deepseek-r1"], name="another-r1")
    assert quality_of("distilled", r1).matched == "measured on this model"
    assert quality_of("distilled", relative) is None
    assert quality_of("sibling=llama-3.1-8b", MODELS["llama-3.1-70b"]).recovery < 1.0
    assert quality_of("sibling=llama-3.1-8b", MODELS["qwen3-32b"]) is None


@given(st.floats(0.01, 1.0), names)
def test_kv_compression_never_borrows_from_milder_measurements(kept, name):
    found = quality_of(f"kv-compression={kept!r}", MODELS[name])
    rows_used = [r for r in ROWS.values() if found and (r.model or r.checkpoint) in found.measured_on]
    shares = [kept_share(r.technique) for r in rows_used if kept_share(r.technique)]
    assert not found or any(share <= kept for share in shares)


def test_kv_compression_takes_the_nearest_share_below(overlay):
    entries = [f'technique = "kv-compression={share}"\nmodel = "qwen3-8b"\nscores = {{ "RULER" = [90, {after}] }}'
               for share, after in ((0.75, 89), (0.5, 80), (0.1, 30))]  # fmt: skip
    overlay("quality", "zz", rows(*entries).replace('technique = "weights=mxfp8"', "", 1))
    qwen = MODELS["qwen3-8b"]
    got = {share: quality_of(f"kv-compression={share}", qwen) for share in (0.05, 0.1, 0.6, 0.75, 1.0)}
    assert {s: d and round(d.recovery * 90) for s, d in got.items()} == {
        0.05: None,
        0.1: 30,
        0.6: 80,
        0.75: 89,
        1.0: 89,
    }
    assert quality_of("kv-compression", qwen).recovery * 90 == pytest.approx(80)


# --- several techniques together


@given(st.lists(deltas, min_size=2, max_size=5))
def test_recoveries_multiply_and_the_kind_says_so(parts):
    found = combine(parts)
    for field in ("recovery", "low", "high"):
        assert getattr(found, field) == pytest.approx(math.prod(getattr(part, field) for part in parts))
    assert (found.kind, found.n) == ("derived", sum(part.n for part in parts))


@given(st.lists(deltas, max_size=4), st.integers(0, 4))
def test_one_unknown_makes_all_unknown(parts, at):
    assert combine([*parts[:at], None, *parts[at:]]) is None


@given(deltas)
def test_one_alone_is_itself_and_lossless_changes_nothing(part):
    assert combine([part]) is part
    free = quality_of("chunked-prefill", MODELS["llama-3.1-8b"])
    assert combine([part, free]).recovery == part.recovery
    assert combine([free, free]).delta == 0.0
    nothing = combine([])
    assert (nothing.recovery, nothing.low, nothing.high, nothing.delta, nothing.n) == (1.0, 1.0, 1.0, 0.0, 0)


@given(st.permutations([replace(DELTA, recovery=0.9), replace(DELTA, recovery=0.8), replace(DELTA, unverified=True)]))
def test_order_does_not_matter_and_doubt_stays(parts):
    found = combine(parts)
    assert found.recovery == pytest.approx(0.9 * 0.8 * 0.99)
    assert found.unverified


# --- models that could stand in


def test_distilled_models_stand_in_for_r1():
    found = siblings_of(MODELS["deepseek-r1"])
    distilled = [one for one in found if one.relation == "distilled"]
    assert {one.checkpoint.rpartition("/")[2].lower() for one in distilled} >= {
        "deepseek-r1-distill-qwen-32b", "deepseek-r1-distill-llama-70b", "deepseek-r1-distill-llama-8b",
    }  # fmt: skip
    assert {one.model for one in found} <= set(MODELS)
    by_size = {one.checkpoint: one.quality.recovery for one in distilled}
    assert max(by_size, key=by_size.get).endswith(("70B", "32B"))


@pytest.mark.parametrize("name", ["llama-3.1-405b", "qwen3-32b", "gpt-oss-120b", "gemma-3-27b", "deepseek-r1"])
def test_stand_ins_are_catalogued_and_sorted_by_what_they_recover(name):
    found = siblings_of(MODELS[name])
    recoveries = [one.quality.recovery for one in found]
    assert found
    assert recoveries == sorted(recoveries, reverse=True)
    assert all(one.model in MODELS and one.model != name for one in found)
    for one in found:
        assert one.quality == replace(
            quality_of(f"sibling={one.checkpoint}", MODELS[name]), technique=one.quality.technique
        )


def test_a_model_without_comparison_has_no_stand_ins():
    assert siblings_of(replace(MODELS["llama-3.1-8b"], name="my-own")) == ()


# --- keys


@given(st.sampled_from([*PLAIN, *(f"weights={p}" for p in PRECISIONS), *(f"kv={p}" for p in PRECISIONS)]))
def test_keys_are_their_own_spelling(key):
    assert canonical(key) == key
    assert is_known(key)
    assert canonical(f" {key} ") == key


@given(st.text(max_size=30))
def test_canonical_is_idempotent(text):
    once = canonical(text)
    assert canonical(once) == once


@pytest.mark.parametrize(
    ("spelling", "key"),
    [
        ("speculative=draft:llama-3.2-1b", "speculative"),
        ("mtp", "speculative"),
        ("speculative=typical", "speculative=relaxed"),
        ("prefix cache", "prefix-cache"),
        ("Chunked Prefill", "chunked-prefill"),
        ("disaggregation=3:1", "disaggregation"),
        ("kv_dtype=fp8", "kv=fp8"),
        ("weight_dtype=nvfp4", "weights=nvfp4"),
        ("kv-compression", "kv-compression=0.5"),
    ],
)
def test_spellings_lead_to_keys(spelling, key):
    assert canonical(spelling) == key


@pytest.mark.parametrize(
    "key", ["weights=fp9", "kv=", "kv-compression=0", "kv-compression=1.5", "sibling=", "magic", ""]
)
def test_other_keys_do_not_exist(key):
    assert not is_known(key)
