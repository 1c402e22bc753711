import pytest

from drivetrain.catalogue import loader
from drivetrain.errors import UnknownNameError


def test_tco_rows_are_split_by_buyer():
    hyperscaler = loader.load("prices", "h100-sxm-80gb-tco-hyperscaler")
    neocloud = loader.load("prices", "h100-sxm-80gb-tco-neocloud")
    reserved = loader.load("prices", "h100-sxm-80gb-rental-3-year-reserved")
    assert (hyperscaler.usd.value, neocloud.usd.value, reserved.usd.value) == (1.30, 1.69, 1.30)
    assert (hyperscaler.terms, neocloud.terms) == ("hyperscaler", "neocloud")


def test_rental_range():
    price = loader.load("prices", "h100-sxm-80gb-rental")
    assert (price.usd_low.value, price.usd.value, price.usd_high.value) == (1.99, 2.95, 12.29)
    assert [other.value for other in price.usd_high.also] == [6.88]
    assert price.usd.seen == "2026-05"


@pytest.mark.parametrize(
    ("accelerator", "usd"),
    [("l4", 0.45), ("l40s", 0.99), ("rtx-pro-6000", 1.30), ("a100-sxm-80gb", 1.36), ("a100-sxm-40gb", 1.172),
     ("tpu-v5e", 0.54), ("tpu-v5p", 1.89), ("tpu-v6e", 1.22), ("tpu-v7x", 5.40)],
)  # fmt: skip
def test_reserved_prices_let_parts_be_ranked_on_the_same_terms(accelerator, usd):
    reserved = loader.load("prices", f"{accelerator}-rental-3-year-reserved")
    assert reserved.usd.value == usd


def test_reserving_for_years_never_costs_more_than_the_dearest_hour_on_demand():
    prices = loader.load_all("prices")
    for name, reserved in prices.items():
        if reserved.kind == "rental" and reserved.terms == "3-year reserved":
            hourly = prices.get(f"{reserved.accelerator}-rental")
            if hourly:
                assert reserved.usd.value <= (hourly.usd_high or hourly.usd).value, name


def test_terms_nobody_could_confirm_are_marked():
    for accelerator in ("a100-sxm-80gb", "a100-pcie-80gb", "h100-pcie-80gb", "rtx-pro-6000", "l40s"):
        assert loader.load("prices", f"{accelerator}-rental-3-year-reserved").usd.unverified


def test_placeholders_are_marked():
    assert loader.load("prices", "gb300-nvl72-tco-neocloud").usd.unverified


def test_unpriced_accelerators_stay_unpriced():
    priced = {price.accelerator for price in loader.load_all("prices").values()}
    assert priced < set(loader.names("accelerators"))
    with pytest.raises(UnknownNameError):
        loader.load("prices", "rubin-nvl72-rental")


def test_residential_price_is_kept_but_not_used():
    us = loader.load("regions", "us")
    assert us.usd_per_kwh == 0.0826
    residential = [fact for fact in us.facts["usd_per_kwh"].also if fact.value == 0.1831]
    assert residential[0].unverified
    assert "residential" in residential[0].note


def test_euro_prices_are_converted_at_the_stated_rate():
    rate = loader.economics()["usd_per_eur"].mid.value
    assert loader.load("grids", "germany").usd_per_kwh == pytest.approx(0.233 * rate, rel=1e-3)


def test_economics():
    pue = loader.economics()["pue"]
    assert (pue.low.value, pue.mid.value, pue.high.value) == (1.09, 1.2, 1.58)
    assert loader.economics()["all_in_w:h100-sxm-80gb"].mid.value == 1730
    assert loader.economics()["server_life_years"].mid.value == 5.5


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("vllm", "vllm-0.19"), ("vllm-0.19.0", "vllm-0.19"), ("sglang-0.5.9", "sglang-0.5"),
        ("trtllm-1.2.0rc6.post2", "trtllm-1.2"), ("TensorRT-LLM", "trtllm-1.3"), ("llama.cpp", "llamacpp"),
    ],
)  # fmt: skip
def test_engine_spellings(spelling, name):
    assert loader.load("engines", spelling).name == name


def test_vllm_defaults_depend_on_the_accelerator():
    vllm, h100, a100, l40s = (
        loader.load("engines", "vllm"),
        *(loader.load("accelerators", name) for name in ("h100", "a100", "l40s")),
    )
    assert vllm.limits_on(h100.name, h100.usable_bytes) == (8192, 1024)
    assert vllm.limits_on(a100.name, a100.usable_bytes) == (2048, 256)
    assert vllm.limits_on(l40s.name, l40s.usable_bytes) == (2048, 256)
