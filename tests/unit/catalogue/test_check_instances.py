"""What the check refuses of instances: parts and places that do not exist, counts and prices that cannot be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.catalogue import loader
from drivetrain.catalogue.check import check
from drivetrain.catalogue.check_instances import check_instances
from drivetrain.catalogue.read_instances import read_instance

SEEN = {"source": "assumption", "seen": "2026-11", "kind": "assumed"}
SERVERS = list(loader.load_all("servers").values())
ACCELERATORS = loader.load_all("accelerators")
PRICES = list(loader.load_all("prices").values())
TEXT = """
name = "box"
provider = "me"
accelerator = "h100-sxm-80gb"
n_accelerators = 8
size = "server"
nic = { value = "400 Gbit/s", source = "assumption", seen = "2026-11", kind = "assumed" }

[[prices]]
terms = "on demand"
region = "us"
usd = { value = "24 USD/h", source = "assumption", seen = "2026-11", kind = "assumed" }
"""


def broken(usd=24.0, accelerator="h100-sxm-80gb", n=8, size="server", region="us"):
    raw = {
        "name": "box", "provider": "me", "accelerator": accelerator, "n_accelerators": n, "size": size,
        "nic": {"value": "400 Gbit/s"} | SEEN,
        "prices": [{"terms": "on demand", "region": region, "usd": {"value": f"{usd!r} USD/h"} | SEEN}],
    }  # fmt: skip
    box = read_instance(raw, "box.toml")
    return list(check_instances([box], ACCELERATORS, SERVERS, PRICES, loader.names("regions")))


@given(st.floats(0.001, 1e5))
def test_a_price_is_refused_just_where_it_leaves_ten_times_the_rentals(usd):
    own = [p for p in PRICES if p.accelerator == "h100-sxm-80gb" and p.kind == "rental"]
    known = [f.value for p in own for f in (p.usd, p.usd_low, p.usd_high) if f]
    sane = 0.1 * min(known) <= usd / 8 <= 10 * max(known)
    assert (broken(usd) == []) == sane


@given(st.integers(1, 200), st.sampled_from(["server", "slice", "rack"]))
def test_counts_are_of_a_server_or_an_even_part_of_the_largest(n, size):
    held = {s.n_accelerators for s in SERVERS if s.accelerator == "gb200-nvl72"}
    right = n < 72 and 72 % n == 0 if size == "slice" else n in held
    assert (broken(n * 10.0, "gb200-nvl72", n, size) == []) == right


@given(st.sampled_from([*loader.names("regions"), "atlantis", "us-east-1"]))
def test_places_are_of_the_catalogue(region):
    assert (broken(region=region) == []) == (region in loader.names("regions"))


def test_a_part_without_servers_comes_in_the_size_of_its_domain():
    assert broken(24.0, "a100-sxm-40gb", 8) == []
    assert [key for _, key, _ in broken(24.0, "a100-sxm-40gb", 16)] == ["n_accelerators"]


def test_a_part_without_rentals_is_held_to_any_price():
    assert broken(100.0, "gaudi-3") == []
    assert [key for _, key, _ in broken(8e4, "gaudi-3")] == ["usd_per_h.on demand.us"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"h100-sxm-80gb"', '"h100-sxm-81gb"', "accelerator: there is no accelerator 'h100-sxm-81gb'"),
        ("n_accelerators = 8", "n_accelerators = 7", "n_accelerators: 7 is not what a server with it holds: 8"),
        ('size = "server"', 'size = "slice"', "n_accelerators: 8 is no even part of 8"),
        ('region = "us"', 'region = "us-east-1"', "prices.region: there is no region 'us-east-1'"),
        ('"24 USD/h"', '"24000 USD/h"', "usd_per_h.on demand.us: 3e+03 USD per accelerator-hour is outside"),
        ('terms = "on demand"', 'terms = "weekly"', "terms is 'weekly'. Write one of"),
        ('"24 USD/h", source = "assumption",', '"24 USD/h",', "source missing"),
        ('source = "assumption"', 'source = "hearsay"', "nic_bytes_per_s: source 'hearsay' is not in sources.toml"),
        ('name = "box"', 'name = "bax"', "'bax' is not the name of the file"),
    ],
)  # fmt: skip
def test_seeded_faults_are_found(overlay, old, new, words):
    assert old in TEXT
    overlay("instances", "box", TEXT.replace(old, new, 1))
    found = [f"{problem.field}: {problem.message}" for problem in check()]
    assert any(words in message for message in found), found


def test_a_sound_instance_of_ones_own_passes(overlay):
    overlay("instances", "box", TEXT)
    assert check() == []
