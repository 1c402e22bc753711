"""Several replicas, pools and regions whose every step takes a second: routing, failures, scaling, cascades."""

from dataclasses import replace

import numpy as np
import pytest

import simulated as s
from drivetrain.errors import BadInputError, PolicyError
from drivetrain.serving import policies
from drivetrain.serving.sim import records as r
from drivetrain.serving.sim.reference import simulate

RULES = r.Rules("test", token_budget=100, max_num_seqs=8)


def pool(**changes):
    return s.pool("metronome", **{"rules": RULES, "cache": r.Cache(1000, 10), **changes})


def route(text):
    return r.Policies(route=policies.parse("route", text))


def named(outcome, row):
    return {name: float(part) for name, part in zip(r.PARTS, outcome.parts[row], strict=True) if part}


# ---------------------------------------------------------------- ways and delays


def test_both_ways_and_the_front_end():
    fleet = s.fleet(pool(region=1, frontend_s=0.25), regions=("here", "there"), network_s=np.array([[0, 2.0], [2, 0]]))
    o = simulate(fleet, s.requests(1.0, 10, 3))
    assert o.first_s[0] == 1 + 2 + 1 + 0.25 + 2
    assert o.finish_s[0] == o.first_s[0] + 2
    assert named(o, 0) == {"network": 4.0, "prefill": 1.0, "decode": 2.0, "frontend": 0.25}


def test_round_robin_and_least_loaded():
    sent = s.requests([0, 0, 0, 10, 12.5], 10, [30, 2, 2, 2, 2])
    turn = simulate(s.fleet(pool(replicas=2), policies=route("round-robin")), sent)
    assert turn.replica.tolist() == [0, 1, 0, 1, 0]
    least = simulate(s.fleet(pool(replicas=2), policies=route("least-loaded")), sent)
    assert least.replica.tolist() == [0, 1, 0, 1, 1]


def test_the_router_sees_engines_as_last_scraped():
    # by queue: once one waits at replica 0 they go to the other, unless the router has not read that since time 0
    sent = s.requests([0, 0.5, 0.6, 0.7], 100, 1)
    policy = r.Policies(route=policies.parse("route", "weighted:queue=1,kv=0,inflight=0,prefix=0"))
    assert simulate(s.fleet(pool(replicas=2), policies=policy), sent).replica.tolist() == [0, 0, 1, 1]
    stale = s.fleet(pool(replicas=2), policies=policy, scrape_s=10.0)
    assert simulate(stale, sent).replica.tolist() == [0, 0, 0, 0]


def prefix_fleet(policy, **fields):
    cache = r.Cache(100, 10, prefix=True)
    return s.fleet(pool(replicas=2, cache=cache), policies=route(policy), **fields)


def test_prefixes_go_where_they_went_before():
    names = [(1, 2, 3), (9,), (1, 2, 4)]
    sent = s.requests([0, 0, 20], 40, 2, prefixes=names, hash_tokens=10)
    for policy in ("prefix-aware", "prefix-events"):
        o = simulate(prefix_fleet(policy), sent)
        assert o.replica.tolist() == [0, 1, 0]
        assert o.cached_tokens.tolist() == [0, 0, 20]


def test_the_router_forgets_and_events_are_late():
    names = [(9,), (1, 2, 3), (1, 2, 4)]
    sent = s.requests([0, 0, 20], 40, 2, prefixes=names, hash_tokens=10)
    assert simulate(prefix_fleet("prefix-aware"), sent).replica[2] == 1
    assert simulate(prefix_fleet("prefix-aware", index_ttl_s=10.0), sent).replica[2] == 0
    assert simulate(prefix_fleet("prefix-events"), sent).replica[2] == 1
    assert simulate(prefix_fleet("prefix-events", event_lag_s=19.5), sent).replica[2] == 0


def test_refused():
    fleet = s.fleet(pool(), policies=r.Policies(admit=policies.parse("admit", "token-bucket:rate=1,burst=1")))
    o = simulate(fleet, s.requests([0, 0.5, 2], 10, 2, after=[-1, -1, 1], gap_s=3.0))
    assert o.status.tolist() == [r.COMPLETED, r.REJECTED, r.COMPLETED]
    assert o.replica[1] == -1
    assert o.sent_s.tolist() == [0, 0.5, 3.5]  # what waits for a refused request is sent all the same


def test_turns_and_loops():
    o = simulate(s.fleet(pool()), s.requests([0, 0, 0], 10, 3, after=[-1, 0, 1], gap_s=[9, 1, 2]))
    assert o.sent_s.tolist() == [0, 4, 9]
    o = simulate(s.fleet(pool()), s.requests(0, 10, [3, 1, 1, 1], concurrency=2, gap_s=[0, 0, 0, 2]))
    assert o.sent_s.tolist() == [0, 0, 1, 4]


# ---------------------------------------------------------------- failures


