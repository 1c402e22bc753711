import importlib
import re
import sys
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

from drivetrain.catalogue import loader
from drivetrain.catalogue.read_workload import fixed, read_workload
from drivetrain.errors import BadInputError, FileError

ROOT = Path(__file__).parents[3]
TRACES = ROOT.parent / "shared" / "traces"
DATA = files("drivetrain.catalogue") / "data"
PROFILES = {path.name[:-5]: path for path in (DATA / "workloads").iterdir() if path.name.endswith(".toml")}

# What the issue asks for, and the key numbers a reader would check first: isl, osl, arrival_cv, prefix reuse.
MEASURED = {
    "azure-2023-conv": (1182.9, 200.9, 1.33, 0.0),
    "azure-2023-code": (2041.7, 27.6, 5.67, 0.0),
    "mooncake-conversation": (12161.5, 346.1, 1.05, 0.36),
    "sharegpt": (857.5, 652.5, 1.0, 0.0),
    "arxiv-summarise": (2588.1, 291.4, 1.0, 0.0),
    "servegen-m-large": (914.3, 155.1, 3.89, 0.0),
    "servegen-deepseek-r1": (1268.2, 1527.4, 2.11, 0.0),
}
ASSUMED = ("chat", "rag", "agent", "summarise", "reasoning", "batch")

# Documented in tools/workload_stats.py: classes lose the variance inside them, nothing else.
SHORTFALL = {"isl_isl": 0.05, "isl_osl": 0.02, "osl_osl": 0.15}


def raw(name):
    return tomllib.loads(PROFILES[name].read_text(encoding="utf-8"))


def test_all_profiles_of_the_issue_are_shipped():
    assert set(PROFILES) >= {*MEASURED, *ASSUMED}


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_shipped_profile_loads_and_is_complete(name):
    record = read_workload(raw(name), name)
    assert record.name == name
    assert record.evidence == ("assumed" if name in ASSUMED else "measured")
    assert record.notes
    assert sum(c.weight for c in record.classes) == pytest.approx(1, abs=1e-12)
    assert sum(c.weight * c.isl for c in record.classes) == pytest.approx(record.isl_mean, rel=1e-9)
    assert sum(c.weight * c.osl for c in record.classes) == pytest.approx(record.osl_mean, rel=1e-9)
    assert record.isl_mean == pytest.approx(raw(name)["isl"]["mean"], rel=1e-5)
    assert record.osl_mean == pytest.approx(raw(name)["osl"]["mean"], rel=5e-5)
    assert sum(record.day_shape) == pytest.approx(24, abs=1e-9)
    assert [p for p, _ in record.isl_quantiles] == [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0]
    assert len(record.osl_quantiles) == 9
    assert 10 <= len(record.classes) <= 14


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_second_moments_are_within_the_documented_bound(name):
    for key, error in raw(name)["class_error"].items():
        assert abs(error) <= SHORTFALL[key], key


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_the_source_is_described(name):
    known = tomllib.loads((DATA / "sources_workloads.toml").read_text(encoding="utf-8"))
    assert set(known[raw(name)["source"]]) >= {"title", "publisher", "date"}


@pytest.mark.parametrize("name", MEASURED)
def test_key_numbers(name):
    isl, osl, cv, hit = MEASURED[name]
    record = read_workload(raw(name), name)
    assert record.isl_mean == pytest.approx(isl, abs=0.1)
    assert record.osl_mean == pytest.approx(osl, abs=0.1)
    assert record.arrival_cv == pytest.approx(cv, abs=0.01)
    assert record.prefix_hit_frac == pytest.approx(hit, abs=0.005)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("azure_conv", "azure-2023-conv"),
        ("azure2023_conv", "azure-2023-conv"),
        ("azure-code", "azure-2023-code"),
        ("mooncake", "mooncake-conversation"),
        ("summarize", "summarise"),
    ],
)
def test_other_spellings_resolve(spelling, name):
    assert loader.resolve("workloads", spelling) == name


def test_no_two_profiles_share_a_spelling():
    spellings = [text for name in PROFILES for text in (name, *raw(name)["aliases"])]
    assert sorted(spellings) == sorted(set(spellings))


def test_batch_has_no_peak():
    assert loader.load("workloads", "batch").peak_to_mean == 1
    assert loader.load("workloads", "chat").peak_to_mean == pytest.approx(1.44, abs=0.01)


