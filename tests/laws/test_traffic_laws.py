"""Laws of traffic: what scaling keeps, what a seed fixes, what a file gives back, how sessions grow."""

import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.serving.traffic import Arrivals, Reuse, Sessions, describe, generate, read, read_chunks, write
from drivetrain.serving.traffic.context import within
from drivetrain.serving.traffic.records import Names, compacted, requests_of
from drivetrain.serving.traffic.statistics import found_tokens

FIELDS = tuple(requests_of(np.array([1]), np.array([1])).__slots__)
few = settings(max_examples=25)


@st.composite
def requests(draw, most=30):
    """Any requests: shared names, successors, classes, times with ties."""
    n = draw(st.integers(1, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    waits = rng.random(n) < draw(st.sampled_from([0.0, 0.5]))
    after = np.where(waits, rng.integers(-1, np.arange(n), n), -1)
    arrival_s = np.sort(rng.choice([0.0, 0.25, 1.0, 7.5, 1e-7, 12345.678], n))
    isl, osl = rng.integers(1, 400, n), rng.integers(1, 60, n)
    names, tokens = None, draw(st.sampled_from([0, 16, 64]))
    if tokens:
        count = (isl + osl) // tokens
        flat = rng.integers(0, 12, int(count.sum()) + 1)
        names = Names(np.cumsum(count) - count, count, flat)
    return requests_of(
        isl, osl, arrival_s=arrival_s, after=after, gap_s=np.where(after >= 0, rng.random(n), 0.0),
        names=names, hash_tokens=tokens, session=rng.integers(-1, 5, n), priority=rng.integers(-3, 3, n),
        origin=rng.integers(0, 3, n), service=rng.integers(-1, 2, n), difficulty=rng.random(n),
    )  # fmt: skip


def same(one, other):
    one, other = compacted(one), compacted(other)
    for name in FIELDS:
        assert np.array_equal(getattr(one, name), getattr(other, name)), name


@few
@given(requests(), st.sampled_from(["parquet", "csv"]))
def test_what_is_written_is_read_back(made, ending):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"r.{ending}")
        write(made, path)
        same(made, read(path).requests)


@few
@given(requests(), st.floats(1e-3, 1e3))
def test_scaling_keeps_the_shape_of_bursts(made, speedup):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "r.parquet")
        write(made, path)
        scaled = read(path, speedup=speedup).requests
        two = read(path, speedup=4.0).requests
    before, after = describe(made), describe(scaled)
    assert after.iat_cv == pytest.approx(before.iat_cv, rel=1e-9, nan_ok=True)
    assert after.rate_per_s == pytest.approx(before.rate_per_s * speedup, rel=1e-9, nan_ok=True)
    assert describe(two).iat_cv == pytest.approx(before.iat_cv, rel=1e-15, nan_ok=True)
    assert np.array_equal(two.arrival_s, made.arrival_s / 4.0)
    assert np.array_equal(scaled.isl, made.isl)
    assert np.array_equal(scaled.gap_s, made.gap_s)


@few
@given(requests(), st.integers(1, 40), st.integers(0, 99))
def test_parts_are_the_whole(made, size, seed):
    made = requests_of(made.isl, made.osl, arrival_s=made.arrival_s, session=made.session, seed=3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "r.parquet")
        write(made, path)
        whole = read(path, jitter=2.0, seed=seed).requests
        parts = list(read_chunks(path, rows=size, jitter=2.0, seed=seed))
    for name in ("arrival_s", "isl", "osl", "session", "difficulty"):
        assert np.array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(whole, name)), name
    assert (np.diff(whole.arrival_s) >= 0).all()
    assert sorted(whole.isl) == sorted(made.isl)


@given(requests(), st.integers(2, 500), st.sampled_from(["drop", "truncate"]))
def test_nothing_is_longer_than_the_context(made, context, rule):
    kept, did = within(made, context, rule)
    assert ((kept.isl + kept.osl <= context) & (kept.isl >= 1) & (kept.osl >= 1)).all()
    assert (kept.after < np.arange(len(kept))).all()
    if rule == "truncate":
        assert len(kept) == len(made)
        fits = made.isl + made.osl <= context
        assert np.array_equal(kept.isl[fits], made.isl[fits])
        assert np.array_equal(kept.hash_count[fits], made.hash_count[fits])
    else:
        assert len(kept) == len(made) - did.count - did.waiting


