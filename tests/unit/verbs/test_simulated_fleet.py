"""Fleets from what people choose: pools, regions, prices, roles, and what an answer rests on."""

import math
from dataclasses import replace

import numpy as np
import pytest

from drivetrain.catalogue.wan import place
from drivetrain.errors import BadInputError, DoesNotFitError, UnknownNameError, UnsupportedError
from drivetrain.scenario import scenario_of
from drivetrain.serving.sim.records import BOTH, DECODE, PREFILL, Policies, Policy
from drivetrain.serving.transfer import transfer
from drivetrain.verbs.predict_serve import predict_serve
from drivetrain.verbs.simulated_fleet import FleetChoices, fleet_of

SMALL = {"model": "llama-3.1-8b", "accelerator": "h100-sxm", "engine": "vllm", "isl": 1000, "osl": 200}
LARGE = {"model": "llama-3.1-70b", "accelerator": "h100-sxm", "engine": "vllm", "isl": 1000, "osl": 200}


def built(base=None, *, choices=None, **changes):
    return fleet_of(scenario_of((base or SMALL) | (choices or {})), FleetChoices(**changes))


def notes(fleet):
    return {a.what: a for a in fleet.assumptions}


def test_one_pool_of_the_smallest_layout():
    found = built(replicas=4)
    (pool,), (facts,) = found.fleet.pools, found.pools
    assert (pool.name, pool.replicas, pool.max_replicas, pool.role) == ("main", 4, 4, BOTH)
    assert (facts.layout, facts.engine, facts.weights) == ("tp1", "vllm-0.19", "bf16")
    assert found.fleet.services == ("llama-3.1-8b",)
    assert found.fleet.network_s.tolist() == [[0.0]]
    assert found.egress_usd_per_gb.tolist() == [[0.0]]
    assert facts.kv_tokens == pool.cache.blocks * 16
    assert "layout" in notes(found)
    assert notes(found)["network"].source == "default"
    assert found.origins == found.fleet.regions == ("us",)


def test_money_and_power_are_those_of_a_prediction():
    found = built(LARGE, choices={"layout": "tp4"}, replicas=3)
    answer = predict_serve(**LARGE, layout="tp4", rate=0.1)
    (pool,), (facts,) = found.fleet.pools, found.pools
    assert facts.usd_per_accelerator_hour == answer["usd_per_accelerator_hour"]
    assert pool.usd_per_s * 3600 == pytest.approx(4 * answer["usd_per_accelerator_hour"])
    assert facts.pue == found.resolved[0].pue
    assert pool.host_w == facts.host_w == facts.offer.host_w > 0


def test_whole_servers_are_paid_for():
    found = built(choices={"buy": "servers", "layout": "tp1"}, replicas=4)
    loose = built(choices={"layout": "tp1"}, replicas=4)
    assert found.fleet.pools[0].usd_per_s == pytest.approx(2 * loose.fleet.pools[0].usd_per_s)  # four of eight idle


def test_what_has_no_price_stays_unknown():
    found = built({"model": "llama-3.1-8b", "accelerator": "rubin-nvl72", "isl": 1000, "osl": 200},
                  choices={"layout": "tp1", "allow_unverified": True})  # fmt: skip
    if not math.isnan(found.pools[0].usd_per_accelerator_hour):
        pytest.skip("the catalogue has a price for it now")
    assert math.isnan(found.fleet.pools[0].usd_per_s)
    assert "price" in notes(found)


def test_a_layout_is_chosen_with_room_for_a_batch():
    found = built(LARGE)
    tight = built(LARGE, choices={"layout": "tp2"})
    assert found.pools[0].n_accelerators >= tight.pools[0].n_accelerators
    assert found.pools[0].kv_tokens >= 16 * 1000


def test_pools_of_other_models_and_regions():
    found = built(replicas=2, pools=("big: model=llama-3.1-70b, layout=tp4, replicas=3, max-replicas=5, region=eu",))
    main, big = found.fleet.pools
    assert found.fleet.services == ("llama-3.1-8b", "llama-3.1-70b")
    assert (main.service, big.service, main.region, big.region) == (0, 1, 0, 1)
    assert (big.replicas, big.max_replicas, big.n_accelerators) == (3, 5, 4)
    assert found.fleet.regions == ("us", "eu")
    assert found.fleet.network_s[0, 1] == pytest.approx(0.052)
    assert found.egress_usd_per_gb[0, 1] == 0.05
    assert [one.model.name for one in found.resolved] == list(found.fleet.services)
    assert found.pools[1].carbon_g_per_kwh != found.pools[0].carbon_g_per_kwh
    assert any(what.startswith("cold start of pool big") for what in notes(found))  # it may grow


