"""How likely the best plan really is the best."""

import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.measure.spread import Z80
from drivetrain.verbs.confidence import probability_less, ranking_confidence

ranges = st.tuples(st.floats(0.1, 1.0), st.floats(0.1, 10.0), st.floats(1.0, 10.0)).map(
    lambda found: (found[0] * found[1], found[1], found[1] * found[2])
)


def lognormal(value, sigma):
    return value * math.exp(-Z80 * sigma), value, value * math.exp(Z80 * sigma)


@given(ranges, ranges)
def test_the_two_chances_are_one(one, other):
    assert probability_less(one, other) + probability_less(other, one) == pytest.approx(1.0)


@given(ranges, ranges, st.floats(1.0, 5.0))
def test_a_dearer_rival_makes_the_best_surer(one, other, dearer):
    assert probability_less(one, tuple(v * dearer for v in other)) >= probability_less(one, other)


@pytest.mark.parametrize(("ratio", "a", "b"), [(1.1, 0.1, 0.2), (1.5, 0.3, 0.1), (1.02, 0.05, 0.05)])
def test_two_normal_errors_give_the_closed_form(ratio, a, b):
    exact = NormalDist().cdf(math.log(ratio) / math.hypot(a, b))
    assert probability_less(lognormal(1.0, a), lognormal(ratio, b)) == pytest.approx(exact, abs=0.003)


def test_a_rival_without_an_upper_end_is_cheaper_at_most_where_it_has_one():
    never_ends = (0.5, 1.0, math.inf)
    assert probability_less((1e6, 1e6, 1e6), never_ends) == pytest.approx(0.1, abs=0.005)


def row(accelerator, usd, low, high, **more):
    latency = {"mean": usd, "mean_p10": low, "mean_p90": high}
    name = "usd_per_million_output_tokens"
    return {"accelerator": accelerator, "layout": "tp4", name: usd, f"{name}_p10": low, f"{name}_p90": high,
            "ttft_s": latency, "tpot_s": latency, **more}  # fmt: skip


def test_the_rival_is_the_next_on_another_accelerator():
    pools = {"prefill": {"accelerator": "a"}, "decode": {"accelerator": "c"}}
    rows = [row("a", 1.0, 0.9, 1.1), row("c", 1.1, 1.0, 1.2, layout=pools), row("b", 1.2, 1.1, 1.3)]
    found = ranking_confidence(rows, "cost")
    assert (found["best"], found["runner_up"], found["metric"]) == ("a", "b", "usd_per_million_output_tokens")
    assert 0.9 < found["probability"] < 1.0
    assert 0.9 < ranking_confidence(rows, "latency")["probability"] < 1.0


@pytest.mark.parametrize("rows", [[], [row("a", 1.0, 0.9, 1.1)], [row("a", 1.0, 0.9, 1.1), row("b", None, None, None)]])
def test_without_a_rival_nothing_is_said(rows):
    assert ranking_confidence(rows, "cost") is None
