import pytest

from drivetrain.catalogue.fact import Fact
from drivetrain.catalogue.market import Economic, Price
from drivetrain.econ.hourly import Ownership, owned_usd_per_hour
from drivetrain.econ.pricing import hourly_price


def fact(value, **more):
    return Fact(value, str(value), "USD", "source", "2026-01", "assumed", **more)


def price(kind, terms, usd, accelerator="chip", **more):
    return Price(f"{kind}-{terms}", (), accelerator, kind, terms, fact(usd, **more), None, None)


PRICES = [
    price("rental", "on demand", 3.0),
    price("tco", "neocloud", 1.7),
    price("purchase", "cluster share", 50000.0),
    price("purchase", "chip", 25000.0, unverified=True),
    price("rental", "3-year reserved", 9.0, accelerator="other"),
]
ECONOMICS = {
    name: Economic(name, name, None, fact(value), None)
    for name, value in {
        "server_cost_multiplier": 1.6, "network_cost_frac": 0.2, "maintenance_frac": 0.02, "discount_rate_frac": 0.1,
        "server_life_years": 5.0, "facility_usd_per_mw": 12e6, "facility_life_years": 15.0, "server_load_frac": 0.8,
        "pue": 1.2,
    }.items()
}  # fmt: skip


def quote(basis, accelerator="chip"):
    return hourly_price(accelerator, basis, PRICES, ECONOMICS, 1000.0, 0.08)


@pytest.mark.parametrize(
    ("basis", "usd", "named"),
    [
        ("on-demand", 3.0, "on demand"),
        ("reserved", 3.0, "on demand"),  # no reserved price: the nearest is used, and named
        ("neocloud", 1.7, "neocloud"),
        ("hyperscaler", 1.7, "neocloud"),
    ],
)
def test_the_basis_or_its_nearest_is_used_and_named(basis, usd, named):
    found = quote(basis)
    assert (found.usd_per_hour, found.basis) == (usd, named)
    assert found.source == "source, 2026-01"


def test_owning_is_priced_from_the_chip_with_server_and_network_added_and_keeps_its_doubt():
    chips = [p for p in PRICES if p.terms != "cluster share"]
    found = hourly_price("chip", "own", chips, ECONOMICS, 1000.0, 0.08)
    expected = Ownership(25000.0, 1.6, 0.2, 0.02, 0.1, 5.0, 12000.0, 15.0, 1.0, 0.8, 1.2, 0.08)
    assert found.usd_per_hour == pytest.approx(owned_usd_per_hour(expected))
    assert found.unverified
    assert found.basis == "owned, from chip price"


def test_a_cluster_price_has_server_and_network_in_it():
    found = quote("own")
    expected = Ownership(50000.0, 1.0, 0.0, 0.02, 0.1, 5.0, 12000.0, 15.0, 1.0, 0.8, 1.2, 0.08)
    assert found.usd_per_hour == pytest.approx(owned_usd_per_hour(expected))
    assert found.basis == "owned, from cluster share price"