# --- derived again from the traces -------------------------------------------------------------------


@pytest.fixture(scope="module")
def derive():
    if not TRACES.is_dir():
        pytest.skip(f"the traces are not at {TRACES}: profiles were not derived again")
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        return importlib.import_module("derive_workloads")
    finally:
        sys.path.remove(str(ROOT / "tools"))


@pytest.fixture(scope="module")
def derived(derive):
    return {profile.name: profile for profile in derive.profiles(TRACES)}


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_shipped_profile_is_what_the_traces_give(name, derive, derived):
    fresh, shipped = tomllib.loads(derive.write(derived[name])[0]), raw(name)
    assert fresh.keys() == shipped.keys()
    for key, value in shipped.items():
        if key == "classes":
            for ours, theirs in zip(fresh[key], value, strict=True):
                assert ours == pytest.approx(theirs, rel=1e-3)
        elif key in ("isl", "osl", "arrivals"):
            assert fresh[key] == pytest.approx(value, rel=1e-3)
        elif key == "prefix_lru":
            assert [row["hit_frac"] for row in fresh[key]] == pytest.approx([row["hit_frac"] for row in value])
        elif isinstance(value, (float, dict)) or key == "day_shape":
            assert fresh[key] == pytest.approx(value, abs=2e-3)
        else:
            assert fresh[key] == value, key


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_classes_against_every_request(name, derived):
    isl, osl = derived[name].isl, derived[name].osl
    classes = read_workload(raw(name), name).classes
    moments = {
        "isl": (sum(c.weight * c.isl for c in classes), isl.mean(), 1e-5),
        "osl": (sum(c.weight * c.osl for c in classes), osl.mean(), 2e-5),
        "isl_isl": (sum(c.weight * c.isl**2 for c in classes), (isl**2).mean(), SHORTFALL["isl_isl"]),
        "isl_osl": (
            sum(c.weight * c.isl * c.osl for c in classes),
            (isl * osl).mean(),
            SHORTFALL["isl_osl"],
        ),
        "osl_osl": (sum(c.weight * c.osl**2 for c in classes), (osl**2).mean(), SHORTFALL["osl_osl"]),
    }
    for key, (ours, theirs, bound) in moments.items():
        assert ours == pytest.approx(theirs, rel=bound), key
        assert key in ("isl", "osl", "isl_osl") or ours <= theirs * (1 + 1e-4), "classes can only lose variance"


@pytest.mark.parametrize("name", sorted(MEASURED))
def test_classes_keep_the_95th_percentile_of_input(name, derived):
    ordered = sorted(derived[name].isl)
    p95 = ordered[round(0.95 * len(ordered)) - 1]
    above = sum(c.weight for c in read_workload(raw(name), name).classes if c.isl >= p95)
    assert above == pytest.approx(0.05, abs=0.002)


def test_dispersion_of_a_poisson_stream_is_one(derive):
    import numpy as np

    times = np.cumsum(np.random.default_rng(1).exponential(0.2, 100_000))
    assert derive.stats.dispersion(times) == pytest.approx(1, abs=0.05)
    assert derive.stats.interarrival_cv(times) == pytest.approx(1, abs=0.01)


def test_many_equal_clients_together_look_poisson(derive):
    import numpy as np

    one = derive.stats.superposed_cv2(np.ones(1), np.full(1, 9.0))
    many = derive.stats.superposed_cv2(np.ones(1000), np.full(1000, 9.0))
    assert one == pytest.approx(9)
    assert 1 < many < 1.1


def test_prefix_hit_by_hand(derive):
    import numpy as np

    blocks, tokens = [[1, 2], [1, 3], [9, 2], [1, 2]], np.full(4, 1024.0)
    assert derive.stats.prefix_hit(blocks, tokens, 512) == pytest.approx((0 + 512 + 0 + 1024) / 4096)
    assert derive.stats.prefix_hit(blocks, tokens, 512, cache_tokens=1024) == pytest.approx(512 / 4096)


# --- bad files ---------------------------------------------------------------------------------------


def good():
    return {
        "name": "mine",
        "title": "mine",
        "evidence": "assumed",
        "source": "me",
        "seen": "2026-01-01",
        "classes": [[0.25, 100, 10], [0.75, 200, 30]],
        "isl": {"mean": 175, "p50": 200, "max": 200},
        "osl": {"mean": 25},
        "arrival_cv": 1.5,
        "prefix_hit_frac": 0.2,
        "day_shape": [1.0] * 24,
    }


