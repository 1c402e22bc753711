"""What no run can make sense of is refused before the run, with the row and what to do."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

import simulated as s
from drivetrain.errors import BadInputError, UnknownNameError
from drivetrain.serving.sim import records as r
from drivetrain.serving.sim.check import checked

GOOD = s.requests([0, 1, 2], 10, 5)


def refused(fleet=None, sent=GOOD, options=None, says=""):
    with pytest.raises(BadInputError) as error:
        checked(fleet or s.fleet(), sent, options)
    for part in says.split("|"):
        assert part in str(error.value)
    assert "\n" not in str(error.value)


@given(s.cases())
@settings(max_examples=40)
def test_what_the_strategies_draw_is_sound(case):
    checked(case.fleet, case.requests, case.options)


@pytest.mark.parametrize(
    ("column", "values", "says"),
    [
        ("arrival_s", [0, np.nan, 2], "request 1|arrival_s is nan"),
        ("arrival_s", [0, np.inf, 2], "request 1|arrival_s is inf"),
        ("arrival_s", [-1, 0, 1], "request 0|arrival_s is -1"),
        ("arrival_s", [0, 2, 1], "request 2 arrives at 1 s|Sort"),
        ("isl", [1, 0, -3], "request 1 (and 1 more)|isl is 0|at least one token"),
        ("osl", [1, 1, 0], "request 2|osl is 0"),
        ("gap_s", [0, -1, 0], "request 1|gap_s is -1"),
        ("gap_s", [0, np.nan, 0], "request 1|gap_s is nan"),
        ("difficulty", [0, 0, np.nan], "request 2|difficulty is nan"),
        ("after", [-1, 1, 0], "request 1|after is 1|earlier row"),
        ("after", [-2, -1, -1], "request 0|after is -2"),
        ("hash_start", [0, 0, 1], "request 2|hash_start is 1|0 hashes"),
        ("hash_start", [-1, 0, 0], "request 0|hash_start is -1"),
        ("hash_count", [0, -1, 0], "request 1|hash_count is -1"),
        ("origin", [0, 0, 1], "request 2|origin is 1|1 origins"),
        ("service", [0, 3, 0], "request 1|service is 3|there are 1"),
    ],
)
def test_columns(column, values, says):
    refused(sent=replace(GOOD, **{column: np.array(values, dtype=getattr(GOOD, column).dtype)}), says=says)


def test_requests_as_a_whole():
    refused(sent=s.requests([], [], []), says="no requests")
    refused(sent=replace(GOOD, osl=GOOD.osl[:2]), says="3 isl but 2 osl")
    refused(sent=replace(GOOD, concurrency=-1), says="closed loop")
    refused(sent=replace(GOOD, concurrency=1, after=np.array([-1, 0, -1])), says="request 1|closed loop")
    named = s.requests([0], 10, 5, prefixes=[(1,)], hash_tokens=8)
    refused(sent=replace(named, hash_tokens=0), says="prefix hashes of 0 tokens")


def test_rows_that_wait_have_no_arrival_of_their_own():
    checked(s.fleet(), replace(GOOD, arrival_s=np.array([1.0, np.nan, 2.0]), after=np.array([-1, 0, -1])))
    checked(s.fleet(), replace(GOOD, arrival_s=np.array([2.0, 1.0, 0.0]), concurrency=2))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"replicas": 0, "max_replicas": 1}, "replicas is 0"),
        ({"replicas": 2, "max_replicas": 1}, "2 replicas of at most 1"),
        ({"pp": 0}, "pp is 0"),
        ({"frontend_s": np.nan}, "frontend_s is nan"),
        ({"cold_start_s": -1.0}, "cold_start_s is -1"),
        ({"usd_per_s": -1.0}, "usd_per_s is -1"),
        ({"role": 7}, "role 7"),
        ({"service": 1}, "no service 1"),
        ({"region": 2}, "no region 2"),
        ({"rules": r.Rules("x", 0, 8)}, "token_budget is 0"),
        ({"rules": r.Rules("x", 8, 0)}, "max_num_seqs is 0"),
        ({"rules": r.Rules("x", 8, 8, watermark_frac=1.5)}, "watermark_frac is 1.5"),
        ({"step": replace(s.step_model("tiny"), verified=0)}, "verified is 0"),
        ({"step": replace(s.step_model("tiny"), acceptance=1.2)}, "acceptance is 1.2"),
        ({"cache": r.Cache(0, 16)}, "blocks is 0"),
        ({"cache": r.Cache(9, 16, window_spans=(8.0,))}, "1 window_spans and 0 window_blocks"),
        ({"cache": r.Cache(9, 0, state_blocks=1.0, prefix=True)}, "no prefix cache"),
    ],
)
def test_pools(changes, says):
    refused(s.fleet(s.pool(name="mine", **changes), services=("model",), regions=("here",)), says=f"pool 'mine'|{says}")


def test_an_unpriced_pool_is_sound():
    checked(s.fleet(s.pool(usd_per_s=np.nan)), GOOD)


def test_services_and_roles():
    prefill, decode, both = (s.pool(role=role) for role in (r.PREFILL, r.DECODE, r.BOTH))
    checked(s.fleet(prefill, decode), GOOD)
    refused(s.fleet(prefill), says="no pool for what follows prompts")
    refused(s.fleet(decode), says="no pool for prompts")
    refused(s.fleet(prefill, decode, both), says="whole requests and for parts")
    refused(s.fleet(prefill, decode, transfers=()), says="no transfer")
    refused(s.fleet(prefill, decode, transfers=(r.Transfer(pieces=0),)), says="pieces is 0")
    refused(s.fleet(s.pool(), services=("a", "b")), s.requests(0, 1, 1, service=1), says="request 0|no pool serves it")
    refused(r.Fleet(()), says="no pool")


def test_who_select_may_choose():
    open_choice = s.requests(0, 1, 1, service=-1)
    two = s.fleet(s.pool(), services=("a", "b"))
    checked(two, open_choice)  # one-model: the first

    def select(name, *values):
        return replace(two, policies=r.Policies(select=r.Policy(name, values)))

    refused(select("cascade"), open_choice, says="may choose service 'b'")
    refused(select("one-model", 1.0), open_choice, says="may choose service 'b'")
    refused(select("one-model", 2.0), open_choice, says="no service 2")
    checked(select("one-model", 2.0), GOOD)  # never asked


def test_policies_that_nobody_knows():
    fleet = s.fleet(policies=r.Policies(route=r.Policy("leest-loaded")))
    with pytest.raises(UnknownNameError, match="least-loaded"):
        checked(fleet, GOOD)
    refused(s.fleet(policies=r.Policies(admit=r.Policy("token-bucket", (-1.0, 2.0)))))
    refused(s.fleet(policies=r.Policies(scale_s=0.0)), says="scale_s")


@pytest.mark.parametrize(
    ("control", "says"),
    [
        (r.Control(np.nan, r.FAIL), "time_s is nan"),
        (r.Control(1.0, 9), "kind 9"),
        (r.Control(1.0, r.FAIL, 1), "no replica 1"),
        (r.Control(1.0, r.SLOW, 0, value=0.0), "0 times as long"),
        (r.Control(1.0, r.PARTITION, 0, 1, value=2.0), "no region 1"),
        (r.Control(1.0, r.PARTITION, 0, 0, value=np.inf), "heals at some time"),
    ],
)
def test_controls(control, says):
    refused(s.fleet(controls=(r.Control(0.0, r.NOTICE), control)), says=f"control event 1|{says}")


def test_network():
    refused(s.fleet(network_s=np.array([[-1.0]])), says="network_s")
    refused(s.fleet(network_s=np.zeros((1, 1)), regions=("a", "b")), says="network_s is (1, 1)")
    refused(s.fleet(scrape_s=-1.0), says="scrape_s is -1")
    refused(s.fleet(index_ttl_s=np.nan), says="index_ttl_s is nan")
    checked(s.fleet(index_ttl_s=np.inf), GOOD)


def test_a_request_that_fits_nowhere():
    cache = r.Cache(2, 8)
    checked(s.fleet(s.pool(cache=cache)), s.requests(0, 10, 6))
    refused(s.fleet(s.pool(cache=cache)), s.requests([0, 0, 0], [1, 10, 99], 7),
            says="request 2 (and 1 more) needs 14 KV blocks (isl + osl = 106 tokens)|has 2|context 16")  # fmt: skip
    with_state = replace(cache, state_blocks=0.5)
    refused(s.fleet(s.pool(cache=with_state)), s.requests(0, 10, 6), says="needs 3 KV blocks")
    windows = r.Cache(2, 0, window_spans=(8.0,), window_blocks=(0.25,))
    checked(s.fleet(s.pool(cache=windows)), s.requests(0, 1000, 6))
    prefill, decode = s.pool(role=r.PREFILL, cache=cache), s.pool(role=r.DECODE, cache=r.Cache(13, 8))
    checked(s.fleet(prefill, decode), s.requests(0, 16, 88))
    refused(s.fleet(prefill, decode), s.requests(0, 17, 10), says="isl = 17 tokens")


def test_only_requests_of_its_service_need_room():
    small, large = s.pool(cache=r.Cache(1, 8)), s.pool(service=1)
    checked(s.fleet(small, large), s.requests(0, [4, 400], 2, service=[0, 1]))
    refused(s.fleet(small, large), s.requests(0, [4, 400], 2, service=[0, -1]), says="request 1")


def test_hashes_match_blocks():
    sent = s.requests(0, 100, 2, prefixes=[(1, 2)], hash_tokens=24)
    checked(s.fleet(s.pool(cache=r.Cache(100, 8, prefix=True))), sent)
    refused(s.fleet(s.pool(cache=r.Cache(100, 16, prefix=True))), sent, says="blocks of 16 tokens|name 24")
    checked(s.fleet(s.pool(cache=r.Cache(100, 16))), sent)


def test_a_name_stands_once_among_a_requests_hashes_where_host_memory_keeps_them():
    host = s.pool(cache=r.Cache(100, 8, prefix=True, host_blocks=5, host_s_per_token=0.1))
    twice = s.requests(0, [100, 100], 2, prefixes=[(1, 2), (3, 3)], hash_tokens=24)
    refused(s.fleet(host), twice, says="request 1|twice")
    checked(s.fleet(host), s.requests(0, [100, 100], 2, prefixes=[(1, 2), (1, 3)], hash_tokens=24))
    checked(s.fleet(s.pool(cache=r.Cache(100, 8, prefix=True))), twice)


def test_options():
    checked(s.fleet(), GOOD, r.Options())
    refused(options=r.Options(horizon_s=0.0), says="horizon_s")
    refused(options=r.Options(horizon_s=np.nan), says="horizon_s")
    refused(options=r.Options(sample_s=-1.0), says="sample_s")
    refused(options=r.Options(seed=-1), says="seed")


def test_a_million_rows_are_checked_quickly():
    n = 1_000_000
    checked(s.fleet(), s.requests(np.zeros(n), np.full(n, 100), np.full(n, 10)))
