"""Laws of demand: the identity of Jevons, elasticity as a derivative, adoption within its ceiling, tokens conserved."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.demand import adoption, classes, demand_curve, drivers, productivity, value
from drivetrain.demand.classes import ClassValues, State

TEN_TIMES_CHEAPER = {0.06: 0.115, 0.6: 0.40, 1.11: 1.29, 1.3: 2.0}  # what compute becomes, models.md section 5


def powers(low, high):
    return st.floats(low, high).map(lambda x: 10.0**x)


costs = st.tuples(powers(-9, -3), powers(2, 7), powers(-4, 2), powers(-3, 3), st.floats(0.3, 3.0))


def single(**changes):
    """A class of constant value and lengths, alone in the world."""
    plain = {
        "tasks_per_year": 1e12, "tasks_growth": 1.0, "value_usd": 1.0, "value_sigma": 1.0, "input_tokens": 900.0,
        "output_tokens": 100.0, "calls_per_task": 1.0, "cached_frac": 0.0, "tokens_growth": 1.0,
        "tokens_fade_years": 3.0, "tokens_eta": 0.0, "integration_usd": 0.0, "integration_change": 1.0,
        "innovation": 0.03, "imitation": 0.4, "churn": 0.2, "arrival_zeta": 0.0, "arrival_most": 1e6,
        "token_share": 1.0,
    }  # fmt: skip
    return ClassValues(**{name: np.array([number]) for name, number in (plain | changes).items()})


def settled(v, price):
    """The state once adoption and kinds of task have caught up with ``price`` (that of the start: 1e-6)."""
    one = np.ones(1)
    state = State(one * 1e-3, v.tasks_per_year, one, one * 1e-6)
    return demand_curve.advance(v, state, 0.0, price, 1e6)


@pytest.mark.parametrize(("eps", "expected"), TEN_TIMES_CHEAPER.items())
def test_the_identity_of_jevons_for_pareto_values(eps, expected):
    """Price in proportion to compute per token: C = Q e goes as e^(1 - eps), to the last digit."""
    tokens, usd_per_compute = 1000.0, 1e-3

    def compute(e):
        tasks = 1e9 * value.pareto_viable_frac(usd_per_compute * e, tokens, 1e-6, eps)
        return tasks * tokens * e

    ratio = float(compute(0.1) / compute(1.0))
    assert ratio == pytest.approx(10.0 ** (eps - 1.0), rel=1e-12)
    assert ratio == pytest.approx(expected, rel=0.01)


@given(st.floats(0.0, 0.95), st.floats(0.0, 1.5), powers(-2, 2))
def test_the_identity_of_jevons_through_the_whole_curve(eta, zeta, e):
    """One class whose tasks are all worth doing: tokens a task and kinds of task alone make the elasticity."""
    v = single(tokens_eta=eta, arrival_zeta=zeta, value_usd=1e30, arrival_most=1e12)

    def compute(efficiency):
        price = 1e-6 * efficiency
        state = settled(v, price)
        return demand_curve.tokens_per_year(v, state, 0.0, price) * efficiency

    assert compute(e) / compute(1.0) == pytest.approx(e ** (1.0 - eta - zeta), rel=1e-9)
    assert demand_curve.elasticity_long(v, settled(v, 1e-6 * e), 0.0, 1e-6 * e) == pytest.approx(eta + zeta, abs=1e-9)


@given(costs)
def test_the_viable_share_falls_with_price_and_lies_between_0_and_1(cost):
    price, tokens, integration, median, sigma = cost
    shares = value.viable_frac(price * np.array([0.0, 0.5, 1.0, 2.0]), tokens, integration, np.log(median), sigma)
    assert np.all((shares >= 0.0) & (shares <= 1.0))
    assert np.all(np.diff(shares) <= 0.0)


@given(costs)
def test_elasticity_is_the_numerical_derivative(cost):
    price, tokens, integration, median, sigma = cost
    mu, h = np.log(median), 1e-5
    low, high = (value.viable_frac(price * np.exp(s * h), tokens, integration, mu, sigma) for s in (-1.0, 1.0))
    if low < 1e-12 or high > 1.0 - 1e-9:
        return  # beyond what differences of floats can tell
    numeric = -(np.log(high) - np.log(low)) / (2.0 * h)
    assert value.elasticity(price, tokens, integration, mu, sigma) == pytest.approx(numeric, rel=2e-4, abs=2e-6)


@given(costs, st.floats(1e-6, 1.0 - 1e-6))
def test_quantile_inverts_the_viable_share(cost, share):
    _, tokens, integration, median, sigma = cost
    price = value.quantile(share, tokens, integration, np.log(median), sigma)
    if price > 0.0:
        found = value.viable_frac(price, tokens, integration, np.log(median), sigma)
        assert found == pytest.approx(share, rel=1e-6, abs=1e-9)


@given(st.floats(0.0, 0.9), st.floats(0.0, 0.4), powers(-2, 1), st.floats(0.2, 2.5), st.floats(0.0, 6.0))
def test_elasticities_of_the_curve_are_its_derivatives(eta, integration, price_factor, sigma, years):
    v = single(tokens_eta=eta, integration_usd=integration, value_sigma=sigma, tokens_growth=1.3, value_usd=1.0)
    price, h = 1e-3 * price_factor, 1e-6
    one = np.ones(1)

    def slope(asked):
        return float(-(np.log(asked(price * np.exp(h))) - np.log(asked(price * np.exp(-h))))[0] / (2 * h))

    for adopted in (0.02, 1.0):
        state = State(one * adopted, v.tasks_per_year, one, one * 1e-3)
        most = float(demand_curve.ceiling(v, state, years, price)[0])
        if most < 1e-6 or most > 1.0 - 1e-6 or abs(most - adopted) < 1e-4:
            continue
        found = slope(lambda p, s=state: demand_curve.tokens_per_year(v, s, years, p))
        assert demand_curve.elasticity_short(v, state, years, price) == pytest.approx(found, rel=1e-3, abs=1e-4)
        if adopted == 1.0:  # nobody held back by adoption: what is asked is N S tau
            assert demand_curve.elasticity_long(v, state, years, price) == pytest.approx(found, rel=1e-3, abs=1e-4)


shares01 = st.floats(0.0, 1.0)
rates = st.tuples(st.floats(0.0, 0.2), st.floats(0.0, 3.0))


@given(shares01, shares01, rates, powers(-3, 2))
def test_adoption_stays_between_where_it_is_and_its_ceiling(adopted, ceiling, ab, years):
    found = float(adoption.step(adopted, ceiling, *ab, years))
    low, high = sorted((adopted, ceiling))
    assert low - 1e-12 <= found <= high + 1e-12


@given(shares01, st.floats(0.01, 1.0), rates, powers(-2, 1), st.floats(1.0, 3.0))
def test_adoption_below_its_ceiling_grows_and_steps_compose(adopted, ceiling, ab, years, longer):
    begun = min(adopted, ceiling)
    once = float(adoption.step(begun, ceiling, *ab, years))
    later = float(adoption.step(begun, ceiling, *ab, years * longer))
    assert begun - 1e-12 <= once <= later + 1e-12
    halves = adoption.step(adoption.step(begun, ceiling, *ab, years / 2), ceiling, *ab, years / 2)
    assert halves == pytest.approx(once, rel=1e-9, abs=1e-12)


@given(st.floats(0.0, 0.5), st.floats(0.5, 1.0), st.tuples(st.floats(0.001, 0.1), st.floats(0.0, 1.5)))
@settings(max_examples=20)
def test_the_exact_step_is_a_fine_euler_step(adopted, ceiling, ab):
    n, years = 20_000, 2.0
    now = np.array(adopted)
    for _ in range(n):
        now = now + adoption.rate(now, ceiling, *ab) * years / n
    assert adoption.step(adopted, ceiling, *ab, years) == pytest.approx(now, rel=2e-4)


@given(powers(-8, -5), st.integers(1, 40), st.floats(0.0, 8.0), st.sampled_from(["agents", "chat", "workflow"]))
@settings(max_examples=40)
def test_blocks_hold_the_tokens_of_the_curve_and_fall_in_price(lowest, n, years, name):
    values = classes.all_of(classes.mids())
    price = {one: np.array([5e-7]) for one in values}
    state = classes.start(values, price, np.array([6e16]))[name]
    found = demand_curve.blocks(values[name], state, years, n, lowest)
    assert found.price_usd_per_token.shape == found.tokens_per_year.shape == (n, 1)
    assert np.all(np.diff(found.price_usd_per_token, axis=0) < 0.0)
    assert np.all(found.tokens_per_year >= 0.0)
    asked = demand_curve.tokens_per_year(values[name], state, years, lowest)
    high = demand_curve.willingness(values[name], state, years, 0.01 * state.adopted_frac)
    if high[0] > lowest * 1.001:
        assert found.tokens_per_year.sum() == pytest.approx(asked, rel=1e-9)


@given(powers(15, 18), powers(-8, -5), st.integers(0, 10**6))
@settings(max_examples=25)
def test_tokens_are_conserved_over_classes(tokens, price, seed):
    from drivetrain.catalogue.spreads import spreads
    from drivetrain.training.ceilings.draws import Draws

    values = classes.all_of(Draws(spreads("demand"), 7, seed))
    prices = {name: np.full(7, price) for name in values}
    states = classes.start(values, prices, np.full(7, tokens))
    served = [demand_curve.tokens_per_year(values[name], states[name], 0.0, prices[name]) for name in values]
    assert sum(served) == pytest.approx(np.full(7, tokens), rel=1e-9)


@given(st.floats(2026.0, 2045.0), st.integers(0, 10**6), st.sets(st.sampled_from(drivers.NAMES)), powers(0, 3))
@settings(max_examples=25)
def test_the_product_of_the_drivers_is_the_total(year, seed, frozen, tokens_ratio):
    from drivetrain.catalogue.spreads import spreads
    from drivetrain.training.ceilings.draws import Draws

    rows, at = productivity.table(), Draws(spreads("demand"), 5, seed)
    asked = {"tokens_ratio": tokens_ratio, "frozen": tuple(frozen)}
    by_class = drivers.by_class(year, at, rows, **asked)
    mixed = drivers.total(drivers.factors(year, at, rows, **asked))
    need = rows.need_s
    before = sum(w * need[name] for name, w in zip(rows.classes, rows.weights, strict=True))
    after = sum(w * need[name] / drivers.total(by_class[name])
                for name, w in zip(rows.classes, rows.weights, strict=True))  # fmt: skip
    assert mixed == pytest.approx(before / after, rel=1e-9)
    assert np.all(mixed > 0.0)


@given(st.floats(0.0, 50.0), st.floats(0.01, 0.99), st.floats(0.0, 3.0), st.floats(0.0, 1.0), powers(0, 9))
def test_what_is_left_of_the_cost_never_falls_below_its_floor(years, floor, rate, learning, ratio):
    left = float(drivers.floor_law(years, floor, rate, learning, ratio))
    assert floor <= left <= 1.0
    assert float(drivers.floor_law(years + 1.0, floor, rate, learning, ratio)) <= left + 1e-15