def test_a_pool_takes_over_what_it_does_not_say():
    found = built(
        choices={"max_num_seqs": 64, "techniques": "kv-offload=64GB"}, pools=("two: replicas=2",), hash_tokens=64
    )
    one, two = found.fleet.pools
    assert one.rules == two.rules
    assert one.cache == two.cache
    assert two.cache.host_blocks > 0
    assert found.fleet.services == ("llama-3.1-8b",)
    other = built(choices={"techniques": "speculative=eagle"}, pools=("b: model=qwen3-8b",))
    assert [pool.step.verified for pool in other.fleet.pools] == [4, 1]  # another model starts afresh


def test_without_an_accelerator_of_its_own_the_main_pool_is_none():
    text = ("a: accelerator=h100-sxm, layout=tp2", "b: accelerator=h200-sxm, layout=tp1")
    found = built({"model": "llama-3.1-8b", "isl": 1000, "osl": 200}, pools=text)
    assert [facts.name for facts in found.pools] == ["a", "b"]
    with pytest.raises(BadInputError, match="exactly one accelerator"):
        built({"model": "llama-3.1-8b", "isl": 1000, "osl": 200})


def test_prompts_and_answers_apart_in_one_layout():
    found = built(LARGE, choices={"layout": "prefill: tp4 x2, decode: tp8 x1", "engine": "sglang"})
    prompts, answers = found.fleet.pools
    assert (prompts.role, answers.role) == (PREFILL, DECODE)
    assert (prompts.name, prompts.replicas, answers.replicas) == ("main-prefill", 2, 1)
    assert prompts.rules.max_num_seqs == 256
    (t,) = found.fleet.transfers
    a, b = (facts.deployment for facts in found.pools)
    exact = transfer(a, b, found.resolved[0].lengths, "network").seconds[0]
    assert t.fixed_s + 1000 * t.s_per_token == pytest.approx(exact)
    assert not t.first_token_by_decode
    assert "room in the decode pool of llama-3.1-70b" in notes(found)  # this engine reserves earlier


def test_roles_by_pool_even_across_regions():
    found = built(
        LARGE, choices={"layout": "tp4"}, pools=("main: role=prefill", "far: role=decode, layout=tp8, region=eu")
    )
    assert [pool.role for pool in found.fleet.pools] == [PREFILL, DECODE]
    (t,) = found.fleet.transfers
    assert t.fixed_s == pytest.approx(0.042)  # one way
    assert t.first_token_by_decode


@pytest.mark.parametrize(
    ("pools", "says"),
    [
        (("d: role=decode",), "pool 'main' serves both"),
        (("main: role=prefill",), "it has no decode pool"),
        (("main: role=prefill", "d: role=decode, engine=sglang"), "servers of one engine"),
        (("main: role=prefill", "d: role=decode, kv=fp8"), "same precision"),
        (("main: role=prefill", "d: role=decode, layout=tp2pp2"), "same pp in both pools"),
        (("main: role=prefill", "d: role=decode, accelerator=mi300x"), "two vendors|not vllm"),
    ],
)
def test_roles_that_do_not_go_together(pools, says):
    with pytest.raises((BadInputError, UnsupportedError), match=says):
        built(choices={"layout": "tp1"}, pools=pools)


@pytest.mark.parametrize(
    ("pool", "says"),
    [
        ("x: rgion=eu", "no 'rgion'. Did you mean 'region'"),
        ("x: region", "cannot read 'region'"),
        ("x: replicas=0", "whole number above zero"),
        ("x: replicas=1.5", "whole number above zero"),
        ("x: role=server", "role is both, prefill or decode"),
        ("x:", "says nothing"),
        ("x: kv=fp8, kv=bf16", "names 'kv' twice"),
        ("x: layout=prefill: tp1 x1, decode: tp1 x1, role=decode", "leave out its role"),
        ("x: layout=prefill: tp1 x1, decode: tp1 x1, replicas=2", "has their replicas in it"),
        ("x: memory-frac=much", "memory_frac|memory-frac"),
    ],
)
def test_pools_that_cannot_be_read(pool, says):
    with pytest.raises(BadInputError, match=says):
        built(pools=(pool,))


