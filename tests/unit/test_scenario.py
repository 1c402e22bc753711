from dataclasses import FrozenInstanceError, fields, replace

import pytest

from drivetrain.errors import BadInputError
from drivetrain.scenario import OBJECTIVES, PRICINGS, ServeScenario

FIXED = {"model": "m", "isl": 1000.0, "osl": 100.0, "rate": 5.0}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"isl": None}, "--workload"),
        ({"isl": None, "osl": None}, "--workload"),
        ({"workload": "chat"}, "not both"),
        ({"rate": 0.0}, "rate"),
        ({"rate": -1.0}, "rate"),
        ({"rate": float("nan")}, "rate"),
        ({"rate": float("inf")}, "rate"),
        ({"rate": 1e10}, "unit"),
        ({"isl": 0.5}, "isl"),
        ({"osl": 1e9}, "unit"),
        ({"concurrency": 0.5}, "concurrency"),
        ({"headroom": -0.1}, "headroom"),
        ({"headroom": float("nan")}, "headroom"),
        ({"prefix_hit": 1.0}, "prefix"),
        ({"prefix_hit": -0.1}, "prefix"),
        ({"objective": "fame"}, "cost, energy"),
        ({"pricing": "free"}, "reserved"),
        ({"max_accelerators": 0.0}, "max-accelerators"),
        ({"max_num_seqs": 0.5}, "max_num_seqs"),
        ({"max_batched_tokens": -1.0}, "max-batched-tokens"),
        ({"buy": "server"}, "Did you mean 'servers'"),
        ({"spares": -1}, "spares"),
        ({"spares": 0.5}, "spares"),
        ({"spares": "n+1"}, "spares"),
        ({"spares": True}, "spares"),
        ({"max": ("h100-sxm",)}, "NAME=N"),
        ({"max": ("h100-sxm=many",)}, "NAME=N"),
        ({"max": ("h100-sxm=-4",)}, "NAME=N"),
        ({"max": ("=4",)}, "NAME=N"),
        ({"max": ("h100=4", "h100=8")}, "twice"),
        ({"max": ("4", "8")}, "total"),
        ({"max_power_w": 0.0}, "max-power-w"),
        ({"max_racks": 2.0}, "--rack-power"),
        ({"rack_power_w": 4e4}, "--max-racks"),
        ({"max_racks": 2.0, "rack_power_w": 4e4}, "--buy servers"),
        ({"max_racks": 1.5, "rack_power_w": 4e4, "buy": "servers"}, "whole"),
        ({"budget_usd_per_hour": -5.0}, "budget"),
        ({"pricing": "spot"}, "--buy instances"),
        ({"pricing": "own", "buy": "instances"}, "rented"),
        ({"region": ""}, "region"),
        ({"providers": "aws"}, "--buy instances"),
        ({"mix": True, "objective": "latency"}, "--mix"),
        ({"mix": "yes"}, "mix"),
        ({"mix": True, "disaggregate": "on"}, "--disaggregate"),
    ],
)
def test_nonsense_is_refused_with_a_way_out(wrong, says):
    with pytest.raises(BadInputError, match=says) as caught:
        ServeScenario(**(FIXED | wrong))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("pricing", PRICINGS)
def test_every_listed_choice_is_taken(objective, pricing):
    buy = "instances" if pricing == "spot" else "accelerators"
    scenario = ServeScenario(**FIXED, objective=objective, pricing=pricing, buy=buy)
    assert (scenario.objective, scenario.pricing) == (objective, pricing)


def test_a_profile_replaces_lengths():
    assert ServeScenario(model="m", workload="chat").isl is None


def test_a_scenario_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        ServeScenario(**FIXED).rate = 6.0


OTHER = {
    "model": "n", "isl": 2000.0, "osl": 200.0, "rate": 6.0, "concurrency": 8.0, "slo": "ttft_p95=1s",
    "objective": "energy", "accelerators": ("a",), "engines": ("e",), "layouts": ("tp2",), "weights": "fp8",
    "kv": "fp8", "headroom": 0.2, "prefix_hit": 0.5, "pricing": "own", "region": "eu", "max_accelerators": 8,
    "max_batched_tokens": 4096.0, "max_num_seqs": 32.0, "buy": "servers", "spares": 1, "max": ("a=4",),
    "max_power_w": 1e5, "budget_usd_per_hour": 50.0, "mix": True, "disaggregate": "on", "allow_unverified": True,
    "techniques": "power-cap=0.7", "memory_frac": 0.8, "allow": ("weights",), "min_quality": 0.9,
    "allow_unknown_quality": True, "levers": "all",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(OTHER))
def test_the_fingerprint_names_every_choice(name):
    scenario = ServeScenario(**FIXED)
    assert replace(scenario, **{name: OTHER[name]}).fingerprint() != scenario.fingerprint()


def test_the_fingerprint_is_of_scenario_and_context_alone():
    racks = {"max_racks", "rack_power_w"}
    clouds = ServeScenario(**FIXED, buy="instances")
    assert replace(clouds, providers=("aws",)).fingerprint() != clouds.fingerprint()
    assert {f.name for f in fields(ServeScenario)} - {"workload", "providers"} - racks <= set(OTHER)
    scenario = ServeScenario(**FIXED)
    room = ServeScenario(**FIXED, buy="servers", max_racks=2, rack_power_w=4e4)
    assert len({replace(room, **{n: 6e4}).fingerprint() for n in racks} | {room.fingerprint()}) == 3
    assert scenario.fingerprint("1.0") == ServeScenario(**FIXED).fingerprint("1.0")
    assert scenario.fingerprint("1.0") != scenario.fingerprint("1.1")
    chat = ServeScenario(model="m", workload="chat")
    assert chat.fingerprint() != replace(chat, workload="code").fingerprint()


def test_quotas_are_read_from_every_spelling():
    for given in (["h100=64", "128"], "h100=64,128", ("h100=64,128",)):
        assert ServeScenario(**FIXED, max=given).quotas == {"h100": 64.0, "": 128.0}
    assert ServeScenario(**FIXED, max={"h100": 64}).quotas == {"h100": 64.0}
    assert ServeScenario(**FIXED, max=64).quotas == {"": 64.0}


def test_several_regions_are_one_text():
    assert ServeScenario(**FIXED, region="us, sweden").regions == ("us", "sweden")
