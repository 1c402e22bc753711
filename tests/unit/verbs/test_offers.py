"""What is on offer: loose accelerators, whole servers, instances."""

import math

import pytest

from drivetrain.catalogue import loader
from drivetrain.scenario import ServeScenario
from drivetrain.verbs.resolve import resolve

FIXED = {"model": "llama-3.1-8b", "isl": 1000.0, "osl": 100.0}


def offers(**choices):
    return resolve(ServeScenario(**(FIXED | choices))).offers


def test_by_default_accelerators_are_loose():
    for offer in offers():
        assert offer.unit.kind == "accelerator"
        assert offer.name == offer.hardware.name


def test_every_server_of_the_accelerators_is_an_offer_of_its_own():
    found = {o.name: o for o in offers(buy="servers", accelerators=("h100-sxm", "gb200-nvl72"))}
    assert found["dgx-h100"].unit.n_accelerators == 8
    assert found["gb200-nvl72"].unit.n_accelerators == 72
    for name, offer in found.items():
        server = loader.load("servers", name)
        assert offer.unit.n_accelerators == server.n_accelerators
        assert offer.host_nameplate_w * server.n_accelerators == pytest.approx(server.host_w)
        assert offer.host_w < offer.host_nameplate_w


def test_fast_links_end_at_the_server_except_on_a_torus():
    for offer in offers(buy="servers"):
        if offer.hardware.topology.kind != "torus":
            assert offer.hardware.topology.domain <= offer.unit.n_accelerators
    torus = [o for o in offers(buy="servers") if o.hardware.topology.kind == "torus"]
    assert any(o.hardware.topology.domain > o.unit.n_accelerators for o in torus)


def test_each_instance_is_an_offer_with_its_own_network_and_domain():
    found = offers(buy="instances", accelerators=("h100-sxm",), pricing="on-demand")
    records = {i.name: i for i in loader.load_all("instances").values() if i.accelerator == "h100-sxm-80gb"}
    assert {o.name for o in found} == set(records)
    for offer in found:
        record = records[offer.name]
        assert offer.unit.n_accelerators == record.n_accelerators
        assert offer.hardware.topology.nic_bytes_per_s == record.nic_bytes_per_s
        assert offer.hardware.topology.domain <= record.n_accelerators
    assert any(o.unit.n_accelerators == 1 and o.hardware.topology.domain == 1 for o in found)


def test_clouds_can_be_chosen():
    found = offers(buy="instances", providers="aws", pricing="on-demand")
    assert found
    assert {loader.load("instances", o.name).provider for o in found} == {"aws"}


def test_instances_without_a_price_for_the_terms_stay_on_offer_unpriced():
    resolved = resolve(ServeScenario(**FIXED, buy="instances", pricing="spot"))
    assert any(math.isnan(o.usd_per_hour) for o in resolved.offers)
    for offer in resolved.offers:
        assert math.isnan(offer.usd_per_hour) == (offer.name not in resolved.prices)
