"""Choosing among measured configurations by prediction: hand-made cases, then what must hold for all."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.measure.choice import Candidate, candidate, choose, tokens_per_s
from drivetrain.measure.score import Pair
from drivetrain.measure.table import parse

CASE = ("model", "part", "engine", "1000", "1000")
SLO = 0.020
MS, TOKENS_PER_S = st.floats(1, 100), st.floats(1, 1e4)


def one(name: str, tpot: tuple[float, float], rate: tuple[float, float], case: tuple[str, ...] = CASE) -> Candidate:
    """TPOT in ms and tokens/s, each (predicted, measured)."""
    return Candidate(case, (name,), Pair(tpot[0] / 1e3, tpot[1] / 1e3), Pair(*rate))


SLOW = one("tp8 x1", (8, 9), (100, 100))
GOOD = one("tp4 x1", (18, 19), (180, 160))
FAST = one("tp2 x1", (21, 19.5), (300, 200))  # keeps the limit, and is predicted not to
WILD = one("tp1 x1", (40, 60), (400, 250))


def test_the_highest_predicted_rate_within_the_limit_is_chosen_and_compared_with_the_best_that_kept_it():
    found = choose([SLOW, GOOD, FAST, WILD], [SLO])
    assert (found.cases, found.broken_frac, found.missed, found.none_keeps) == (1, 0.0, 0, 0)
    assert found.mean_regret == found.mean_regret_net == pytest.approx(1 - 160 / 200)


def test_the_order_of_the_rows_does_not_matter():
    assert choose([WILD, FAST, GOOD, SLOW], [SLO]) == choose([SLOW, GOOD, FAST, WILD], [SLO])


def test_a_choice_more_than_five_percent_above_the_limit_breaks_it_and_has_no_regret():
    breaks = one("tp4 x1", (18, 21.1), (180, 160))
    found = choose([SLOW, breaks, WILD], [SLO])
    assert (found.cases, found.broken_frac, found.mean_regret) == (1, 1.0, None)


def test_a_choice_within_five_percent_counts_as_kept_and_may_outdo_the_best():
    near = one("tp4 x1", (18, 20.9), (180, 160))
    found = choose([SLOW, near, WILD], [SLO])
    assert (found.broken_frac, found.mean_regret) == (0.0, 0.0)
    assert found.mean_regret_net == pytest.approx(1 - 160 / 100)


def test_cases_where_nothing_is_predicted_to_keep_the_limit_are_counted_apart():
    unseen = [replace(x, tpot=replace(x.tpot, predicted=1.0)) for x in (SLOW, GOOD, WILD)]
    assert choose(unseen, [SLO]).missed == 1
    nowhere = [replace(x, tpot=Pair(1.0, 1.0)) for x in unseen]
    found = choose(nowhere, [SLO])
    assert (found.cases, found.missed, found.none_keeps, found.broken_frac) == (0, 0, 1, None)


def test_three_different_configurations_make_a_case_and_cases_are_apart():
    twice = [SLOW, GOOD, replace(GOOD)]
    assert choose(twice, [SLO]).cases == 0
    other = [replace(x, case=("other",)) for x in (SLOW, GOOD, FAST)]
    assert choose([SLOW, GOOD, FAST, *other], [SLO]).cases == 2
    assert choose([SLOW, GOOD, *other[:1]], [SLO]).cases == 0


@given(
    st.lists(st.tuples(MS, MS, TOKENS_PER_S, TOKENS_PER_S), min_size=1, max_size=12),
    st.sampled_from([0.005, 0.02, 0.05]),
)
def test_shares_are_shares_and_perfect_predictions_neither_break_nor_regret(rows, slo):
    found = choose([one(str(i), (p, m), (a, b)) for i, (p, m, a, b) in enumerate(rows)], [slo])
    assert found.cases + found.missed + found.none_keeps == (len(rows) >= 3)
    assert found.broken_frac is None or 0 <= found.broken_frac <= 1
    assert found.mean_regret is None or 0 <= found.mean_regret < 1
    perfect = choose([one(str(i), (m, m), (b, b)) for i, (_, m, _, b) in enumerate(rows)], [slo])
    assert (perfect.broken_frac, perfect.mean_regret, perfect.missed) in ((0.0, 0.0, 0), (None, None, 0))


HEADER = ("row_id,engine,model,accelerator,weight_dtype,concurrency_requests,n_gpus,input_tokens_mean,"
          "output_tokens_mean,tpot_s,ttft_s")  # fmt: skip


def test_a_row_becomes_a_candidate_with_rates_per_accelerator():
    cells = "vllm,llama-3.1-70b,h100-sxm-80gb,fp8,16,4,1000,101,0.01,1.0"
    raw = parse(f"{HEADER}\na,{cells}\n", (), "row_id", "x").rows[0]
    found = candidate(raw, 0.02, 2.0)
    assert found.case == ("llama-3.1-70b", "h100-sxm-80gb", "vllm", "1000", "101")
    assert found.configuration == ("tp4 x1", "fp8", "16")
    assert found.rate.measured == pytest.approx(16 * 101 / (1.0 + 0.01 * 100) / 4)
    assert found.rate.predicted == pytest.approx(found.rate.measured / 2)
    assert found.tpot == Pair(0.02, 0.01)


def test_a_row_without_a_measurement_is_no_candidate():
    raw = parse(f"{HEADER}\na,vllm,llama-3.1-70b,h100-sxm-80gb,fp8,16,4,1000,101,0.01,\n", (), "row_id", "x").rows[0]
    assert candidate(raw, 0.02, 2.0) is None


def test_a_closed_loop_obeys_littles_law():
    ttft, tpot, osl, in_flight = 0.7, 0.013, 250, 48
    rate = tokens_per_s(in_flight, osl, ttft, tpot)
    assert rate / osl * (ttft + tpot * (osl - 1)) == pytest.approx(in_flight)
