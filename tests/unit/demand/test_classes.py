"""Classes of the catalogue: what they must hold, where they start, how they respond."""

import numpy as np
import pytest

from drivetrain.catalogue.spreads import choices, facts, spreads
from drivetrain.demand import classes, demand_curve
from drivetrain.errors import BadInputError, UnknownNameError
from drivetrain.training.ceilings.draws import Draws

WANTED = {"support", "coding", "agents", "workflow", "summarising", "retrieval", "reasoning"}
TOKENS = np.array([6e16])


@pytest.fixture(scope="module")
def values():
    return classes.all_of(classes.mids())


@pytest.fixture(scope="module")
def prices(values):
    return {name: np.array([5e-7]) for name in values}


@pytest.fixture(scope="module")
def states(values, prices):
    return classes.start(values, prices, TOKENS)


def test_the_seven_classes_of_the_question_and_their_shape(values):
    known = {one.name: one for one in classes.known()}
    assert known.keys() >= WANTED
    assert {one.latency for one in known.values()} == {"interactive", "batch"}
    for one in known.values():
        assert sum(one.regions.values()) == pytest.approx(1.0)
    assert values["agents"].calls_per_task >= 12
    assert values["agents"].tokens > 50 * values["chat"].tokens


def test_every_quantity_says_where_it_comes_from_and_guesses_say_why_not():
    rows = dict(facts("demand"))
    assert len(rows) > 150
    assert all(one.source and one.seen for one in rows.values())
    sourced = [name for name, one in rows.items() if one.kind != "assumed"]
    assert len(sourced) > 30


def test_an_unknown_class_is_told_with_what_is_close():
    with pytest.raises(UnknownNameError, match="agents"):
        classes.task_class("agent")
    assert classes.task_class("agents").tier == "frontier"


def test_at_the_start_tokens_add_up_and_shares_hold(values, prices, states):
    served = {name: demand_curve.tokens_per_year(values[name], states[name], 0.0, prices[name]) for name in values}
    assert sum(served.values()) == pytest.approx(TOKENS)
    for name, share in classes.shares(values).items():
        assert served[name] == pytest.approx(share * TOKENS)


def test_at_the_start_the_world_serves_thousands_of_trillions_a_month():
    one = spreads("demand")["world.tokens_per_month"]
    assert 2e15 <= one.low <= one.mid <= 6e15


def test_start_holds_in_every_draw_and_leaves_room_to_grow():
    at = Draws(spreads("demand"), 300, 5)
    drawn = classes.all_of(at)
    price = {name: np.full(300, 6e-7) for name in drawn}
    tokens = 12.0 * at["world.tokens_per_month"]
    start = classes.start(drawn, price, tokens)
    served = sum(demand_curve.tokens_per_year(drawn[name], start[name], 0.0, price[name]) for name in drawn)
    assert served == pytest.approx(tokens)
    for name, state in start.items():
        most = demand_curve.ceiling(drawn[name], state, 0.0, price[name])
        assert np.all(state.adopted_frac <= classes.ADOPTED_MOST * most * (1 + 1e-9))
        assert np.all(state.tasks_per_year >= drawn[name].tasks_per_year * (1 - 1e-12))


def test_dearer_tokens_ration_what_is_worth_least_and_not_what_is_worth_most(values, states):
    v, s = values["agents"], states["agents"]
    calm = demand_curve.tasks_per_year(v, s, 0.0, 5e-7)
    assert demand_curve.tasks_per_year(v, s, 0.0, 1e-6) == pytest.approx(calm)
    dear = demand_curve.willingness(v, s, 0.0, 0.5 * s.adopted_frac)
    assert demand_curve.tasks_per_year(v, s, 0.0, dear) == pytest.approx(0.5 * calm)


def test_new_kinds_of_task_arrive_unadopted(values, states):
    v, s = values["agents"], states["agents"]
    later = demand_curve.advance(v, s, 0.0, 1e-7, 1e-9)
    assert later.arrivals > 1.0
    assert later.arrivals * later.adopted_frac == pytest.approx(s.adopted_frac, rel=1e-6)


def test_elasticity_differs_by_class_and_stays_below_that_between_sellers_of_one_model(values, states, prices):
    found = {name: float(demand_curve.elasticity_long(values[name], states[name], 0.0, prices[name])[0])
             for name in values}  # fmt: skip
    most = choices("demand")["evidence.provider_elasticity"].value
    assert 0.1 < min(found.values()) < max(found.values()) < most
    assert found["support"] < found["agents"]


def test_elasticity_is_an_output_that_moves_with_the_price(values, states):
    v, s = values["agents"], states["agents"]
    at = [float(demand_curve.elasticity_long(v, s, 0.0, price)[0]) for price in (2e-7, 2e-5, 2e-3)]
    assert at == sorted(at)
    assert at[2] > 1.0 > at[0]


def test_a_start_without_price_or_tokens_is_refused(values, prices):
    with pytest.raises(BadInputError, match="price of a token for chat"):
        classes.start(values, prices | {"chat": np.array([-1e-7])}, TOKENS)
    with pytest.raises(BadInputError, match="tokens a year"):
        classes.start(values, prices, np.array([0.0]))


def test_blocks_refuse_what_is_no_curve(values, states):
    with pytest.raises(BadInputError, match="take at least 1"):
        demand_curve.blocks(values["chat"], states["chat"], 0.0, 0, 1e-8)
    with pytest.raises(BadInputError, match="above 0"):
        demand_curve.blocks(values["chat"], states["chat"], 0.0, 5, 0.0)


def test_at_unchanged_prices_tokens_grow_in_2026_as_the_counts_did_before(values):
    """Google 480 T to 1,300 T and ByteDance 12.7 T to 30 T a day within half a year of 2025."""
    from drivetrain.demand.productivity import table

    need, rent, use = table().need_s, 2.2 * 1.8 / 3600.0, 0.35
    price = {name: np.array([need[name] * rent / use]) for name in values}
    states = classes.start(values, price, TOKENS)
    for quarter in range(4):
        states = {name: demand_curve.advance(values[name], states[name], quarter / 4, price[name], 0.25)
                  for name in values}  # fmt: skip
    grown = sum(demand_curve.tokens_per_year(values[name], states[name], 1.0, price[name]) for name in values) / TOKENS
    assert 3.5 < grown < 6.5