FAIL_AT_4 = (r.Control(4.0, r.FAIL, 0), r.Control(6.0, r.DETECT, 0))


def test_what_a_failure_takes_is_sent_again():
    fleet = s.fleet(pool(replicas=2), controls=FAIL_AT_4, retry_s=1.0)
    o = simulate(fleet, s.requests([0, 0, 4.5, 20], 10, [10, 2, 10, 2]))
    # until 6 the router takes replica 0 for alive: it has nothing in flight, so what is sent at 4.5 and at 5 goes there
    assert o.retries.tolist() == [2, 0, 2, 0]
    assert o.replica.tolist() == [1, 1, 1, 1]
    assert o.finish_s.tolist() == [16.0, 2.0, 16.5 + 0.5, 22.0]
    assert named(o, 0) == {"retry": 6.0, "prefill": 1.0, "decode": 9.0}
    assert o.output_tokens.tolist() == [13, 2, 10, 2]
    assert o.steps == 3 + 2 + 11 + 2  # the step that the failure cut off never ended


def test_given_up():
    fleet = s.fleet(pool(), controls=FAIL_AT_4, retry_s=1.0, max_retries=2)
    o = simulate(fleet, s.requests([0, 1], 10, [10, 1], after=[-1, 0], gap_s=1.0))
    assert o.status.tolist() == [r.LOST, r.LOST]
    assert o.sent_s.tolist() == [0, 7]
    assert np.isnan(o.first_s).all()
    assert o.end_s == 9.0


def test_a_repaired_replica_serves_again():
    controls = (*FAIL_AT_4, r.Control(7.0, r.RECOVER, 0), r.Control(8.0, r.DETECT, 0))
    fleet = s.fleet(pool(), controls=controls, retry_s=2.5)
    o = simulate(fleet, s.requests(0, 10, 10))
    assert o.status[0] == r.COMPLETED
    assert o.finish_s[0] == 4 + 2 * 2.5 + 10
    assert o.on_s == [o.end_s]


def test_notice_lets_it_finish_and_is_then_not_paid_for():
    controls = (r.Control(1.5, r.NOTICE, 0), r.Control(8.0, r.FAIL, 0))
    o = simulate(s.fleet(pool(replicas=2), controls=controls), s.requests([0, 2, 2], 10, [5, 5, 20]))
    assert o.replica.tolist() == [0, 1, 1]
    assert o.retries.sum() == 0
    assert o.on_s == [8.0 + o.end_s]


def test_a_slow_replica():
    controls = (r.Control(2.5, r.SLOW, 0, value=3.0), r.Control(5.5, r.SLOW, 0, value=1.0))
    o = simulate(s.fleet(pool(), controls=controls), s.requests(0, 10, 6))
    assert o.finish_s[0] == 3 + 3 + 2  # the step under way and one slow one


def test_a_partition_hides_and_delays():
    two = {"regions": ("here", "there"), "network_s": np.zeros((2, 2))}
    pools = pool(region=0, name="a"), pool(region=1, name="b")
    controls = (r.Control(2.5, r.PARTITION, 0, 1, value=20.0),)
    o = simulate(s.fleet(*pools, controls=controls, **two), s.requests([0, 0, 3, 20], 10, [10, 10, 2, 2]))
    assert o.replica.tolist() == [0, 1, 0, 0]
    assert o.first_s[:2].tolist() == [1.0, 1.0]
    assert o.finish_s[:2].tolist() == [10.0, 20.0]
    assert named(o, 1)["network"] == 10.0


# ---------------------------------------------------------------- scaling


def scaled(text, **changes):
    policy = policies.parse("scale", text)
    return s.fleet(pool(replicas=1, **changes), policies=r.Policies(scale=policy, scale_s=2.0))


def test_growing_takes_its_time():
    fleet = scaled("target-concurrency:target=1,down_after=100", max_replicas=3, cold_start_s=3.0)
    o = simulate(fleet, s.requests([0, 0, 0, 6], 10, 10))
    assert o.replica.tolist() == [0, 0, 0, 1]
    assert o.on_s == [o.end_s + 2 * (o.end_s - 2.0)]


def test_shrinking_waits_until_nothing_is_left():
    fleet = s.fleet(
        pool(replicas=2), policies=r.Policies(scale=policies.parse("scale", "target-concurrency:target=9,down_after=0"),
                                              scale_s=2.0)
    )  # fmt: skip
    o = simulate(fleet, s.requests([0, 0, 3], 10, [10, 5, 10]))
    assert o.replica.tolist() == [0, 1, 0]
    assert o.on_s == [o.end_s + 5.0]


# ---------------------------------------------------------------- selection


