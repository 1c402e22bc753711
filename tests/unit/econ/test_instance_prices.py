"""Prices of cloud instances: terms and region as asked, or the nearest, by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.catalogue import loader
from drivetrain.catalogue.fact import Fact
from drivetrain.catalogue.instance import TERMS, Instance, InstancePrice
from drivetrain.econ.instances import instance_price

PRICINGS = ("on-demand", "reserved", "spot")


def usd(value):
    return Fact(value, f"{value} USD/h", "USD/h", "a price list", "2026-11", "vendor")


def instance(**prices):
    rows = tuple(InstancePrice(*key.split("|"), usd(value)) for key, value in prices.items())
    return Instance("i", (), "cloud", "h100", 8, "server", 5e10, None, None, rows, {})


FULL = instance(**{"on demand|us": 80.0, "on demand|sweden": 88.0, "spot|us": 24.0, "3-year reserved|us": 40.0})


@pytest.mark.parametrize(
    ("pricing", "region", "per_accelerator", "basis"),
    [
        ("on-demand", "us", 10.0, "on demand in us"),
        ("on-demand", "sweden", 11.0, "on demand in sweden"),
        ("on-demand", "india", 10.0, "on demand in us (no price in india)"),
        ("spot", "sweden", 3.0, "spot in us (no price in sweden)"),
        ("reserved", "us", 5.0, "3-year reserved in us"),
    ],
)
def test_the_price_asked_for_or_the_nearest(pricing, region, per_accelerator, basis):
    price = instance_price(FULL, pricing, region)
    assert price.usd_per_hour == per_accelerator
    assert price.basis == basis
    assert "a price list" in price.source


def test_other_terms_stand_in_and_are_named():
    only = instance(**{"on demand|us": 80.0})
    assert instance_price(only, "spot", "us").basis == "on demand in us (no spot price)"
    assert instance_price(only, "reserved", "us").basis == "on demand in us (no 3-year reserved price)"
    block = instance(**{"capacity block|us": 60.0})
    assert instance_price(block, "on-demand", "us").basis == "capacity block in us (no on demand price)"


def test_spot_never_stands_in_for_capacity_that_stays():
    only = instance(**{"spot|us": 24.0})
    assert instance_price(only, "on-demand", "us") is None
    assert instance_price(only, "reserved", "us") is None


def test_no_price_is_none():
    assert all(instance_price(instance(), pricing, "us") is None for pricing in PRICINGS)


@given(
    st.sets(st.tuples(st.sampled_from(TERMS), st.sampled_from(["us", "sweden", "india"])), min_size=1),
    st.sampled_from(PRICINGS), st.sampled_from(["us", "sweden"]),
)  # fmt: skip
def test_a_price_is_one_of_the_instance_and_says_what_it_is_not(offered, pricing, region):
    prices = {f"{terms}|{where}": 8.0 + i for i, (terms, where) in enumerate(sorted(offered))}
    price = instance_price(instance(**prices), pricing, region)
    if price is not None:
        terms, _, rest = price.basis.partition(" in ")
        where = rest.split(" ")[0]
        assert prices[f"{terms}|{where}"] == pytest.approx(8 * price.usd_per_hour)
        assert (where == region) == ("no price in" not in price.basis)


def test_every_shipped_instance_is_priced_by_its_own_list():
    priced = 0
    for record in loader.load_all("instances").values():
        for pricing in PRICINGS:
            price = instance_price(record, pricing, "us")
            if price is not None:
                priced += 1
                totals = [p.usd.value for p in record.prices]
                assert min(abs(price.usd_per_hour * record.n_accelerators / t - 1) for t in totals) < 1e-9
    assert priced > 100
