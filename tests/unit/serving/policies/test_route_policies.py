"""Laws of every route policy, then what each is for."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from policy_arrays import decision, decisions, endpoints, options, picked, scores

from drivetrain.serving import policies
from drivetrain.serving.policies import dispatch
from drivetrain.serving.policies import signals as s

ROUTES = policies.BUILT_IN["route"]
BY_POSITION = ("round-robin", "random", "power-of-two", "session")

each = pytest.mark.parametrize("name", ROUTES)


@each
@given(d=decisions())
def test_the_dead_are_never_picked_and_the_living_always(name, d):
    found = scores(name, d)
    assert not np.isnan(found).any()
    assert (found[~d.alive] == -np.inf).all()
    assert (dispatch.best.py_func(found) >= 0) == d.alive.any()


@each
@given(d=decisions())
def test_machine_code_and_python_agree_bit_for_bit(name, d):
    python, machine = d.copy(), d.copy()
    expected = scores(name, python)
    found = np.full(len(expected), np.nan)
    taken = options("route", name)
    dispatch.score(ROUTES.index(name), machine.request, machine.endpoints, machine.state, machine.draws, taken, found)
    assert found.tobytes() == expected.tobytes()
    assert machine.state.tobytes() == python.state.tobytes()
    assert dispatch.best(found) == dispatch.best.py_func(expected)
    assert machine.endpoints.tobytes() == d.endpoints.tobytes()
    assert machine.request.tobytes() == d.request.tobytes()


@pytest.mark.parametrize("name", [n for n in ROUTES if n not in BY_POSITION])
@given(d=decisions(), data=st.data())
def test_scores_go_with_their_endpoints(name, d, data):
    order = np.array(data.draw(st.permutations(range(len(d.endpoints)))))
    moved = d.copy()
    moved.endpoints = np.ascontiguousarray(d.endpoints[order])
    assert (scores(name, moved) == scores(name, d)[order]).all()


@pytest.mark.parametrize("name", [n for n in ROUTES if n not in ("round-robin", "random", "session")])
def test_among_equals_the_first_is_picked(name):
    d = decision(endpoints(5, inflight=3, inflight_tokens=500, prefill_tokens_per_s=1e4, usd_per_s=1e-3))
    d.endpoints[0, s.ALIVE] = 0.0
    assert picked(name, d) == 1


def test_best_of_nothing_is_none():
    assert dispatch.best(np.array([-np.inf, -np.inf])) == -1
    assert dispatch.best(np.array([-np.inf, 2.0, 2.0])) == 1


@given(d=decisions(), n=st.integers(1, 30))
def test_round_robin_cycles_through_the_living(d, n):
    assume(d.alive.any())
    living = list(np.flatnonzero(d.alive))
    assert [picked("round-robin", d) for _ in range(n)] == [living[i % len(living)] for i in range(n)]


def test_round_robin_goes_on_behind_one_that_died():
    d = decision(endpoints(4))
    assert [picked("round-robin", d), picked("round-robin", d)] == [0, 1]
    d.endpoints[2, s.ALIVE] = 0.0
    assert [picked("round-robin", d), picked("round-robin", d)] == [3, 0]


@given(d=decisions(), u=st.floats(0, 1, exclude_max=True))
def test_random_takes_the_living_in_even_shares_of_the_draw(d, u):
    assume(d.alive.any())
    d.draws[0] = u
    living = np.flatnonzero(d.alive)
    assert picked("random", d) == living[int(u * len(living))]


def test_a_draw_of_all_but_one_stays_inside():
    u = np.nextafter(1.0, 0.0)
    for n in range(1, 200):
        d = decision(endpoints(n), draws=(u, u, u, u))
        assert picked("random", d) == n - 1
        assert picked("power-of-two", d) == max(n - 2, 0)


@given(d=decisions())
def test_least_loaded_picks_the_minimum(d):
    assume(d.alive.any())
    assert d.endpoints[picked("least-loaded", d), s.INFLIGHT] == d.endpoints[d.alive, s.INFLIGHT].min()


@given(d=decisions(), per_request=st.integers(0, 1000))
def test_least_tokens_picks_the_minimum(d, per_request):
    assume(d.alive.any())
    waiting = d.endpoints[:, s.INFLIGHT_TOKENS] + per_request * d.endpoints[:, s.INFLIGHT]
    assert waiting[picked(f"least-tokens:per_request={per_request}", d)] == waiting[d.alive].min()


@given(d=decisions())
def test_power_of_two_takes_the_better_of_two_different(d):
    n = int(d.alive.sum())
    assume(n > 0)
    found = scores("power-of-two", d)
    two = np.flatnonzero(found > -np.inf)
    assert len(two) == min(n, 2)
    assert d.endpoints[picked("power-of-two", d), s.INFLIGHT] == d.endpoints[two, s.INFLIGHT].min()


def test_power_of_two_draws_every_pair_equally_often():
    grid = (np.arange(12) + 0.5) / 12
    pairs = {}
    for u in grid:
        for v in grid:
            found = scores("power-of-two", decision(endpoints(4), draws=(u, v, 0.0, 0.0)))
            pair = tuple(np.flatnonzero(found > -np.inf))
            pairs[pair] = pairs.get(pair, 0) + 1
    assert set(pairs.values()) == {24}
    assert len(pairs) == 6


def test_prefix_aware_goes_to_the_match_while_load_is_even():
    d = decision(endpoints(3, inflight=[5, 0, 2], hit_approx=[400, 0, 0]))
    assert picked("prefix-aware", d) == 0
    d.endpoints[0, s.INFLIGHT] = 65.0
    assert picked("prefix-aware", d) == 1, "65 more than the least is uneven"
    d.endpoints[1:, s.INFLIGHT] = 44.0, 43.5
    assert picked("prefix-aware", d) == 0, "most is 22 more than the least: even again"


@given(d=decisions(), frac=st.floats(0, 1))
def test_on_a_miss_prefix_aware_falls_back_on_load(d, frac):
    assume(d.alive.any())
    d.endpoints[:, s.HIT_APPROX] = np.minimum(d.endpoints[:, s.HIT_APPROX], frac * d.request[s.ISL])
    assert (scores(f"prefix-aware:match={frac!r}", d) == scores("least-loaded", d)).all()


@given(d=decisions())
def test_among_the_longest_matches_prefix_aware_takes_the_least_loaded(d):
    assume(d.alive.any())
    match = np.where(d.alive, d.endpoints[:, s.HIT_APPROX], -1.0)
    assume(match.max() > 0.3 * d.request[s.ISL])
    longest = match == match.max()
    chosen = picked("prefix-aware:balance_abs=1000", d)
    assert longest[chosen]
    assert d.endpoints[chosen, s.INFLIGHT] == d.endpoints[longest, s.INFLIGHT].min()


@given(d=decisions())
def test_without_weight_prefix_events_balances_load_alone(d):
    assert (scores("prefix-events:weight=0,held=16", d) == scores("least-loaded", d)).all()


def test_prefix_events_weighs_work_against_load():
    # cost = (1000 - 800 + 0) / 16 + 1024 / 16 * 3 = 204.5 against (1000 - 0 + 320) / 16 + 64 * 2 = 210.5
    d = decision(endpoints(2, hit_exact=[800, 0], inflight_tokens=[0, 320], inflight=[3, 2]))
    assert list(scores("prefix-events", d)) == [-204.5, -210.5]
    # by weight 0.5: 198.25 against 169.25
    assert picked("prefix-events:weight=0.5", d) == 1


@given(d=decisions(), session=st.integers(0, 2**53 - 1), data=st.data())
def test_a_session_stays_when_another_endpoint_dies(d, session, data):
    d.request[s.SESSION] = session
    assume(d.alive.sum() > 1)
    home = picked("session", d)
    other = data.draw(st.sampled_from([i for i in np.flatnonzero(d.alive) if i != home]))
    d.endpoints[other, s.ALIVE] = 0.0
    d.endpoints[:, s.INFLIGHT] = d.endpoints[::-1, s.INFLIGHT]
    assert picked("session", d) == home
    d.endpoints[home, s.ALIVE] = 0.0
    moved = picked("session", d)
    d.endpoints[home, s.ALIVE] = 1.0
    assert moved != home
    assert picked("session", d) == home, "it comes back"


def test_sessions_spread_evenly():
    counts = np.zeros(8)
    for session in range(4000):
        counts[picked("session", decision(endpoints(8), session=session))] += 1
    assert abs(counts - 500).max() < 4 * np.sqrt(500)


@given(d=decisions())
def test_without_a_session_the_least_loaded(d):
    d.request[s.SESSION] = -1.0
    assert (scores("session:bound=1.25", d) == scores("least-loaded", d)).all()


@given(d=decisions(), session=st.integers(0, 1000), bound=st.floats(1, 4))
def test_a_bounded_session_goes_nowhere_above_the_bound(d, session, bound):
    assume(d.alive.any())
    d.request[s.SESSION] = session
    load = d.endpoints[:, s.INFLIGHT]
    most = np.ceil(bound * (load[d.alive].sum() + 1) / d.alive.sum())
    assert load[picked(f"session:bound={bound!r}", d)] + 1 <= most


@given(d=decisions(), name=st.sampled_from(["queue", "kv", "inflight", "prefix"]))
def test_weighted_by_one_thing_is_the_best_by_it(d, name):
    assume(d.alive.any())
    off = ",".join(f"{w}={float(w == name)}" for w in ("queue", "kv", "inflight", "prefix"))
    column = {"queue": s.QUEUE, "kv": s.KV_FRAC, "inflight": s.INFLIGHT, "prefix": s.HIT_APPROX}[name]
    values = d.endpoints[:, column] * (-1.0 if name == "prefix" else 1.0)
    found = scores(f"weighted:{off}", d)
    assert (found[d.alive] >= 0).all()
    assert (found[d.alive] <= 1).all()
    # 1 - use may round two uses together
    assert values[picked(f"weighted:{off}", d)] <= values[d.alive].min() + 1e-12


@given(d=decisions(), ttft=st.floats(0.01, 100))
def test_the_cheapest_region_is_cheapest_among_the_quick_enough(d, ttft):
    assume(d.alive.any())
    rate, usd = d.endpoints[:, s.PREFILL_TOKENS_PER_S], d.endpoints[:, s.USD_PER_S]
    known = rate > 0
    seconds = 2 * d.endpoints[:, s.NETWORK_S]
    seconds[known] += ((d.endpoints[:, s.INFLIGHT_TOKENS] + d.request[s.ISL])[known]) / rate[known]
    price = np.full(len(rate), np.inf)
    price[known & ~np.isnan(usd)] = (usd / np.where(known, rate, 1.0))[known & ~np.isnan(usd)]
    chosen = picked(f"cheapest-region:ttft={ttft!r}", d)
    quick = d.alive & (seconds <= ttft)
    among = quick & (price == price[quick].min()) if quick.any() else d.alive
    assert among[chosen]
    assert seconds[chosen] <= seconds[among].min() + 1.1e-9
    equal = among & (seconds == seconds[chosen])
    assert d.endpoints[chosen, s.INFLIGHT] == d.endpoints[equal, s.INFLIGHT].min()


def test_the_cheapest_region_is_left_when_it_is_too_far():
    rows = endpoints(2, network_s=[0.1, 0.005], usd_per_s=[5e-4, 1e-3], prefill_tokens_per_s=2e4)
    # 1000 / 20000 + 0.2 = 0.25 s against 0.06 s
    assert picked("cheapest-region:ttft=300ms", decision(rows)) == 0
    assert picked("cheapest-region:ttft=200ms", decision(rows)) == 1
    assert picked("cheapest-region:ttft=10ms", decision(rows)) == 1, "none in time: the quickest"