def test_a_cascade_asks_the_next_and_counts_both():
    policy = r.Policies(select=policies.parse("select", "cascade:skill=0.5"))
    fleet = s.fleet(pool(name="small"), pool(name="large", service=1), policies=policy)
    o = simulate(fleet, s.requests(0, 10, [3, 3], service=-1, difficulty=[0.2, 0.9]))
    assert o.stages.tolist() == [1, 2]
    assert o.replica.tolist() == [0, 1]
    assert o.finish_s.tolist() == [3.0, 6.0]
    assert o.first_s[1] == 4.0
    assert o.output_tokens.tolist() == [3, 6]
    assert named(o, 1) == {"retry": 3.0, "prefill": 1.0, "decode": 2.0}


def test_a_service_that_is_named_is_kept():
    policy = r.Policies(select=policies.parse("select", "cascade:skill=0.5"))
    fleet = s.fleet(pool(name="small"), pool(name="large", service=1), policies=policy)
    o = simulate(fleet, s.requests(0, 10, [3, 3], service=[0, 1], difficulty=0.9))
    assert o.stages.tolist() == [1, 1]
    assert o.replica.tolist() == [0, 1]


# ---------------------------------------------------------------- policies of one's own


@pytest.fixture
def own(tmp_path):
    """Registers policies from the text of a file and forgets them afterwards."""
    file = tmp_path / "own.py"

    def load(text):
        file.write_text("import numpy as np\nfrom drivetrain.serving.policies import register\n" + text)
        return policies.load_file(file)

    yield load
    policies.registry.forget(str(file.resolve()))


def test_ones_own_policy_routes(own):
    own("""
@register("route")
def to_the_last(request, endpoints, state, draws, scores, but=1.0):
    scores[:] = 0.0
    scores[-int(but)] = 1.0
""")
    sent = s.requests([0, 1], 10, 2)
    assert simulate(s.fleet(pool(replicas=3), policies=route("to-the-last")), sent).replica.tolist() == [2, 2]
    assert simulate(s.fleet(pool(replicas=3), policies=route("to-the-last:but=2")), sent).replica.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("1 / 0", "raised ZeroDivisionError"),
        ("scores[:] = np.nan", "scored replica 0 nan"),
        ("scores[:] = -np.inf", "scored every replica -inf"),
        ("scores[:] = [1.0, 0.0]", "scored replica 0 best, which is not alive"),
    ],
)
def test_a_policy_that_fails_is_named(own, body, says):
    own(f"""
@register("route")
def mine(request, endpoints, state, draws, scores):
    scores[:] = [0.0, 1.0]
    if request[1] > 1.0:
        {body}
""")
    dead = (r.Control(1.0, r.FAIL, 0), r.Control(1.0, r.DETECT, 0))
    fleet = s.fleet(pool(replicas=2), policies=route("mine"), controls=dead)
    with pytest.raises(PolicyError) as error:
        simulate(fleet, s.requests([0, 1.5], 10, 2))
    for part in ("route policy 'mine'", says, "request 1", "1.5 s"):
        assert part in str(error.value)
    assert isinstance(error.value, BadInputError)


@pytest.mark.parametrize(
    ("kind", "parameters", "body", "says"),
    [
        ("admit", "request, endpoints, state, draws", "raise RuntimeError('no')", "raised RuntimeError: no"),
        ("schedule", "request", "return float('nan')", "nan as the key"),
        ("select", "request, services, state, draws", "return 7", "chose service 7 of 1"),
        ("select", "request, services, state, draws", "return None", "answered None"),
        ("scale", "pool, state", "return float('nan')", "wants nan replicas"),
    ],
)
def test_policies_of_other_kinds_that_fail(own, kind, parameters, body, says):
    own(f"""
@register("{kind}")
def mine({parameters}):
    {body}
""")
    fleet = s.fleet(pool(), policies=replace(r.Policies(scale_s=1.5), **{kind: r.Policy("mine")}))
    with pytest.raises(PolicyError, match=says):
        simulate(fleet, s.requests([0, 5], 10, 2, service=-1))


# ---------------------------------------------------------------- looking on


def test_progress_and_interruption():
    heard = []
    sent = s.requests(np.arange(400.0), 10, 10)
    simulate(s.fleet(pool()), sent, progress=lambda *state: heard.append(state))
    assert heard
    assert heard == sorted(heard)
    assert all(total == 400 for _, total, _ in heard)

    def stop(simulation):
        if simulation.timeline.now >= 100.0:
            raise KeyboardInterrupt

    o = simulate(s.fleet(pool()), sent, observe=stop)
    assert o.end_s == 100.0
    assert (o.status[:70] == r.COMPLETED).all()  # eight at a time, ten seconds each
    assert (o.status[100:] == r.UNFINISHED).all()


def test_a_run_that_cannot_go_on_ends():
    # what check refuses: a prompt that fits nowhere waits forever, and ticks alone do not keep the run alive
    fleet = s.fleet(pool(cache=r.Cache(2, 10)), scrape_s=1.0)
    o = simulate(fleet, s.requests([0, 1], [100, 10], 1))
    assert o.status.tolist() == [r.UNFINISHED, r.UNFINISHED]
