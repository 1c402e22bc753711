from dataclasses import replace

import numpy as np
import pytest

from drivetrain.econ.split import Shares, TokenCost, flow_of, per_million, pool_shares, shares_of
from drivetrain.errors import BadInputError
from drivetrain.scenario import ServeScenario
from drivetrain.serving.steady import at_rate
from drivetrain.verbs.predict_serve import prepared_of
from drivetrain.verbs.resolve import resolve

SCENARIO = ServeScenario(
    model="llama-3.1-8b", accelerators=("h100-sxm",), layouts=("tp1",), engines=("vllm",), isl=4000.0, osl=200.0,
    rate=2.0,
)  # fmt: skip


def replica(**changes):
    _, prepared = prepared_of(resolve(replace(SCENARIO, **changes)))
    return prepared, at_rate(prepared, 2.0)


def test_shares_sum_to_one_and_prompts_take_most_of_a_long_prompt_workload():
    found = shares_of(*replica())
    assert found.input + found.cached + found.output == pytest.approx(1.0)
    assert found.cached == 0.0
    long, short = found.input, shares_of(*replica(isl=500.0, osl=2000.0, rate=1.0)).input
    assert long > 2 * short


def test_a_hit_costs_something_but_much_less_than_a_miss():
    cold, warm = shares_of(*replica()), shares_of(*replica(prefix_hit=0.5))
    assert 0 < cold.hit_over_miss < 0.3
    assert 0 < warm.hit_over_miss < 0.3
    assert warm.cached > 0


def test_the_three_bills_sum_to_the_whole():
    prepared, state = replica(prefix_hit=0.6)
    flow = flow_of(prepared.lengths, 2.0)
    cost = per_million(7.0, shares_of(prepared, state), flow)
    hour = (cost.input * flow.input + cost.cached * flow.cached + cost.output * flow.output) * 3600 / 1e6
    assert hour == pytest.approx(7.0)
    assert flow.input + flow.cached == pytest.approx(2.0 * 4000)


def test_pools_are_shared_out_by_what_they_cost():
    prepared, state = replica(prefix_hit=0.5)
    found = pool_shares(prepared, state, 0.4)
    assert found.input + found.cached == pytest.approx(0.4)
    assert found.output == pytest.approx(0.6)
    with pytest.raises(BadInputError, match="prefill pool"):
        pool_shares(prepared, state, 1.4)


def test_dearer_fleets_cost_more_a_token_in_the_same_proportions():
    shares, flow = Shares(0.3, 0.1, 0.6, 0.05), flow_of(replica(prefix_hit=0.5)[0].lengths, 2.0)
    one, two = per_million(2.0, shares, flow), per_million(4.0, shares, flow)
    assert two == TokenCost(*(2 * value for value in (one.input, one.cached, one.output)))


def test_shares_that_do_not_sum_are_refused():
    with pytest.raises(BadInputError, match="sum to 1"):
        Shares(0.5, 0.1, 0.6, 0.0)


def test_lengths_with_one_class_flow_as_they_are():
    prepared, _ = replica()
    flow = flow_of(prepared.lengths, 3.0)
    assert np.allclose((flow.input, flow.cached, flow.output), (12000.0, 0.0, 600.0))