@given(requests())
def test_what_a_cache_finds_is_what_a_set_of_names_finds(made):
    """Against the plain rule, row by row."""
    known, expected = set(), []
    for start, count, isl in zip(made.hash_start, made.hash_count, made.isl, strict=True):
        names = made.hashes[start : start + count].tolist()
        leading = next((k for k, name in enumerate(names) if name not in known), len(names))
        expected.append(min(leading, (isl - 1) // max(made.hash_tokens, 1)) * made.hash_tokens)
        known.update(names)
    assert found_tokens(made).tolist() == expected


@few
@given(st.floats(0.1, 1000.0), st.floats(0.2, 3.0), st.sampled_from(["gamma", "weibull"]), st.integers(0, 2**40))
def test_generated_rate_and_burstiness_are_within_sampling_error(rate, cv, law, seed):
    n = 20_000
    made = generate(isl=10, osl=1, arrivals=Arrivals(rate=rate, cv=cv, law=law), n=n, seed=seed).requests
    found = describe(made)
    assert found.rate_per_s == pytest.approx(rate, rel=6 * cv / math.sqrt(n))
    assert found.iat_cv == pytest.approx(cv, rel=0.05 + 0.1 * cv)  # the fourth moment grows fast with cv
    assert (np.diff(made.arrival_s) >= 0).all()
    assert made.arrival_s[0] >= 0


@few
@given(st.floats(1.0, 5000.0), st.floats(1.0, 500.0), st.floats(0.0, 0.95), st.integers(0, 2**40))
def test_generated_lengths_stay_within_their_bounds(isl, osl, r, seed):
    made = generate(isl=isl, osl=osl, range_frac=r, arrivals=Arrivals(rate=1.0), n=300, seed=seed).requests
    for lengths, top in ((made.isl, isl), (made.osl, osl)):
        assert lengths.min() >= max(1, math.floor((1 - r) * top))
        assert lengths.max() <= math.ceil(top)


@few
@given(st.integers(0, 2**40), st.sampled_from(["chat", "agent", "rag"]), st.sampled_from([None, "even"]))
def test_the_same_seed_gives_the_same_bytes(seed, workload, law):
    sessions = Sessions(calls=3, law=law, first_isl=500, new_tokens=80, shared_tokens=64) if law else None

    def make():
        return generate(
            workload, Arrivals(rate=4.0, day="profile"), n=200, sessions=sessions, origins=(1, 2), seed=seed
        )

    one, two = make(), make()
    assert one.notes == two.notes
    for name in FIELDS:
        assert np.asarray(getattr(one.requests, name)).tobytes() == np.asarray(getattr(two.requests, name)).tobytes(), (
            name
        )


@few
@given(
    st.integers(1, 12), st.sampled_from(["fixed", "even", "geometric"]), st.integers(1, 3000), st.integers(1, 500),
    st.integers(0, 1000), st.sampled_from([16, 64, 512]), st.integers(0, 2**40),
)  # fmt: skip
def test_contexts_of_sessions_grow_and_are_found(calls, law, first, new, shared, tokens, seed):
    sessions = Sessions(
        calls=calls, law=law, first_isl=first + shared, new_tokens=new, shared_tokens=shared, shared_groups=2
    )
    made = generate(
        "chat", Arrivals(rate=1.0), n=120, sessions=sessions, reuse=Reuse(hash_tokens=tokens), seed=seed
    ).requests
    rows = np.arange(len(made))
    later = rows[made.after >= 0]
    assert np.array_equal(made.after[later], later - 1)
    assert np.array_equal(made.session[later], made.session[later - 1])
    assert (made.isl[later] >= made.isl[later - 1] + made.osl[later - 1] + 1).all()
    assert np.array_equal(made.hash_count, (made.isl + made.osl) // tokens)
    found = found_tokens(made)
    ended = (made.isl + made.osl)[later - 1] // tokens * tokens
    assert (found[later] >= np.minimum(ended, (made.isl[later] - 1) // tokens * tokens)).all()
    own = made.after < 0
    assert (found[own] <= shared).all()
    assert (np.diff(made.arrival_s[own]) >= 0).all()
    assert (made.isl[own] > shared).all()


@few
@given(st.floats(0.0, 0.9), st.integers(200, 3000), st.integers(600, 4000), st.integers(0, 2**40))
def test_an_unlimited_cache_finds_the_share_asked_for(share, n, isl, seed):
    made, _ = generate(
        isl=isl, osl=20, range_frac=0.5, arrivals=Arrivals(rate=5.0), n=n, reuse=Reuse(share=share), seed=seed
    )
    assert describe(made).prefix_frac == pytest.approx(share, abs=0.01)
