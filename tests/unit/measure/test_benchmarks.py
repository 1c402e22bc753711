"""The lengths of MLPerf's data sets: means kept, tails as told, every fact with its source."""

import math
import tomllib
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.errors import BadInputError
from drivetrain.measure.benchmarks import equal_parts, find_benchmark, request_lengths


@given(mean=st.floats(10, 1e4), spread=st.floats(0.01, 1.5), parts=st.integers(2, 8))
def test_parts_keep_the_mean_and_rise(mean, spread, parts):
    found = equal_parts(mean, spread, parts)
    assert sum(found) / parts == pytest.approx(mean)
    assert found == sorted(found)
    assert found[0] < mean < found[-1]


@given(mean=st.floats(10, 1e3), spread=st.floats(0.1, 1.5), room=st.floats(1.5, 5.0))
def test_no_part_is_longer_than_allowed(mean, spread, room):
    found = equal_parts(mean, spread, 6, room * mean)
    assert max(found) <= room * mean * (1 + 1e-12)
    assert sum(found) / 6 == pytest.approx(mean, rel=0.02)


def test_no_spread_is_one_part():
    assert equal_parts(100.0, 0.0, 6) == [100.0]


def test_many_parts_have_the_variance_asked_for():
    found = equal_parts(1.0, 0.5, 4000)
    assert math.sqrt(sum((x - 1.0) ** 2 for x in found) / 4000) == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize("name", ["llama2-70b", "llama3.1-405b", "llama3.1-8b", "deepseek-r1", "mixtral-8x7b"])
def test_requests_have_the_means_asked_for(name):
    lengths = request_lengths(find_benchmark(name), 777.0, 333.0)
    assert lengths.isl_mean == pytest.approx(777.0, rel=0.01)
    assert lengths.osl_mean == pytest.approx(333.0, rel=0.01)
    assert len(lengths.isl) > 1


def test_the_accuracy_target_does_not_change_the_benchmark():
    assert find_benchmark("llama2-70b-99.9") == find_benchmark("Llama2-70b-99") == find_benchmark("llama2-70b")
    assert find_benchmark("llama2-70b-interactive-99").name == "llama2-70b"


def test_an_unknown_benchmark_is_told_the_known_ones():
    with pytest.raises(BadInputError, match=r"llama2-80b.*Did you mean 'llama2-70b'"):
        find_benchmark("llama2-80b-99")


def test_every_length_has_its_source():
    text = resources.files("drivetrain.measure").joinpath("benchmarks.toml").read_text(encoding="utf-8")
    facts = [v for entry in tomllib.loads(text).values() for v in entry.values() if isinstance(v, dict)]
    assert len(facts) > 15
    for fact in facts:
        assert fact["source"]
        assert len(fact["seen"]) == 7
        assert fact["kind"] in ("vendor", "measured", "derived", "assumed")
