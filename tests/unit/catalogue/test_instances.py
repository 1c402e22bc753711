"""Cloud instances as shipped: what they hold, what they cost, and that both agree with the rest of the catalogue."""

import json
import tomllib
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from drivetrain.catalogue import loader
from drivetrain.catalogue.instance import SIZES, TERMS
from drivetrain.catalogue.read_instances import read_instance
from drivetrain.cli.main import app
from drivetrain.errors import FileError
from drivetrain.verbs.catalogue import list_entries, show_entry

INSTANCES = loader.load_all("instances")
REGIONS = loader.names("regions")
FACT = {"source": "assumption", "seen": "2026-11", "kind": "assumed"}


def priced(rows):
    return [{"terms": t, "region": r, "usd": {"value": f"{usd!r} USD/h"} | FACT} for t, r, usd in rows]


def raw(**changes):
    table = {
        "name": "box", "provider": "me", "accelerator": "l4", "n_accelerators": 8, "size": "server",
        "nic": {"value": "100 Gbit/s"} | FACT, "prices": priced([("on demand", "us", 8.0)]),
    }  # fmt: skip
    return {key: value for key, value in (table | changes).items() if value is not None}


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(TERMS), st.sampled_from(REGIONS)), st.floats(0.01, 1e4), min_size=0, max_size=12
    )
)
def test_the_price_of_terms_and_region_is_found_and_no_other(prices):
    record = read_instance(raw(prices=priced([(t, r, usd) for (t, r), usd in prices.items()])), "f")
    for terms, region in product(TERMS, REGIONS):
        found = record.usd_per_hour(terms, region)
        assert (found.value if found else None) == prices.get((terms, region))
    assert {key for key in record.facts if key.startswith("usd_per_h")} == {
        f"usd_per_h.{terms}.{region}" for terms, region in prices
    }


@given(st.permutations([("on demand", "us", 3.0), ("spot", "us", 1.0), ("on demand", "eu", 4.0)]))
def test_the_order_of_prices_does_not_matter(rows):
    record = read_instance(raw(prices=priced(rows)), "f")
    assert record.usd_per_hour("on demand", "eu").value == 4.0
    assert record.usd_per_hour("spot", "eu") is None


def test_what_is_not_known_is_absent_not_zero():
    record = read_instance(raw(prices=None), "f")
    assert (record.prices, record.host_memory_bytes, record.vcpus) == ((), None, None)
    assert record.usd_per_hour("on demand", "us") is None


def test_every_instance_resolves_by_each_spelling():
    for name, record in INSTANCES.items():
        for spelling in (name, *record.aliases):
            assert loader.resolve("instances", spelling) == name


@pytest.mark.parametrize(
    ("spelling", "name"),
    [("p5", "p5.48xlarge"), ("Standard_ND96isr_H100_v5", "nd96isr-h100-v5"), ("ND MI300X v5", "nd96isr-mi300x-v5"),
     ("BM.GPU.B200.8", "bm.gpu.b200.8"), ("a3-ultragpu", "a3-ultragpu-8g"), ("gpu_8x_h100_sxm5", "lambda-8x-h100-sxm"),
     ("google-ironwood", "tpu7x-standard-4t"), ("p6e-gb200-ultraserver", "u-p6e-gb200x72")],
)  # fmt: skip
def test_spellings_of_the_clouds(spelling, name):
    assert loader.load("instance", spelling).name == name


def test_parts_and_places_exist():
    accelerators = set(loader.names("accelerators"))
    for name, record in INSTANCES.items():
        assert record.accelerator in accelerators, name
        assert {price.region for price in record.prices} <= set(REGIONS), name
        assert record.size in SIZES


def test_the_large_clouds_and_the_parts_that_matter_are_there():
    assert {"aws", "azure", "google", "oracle", "coreweave", "lambda", "nebius"} <= {
        r.provider for r in INSTANCES.values()
    }
    held = {record.accelerator for record in INSTANCES.values() if record.prices}
    assert {"h100-sxm-80gb", "h200-sxm-141gb", "b200-sxm-180gb", "gb200-nvl72", "mi300x", "mi355x", "l40s", "l4",
            "a100-sxm-80gb", "tpu-v5e", "tpu-v6e", "tpu-v7x", "trainium2", "inferentia2"} <= held  # fmt: skip


@pytest.mark.parametrize(
    ("name", "terms", "region", "usd"),
    [("p5.48xlarge", "on demand", "us", 55.04), ("p5.48xlarge", "3-year reserved", "us", 23.777),
     ("p5.48xlarge", "on demand", "sweden", 58.8928), ("u-p6e-gb200x72", "capacity block", "us", 761.904),
     ("nd96isr-h100-v5", "on demand", "us", 98.32), ("a3-highgpu-8g", "on demand", "us", 88.49),
     ("bm.gpu.mi355x.8", "on demand", "eu", 68.8), ("ct6e-standard-8t", "3-year reserved", "us", 9.76)],
)  # fmt: skip
def test_list_prices(name, terms, region, usd):
    assert INSTANCES[name].usd_per_hour(terms, region).value == pytest.approx(usd)