def test_names_are_looked_up():
    with pytest.raises(UnknownNameError, match="eu"):
        built(pools=("x: region=eeu",))
    with pytest.raises(UnknownNameError, match="llama"):
        built(pools=("x: model=lama-3.1-8b",))
    with pytest.raises(BadInputError, match="two pools are called 'x'"):
        built(pools=("x: region=eu", "x: region=uk"))
    with pytest.raises(BadInputError, match="in one region"):
        built(choices={"region": "us,eu"})


def test_what_does_not_fit_says_what_does():
    with pytest.raises(DoesNotFitError, match="Smallest that fits"):
        built(LARGE, choices={"layout": "tp1"})


def test_users_may_be_elsewhere_and_sites_near_them():
    site = "near: accelerator=l4, region=edge, weights-from=eu"
    found = built(pools=(site,), origins=("finland",), faults="on", horizon_s=1.0)
    assert found.fleet.regions == ("us", "edge@us", "finland")
    assert found.fleet.network_s[0].tolist() == pytest.approx([0.01, 0.0045, 0.064])
    assert found.fleet.pools[1].region == 1
    assert found.pools[1].carbon_g_per_kwh == found.pools[0].carbon_g_per_kwh
    assert "network of finland" in notes(found)
    assert "egress" in notes(found)["weights of pool near"].source


def test_stated_delays():
    found = built(pools=("b: region=us-west",), network="access=5ms, us-us-west=30ms")
    assert found.fleet.network_s.ravel().tolist() == pytest.approx([0.005, 0.035, 0.035, 0.005])
    assert built(network="access=5ms").fleet.network_s.tolist() == [[0.005]]
    wrong = {"us-eu=3ms": "no pair of the fleet's regions", "access": "cannot read", "access=-1s": "negative",
             "access=3 W": "is in W"}  # fmt: skip
    for text, says in wrong.items():
        with pytest.raises(BadInputError, match=says):
            built(network=text)


def test_the_cache_is_chosen_and_its_absence_explained():
    kept = built(hash_tokens=64)
    assert kept.pools[0].prefix_cache
    off = built(hash_tokens=64, cache="none")
    assert (off.pools[0].prefix_cache, off.pools[0].prefix_reason) == (False, "off")
    host = built(hash_tokens=64, cache="lru", host_bytes=64e9)
    assert host.fleet.pools[0].cache.host_blocks > 0
    window = built({"model": "gpt-oss-20b", "accelerator": "h100-sxm", "isl": 1000, "osl": 100}, hash_tokens=64)
    assert "other layers" in notes(window)["prefixes in windowed layers"].value
    state = built({"model": "nvidia-nemotron-nano-9b-v2", "accelerator": "h100-sxm", "isl": 1000, "osl": 100},
                  hash_tokens=64)  # fmt: skip
    assert "keep a state" in notes(state)["no prefix cache"].value
    with pytest.raises(BadInputError, match="pool 'main': prefixes are named in pieces of 24 tokens"):
        built(hash_tokens=24)
    with pytest.raises(BadInputError, match="cache is none or lru"):
        FleetChoices(cache="arc")


def test_priorities_reach_the_rules():
    by = Policies(schedule=Policy("priority"))
    assert built(policies=by).fleet.pools[0].rules.priority_preempts
    assert not built().fleet.pools[0].rules.priority_preempts


def test_the_same_choices_give_the_same_fleet():
    ask = {"replicas": 3, "faults": "mtbf=1000h, repair=10min", "spot": "0.1 per hour", "horizon_s": 1e6}
    one, two = built(**ask), built(**ask)
    assert one.fleet.controls == two.fleet.controls
    assert one.assumptions == two.assumptions
    assert built(**ask, seed=2).fleet.controls != one.fleet.controls
    assert np.array_equal(one.fleet.network_s, two.fleet.network_s)


def test_pools_in_one_domain_send_over_its_links():
    near = built(LARGE, choices={"layout": "prefill: tp2 x1, decode: tp4 x1"})
    apart = built(LARGE, choices={"layout": "prefill: tp2 x4, decode: tp4 x1"})
    assert near.fleet.transfers[0].s_per_token < 0.5 * apart.fleet.transfers[0].s_per_token


def test_what_traffic_says_itself_is_left_out():
    found = built()
    assert not {"workload", "arrival_cv", "prefix_cache_hit_frac"} & set(notes(found))
    assert {"pue", "pricing", "weights"} <= set(notes(found))
    assert place(found.origins[0]).region == "us"
    assert replace(found.assumptions[0]) == found.assumptions[0]