def test_a_file_of_ones_own_needs_little():
    record = read_workload({k: v for k, v in good().items() if k not in ("isl", "osl", "day_shape")}, "mine.toml")
    assert (record.isl_mean, record.osl_mean) == (175, 25)
    assert record.day_shape == (1.0,) * 24


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": []}, "classes needs rows"),
        ({"classes": [[0.5, 100, 10], [0.4, 200, 30]]}, "shares sum to 0.9. Scale them"),
        ({"classes": [[1.0, 100]]}, "row 1 is [1.0, 100]. Write [share of requests, isl, osl]"),
        ({"classes": [[1.0, 0, 10]]}, "row 1: lengths 0 and 10 need to be at least 1 token"),
        ({"classes": [[0.0, 5, 5], [1.0, 100, 10]]}, "row 1: the share is 0. Write one above 0"),
        ({"isl": {"mean": 180}}, "isl: mean is 180, but the classes have 175. Make the two agree"),
        ({"isl": {}}, "isl: mean is missing"),
        ({"isl": {"mean": 175, "p50": 300, "max": 200}}, "isl: quantiles must rise"),
        ({"isl": {"mean": 175, "median": 2}}, "isl: unknown field median"),
        ({"arrival_cv": 0}, "arrival_cv is 0. Write a number above 0"),
        ({"arrival_cv": "high"}, "arrival_cv needs a number, not 'high'"),
        ({"arrival_cv": float("nan")}, "arrival_cv needs a number"),
        ({"prefix_hit_frac": 1.0}, "prefix_hit_frac is 1. Write a share"),
        ({"prefix_hit_frac": -0.1}, "prefix_hit_frac is -0.1. Write a share"),
        ({"day_shape": [1.0] * 23}, "day_shape needs 24 hourly factors"),
        ({"day_shape": [2.0] * 24}, "the factors have mean 2. Divide them by it"),
        ({"evidence": "guessed"}, "evidence is 'guessed'. Write one of measured, assumed"),
        ({"title": 3}, "title needs text"),
        ({"burstyness": 2}, "unknown field burstyness"),
    ],
)
def test_bad_file_gives_one_clear_error(change, message):
    with pytest.raises(FileError, match=re.escape(message)) as caught:
        read_workload(good() | change, "mine.toml")
    assert "mine.toml" in str(caught.value)


@pytest.mark.parametrize("key", ["name", "title", "evidence", "source", "seen", "classes"])
def test_missing_field_is_named(key):
    with pytest.raises(FileError, match=f"mine.toml: {key} is missing"):
        read_workload({k: v for k, v in good().items() if k != key}, "mine.toml")


# --- --isl --osl -------------------------------------------------------------------------------------


def test_fixed_lengths():
    record = fixed(1024, 128)
    assert [(c.weight, c.isl, c.osl) for c in record.classes] == [(1, 1024, 128)]
    assert (record.isl_mean, record.osl_mean, record.arrival_cv) == (1024, 128, 1)
    assert record.peak_to_mean == 1
    assert record.prefix_hit_frac == 0


def test_fixed_lengths_with_a_range_keep_the_moments_of_the_even_spread():
    record = fixed(1000, 100, range_frac=0.2)
    assert record.isl_mean == 900
    assert sum(c.weight * c.isl for c in record.classes) == pytest.approx(900)
    assert sum(c.weight * c.isl**2 for c in record.classes) == pytest.approx(900**2 + 200**2 / 12)
    assert sum(c.weight * c.isl * c.osl for c in record.classes) == pytest.approx(900 * 90)
    assert all(800 < c.isl < 1000 and 80 < c.osl < 100 for c in record.classes)
    assert dict(record.isl_quantiles)[0.95] == pytest.approx(990)


@pytest.mark.parametrize(
    ("isl", "osl", "spread"), [(0, 10, 0), (10, 0.5, 0), (float("nan"), 1, 0), (10, 10, 1.0), (10, 10, -0.1)]
)
def test_fixed_refuses_what_is_no_length(isl, osl, spread):
    with pytest.raises(BadInputError):
        fixed(isl, osl, range_frac=spread)