def test_committing_is_cheaper_than_the_hour_and_spot_than_both_lists():
    for name, record in INSTANCES.items():
        hourly = record.usd_per_hour("on demand", "us")
        for terms in ("spot", "flex start", "capacity block", "1-year reserved", "3-year reserved"):
            other = record.usd_per_hour(terms, "us")
            if hourly and other:
                assert other.value < hourly.value, (name, terms)
        one, three = (record.usd_per_hour(f"{years}-year reserved", "us") for years in (1, 3))
        if one and three:
            assert three.value < one.value, name


def test_on_demand_prices_are_near_the_rentals_of_the_same_part():
    rentals = {
        p.accelerator: p for p in loader.load_all("prices").values() if (p.kind, p.terms) == ("rental", "on demand")
    }
    for name, record in INSTANCES.items():
        rental = rentals.get(record.accelerator)
        for price in record.prices:
            if rental and price.terms == "on demand":
                low, high = (rental.usd_low or rental.usd).value, (rental.usd_high or rental.usd).value
                usd = price.usd.value / record.n_accelerators
                assert 0.99 * low <= usd <= 2.01 * high, (name, price.region, usd)


def test_equal_machines_of_one_cloud_cost_the_same_per_accelerator():
    pairs = [
        ("g6e.12xlarge", "g6e.48xlarge"),
        ("ct6e-standard-4t", "ct6e-standard-8t"),
        ("g4-standard-48", "g4-standard-384"),
    ]
    for small, large in pairs:
        per = [INSTANCES[n].usd_per_hour("on demand", "us").value / INSTANCES[n].n_accelerators for n in (small, large)]
        assert max(per) < 1.5 * min(per), (small, large)


def test_list_shows_the_price_at_home_or_the_cheapest():
    rows = {row["name"]: row for row in list_entries("instances")}
    assert rows["p5.48xlarge"]["on_demand_usd"] == 55.04
    assert rows["nebius-h100-8gpu"]["on_demand_usd"] == pytest.approx(30.8)
    assert rows["a4x-highgpu-4g"]["on_demand_usd"] is None
    assert all(row["nic_bytes_per_s"] > 0 for row in rows.values())


def test_show_json_gives_prices_with_terms_and_region():
    asked = (["p5.48xlarge"], ["instance", "p5.48xlarge"], ["p5", "--kind", "instances"])
    answers = [CliRunner().invoke(app, ["show", *words, "--format", "json"]).stdout for words in asked]
    assert answers[0] == answers[1] == answers[2]
    shown = json.loads(answers[0])
    assert shown["entry"] == "instance"
    assert {"terms": "on demand", "region": "us", "usd": 55.04} in shown["prices"]


def test_values_carry_their_sources():
    shown = show_entry("p5.48xlarge", sources=True)
    row = next(value for value in shown["values"] if value["field"] == "usd_per_h.on demand.us")
    assert (row["value"], row["source"], row["seen"]) == (55.04, "aws-ec2-prices", "2026-09")
    assert "aws-ec2-prices" in loader.sources()


def test_figures_from_memory_are_marked():
    assert "nic_bytes_per_s" in show_entry("bm.gpu.h100.8")["unverified"]
    for name, record in INSTANCES.items():
        for key, fact in record.facts.items():
            assert fact.source != "untraced" or fact.unverified, (name, key)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": "half"}, "size is 'half'. Write one of server, slice, rack"),
        ({"n_accelerators": 0}, "n_accelerators needs a whole number above zero"),
        ({"nic": None}, "nic is missing"),
        ({"nic": {"value": "100 GB"} | FACT}, "nic: '100 GB' is in bytes"),
        ({"vcpus": {"value": 3.5} | FACT}, "vcpus needs a whole number"),
        ({"colour": "green"}, "unknown field colour"),
        ({"prices": priced([("weekly", "us", 1.0)])}, "terms is 'weekly'. Write one of on demand, spot"),
        ({"prices": priced([("spot", "us", 1.0), ("spot", "us", 2.0)])}, "two prices are 'spot' in us"),
        ({"prices": priced([("spot", "us", -1.0)])}, "write a value above zero"),
        ({"prices": [{"terms": "spot", "region": "us", "usd": {"value": "1 USD/h"}}]}, "source, seen, kind missing"),
        ({"prices": [{"terms": "spot", "region": "us", "usd": {"value": "1 USD"} | FACT}]}, "USD/h is needed here"),
        ({"prices": {"terms": "spot"}}, "needs entries written as [[prices]]"),
    ],
)  # fmt: skip
def test_faulty_files_name_file_and_field(changes, words):
    with pytest.raises(FileError) as caught:
        read_instance(raw(**changes), "box.toml")
    assert "box.toml" in str(caught.value)
    assert words.lower() in str(caught.value).lower()


def test_own_instances_are_laid_over_the_shipped_ones(overlay):
    text = (
        'name = "box"\nprovider = "me"\naccelerator = "l4"\nn_accelerators = 4\nsize = "slice"\n'
        'nic = { value = "100 Gbit/s", source = "assumption", seen = "2026-11", kind = "assumed" }\n'
    )
    assert tomllib.loads(text)["name"] == "box"
    overlay("instances", "box", text)
    overlay("instances", "p5.48xlarge", text.replace('"box"', '"p5.48xlarge"'))
    assert loader.load("instances", "box").prices == ()
    assert loader.load("instances", "p5.48xlarge").accelerator == "l4"
    assert "nd96isr-h100-v5" in loader.names("instances")
