"""Vendor facts that all else stands on, and the conventions: dense rates, one-way links, GiB memory."""

import pytest

from drivetrain import units
from drivetrain.catalogue import loader

GIB, MIB, TERA, GIGA = units.GIB, units.MIB, 1e12, 1e9


@pytest.mark.parametrize(
    ("name", "precision", "tera"),
    [
        ("h100-sxm", "bf16", 989), ("h100-sxm", "fp8", 1979), ("h200", "bf16", 989), ("a100", "bf16", 312),
        ("b200", "bf16", 2250), ("b200", "nvfp4", 9000), ("gb200", "fp8", 5000), ("gb300", "nvfp4", 15000),
        ("mi300x", "fp8", 2615), ("mi355x", "mxfp4", 10066), ("l40s", "fp8", 733), ("tpu-v6e", "bf16", 918),
        ("trainium2", "fp8", 1299), ("v100", "fp16", 125),
    ],
)  # fmt: skip
def test_dense_rates(name, precision, tera):
    assert loader.load("accelerators", name).flops[precision] == pytest.approx(tera * TERA)


@pytest.mark.parametrize(
    ("name", "precision"),
    [("a100", "fp8"), ("v100", "bf16"), ("h100", "nvfp4"), ("mi355x", "nvfp4"), ("tpu-v5e", "fp8")],
)
def test_precisions_without_hardware_are_absent(name, precision):
    assert precision not in loader.load("accelerators", name).flops


@pytest.mark.parametrize(
    ("name", "tera"),
    [("h100", 3.35), ("h200", 4.8), ("a100", 2.039), ("b200", 7.7), ("mi300x", 5.3), ("rtx-pro-6000", 1.597)],
)
def test_memory_bandwidth(name, tera):
    assert loader.load("accelerators", name).hbm_bytes_per_s == pytest.approx(tera * TERA)


def test_physical_and_usable_memory_are_apart():
    h100, b200 = (loader.load("accelerators", name) for name in ("h100", "b200"))
    assert (h100.memory_bytes, h100.usable_bytes) == (80 * GIB, 81559 * MIB)
    assert (b200.memory_bytes, b200.usable_bytes) == (192 * GIB, 183359 * MIB)
    assert loader.load("accelerators", "gb300").usable_bytes == 284208 * MIB
    assert loader.load("accelerators", "rtx-pro-6000").usable_bytes == 97887 * MIB
    for chip in loader.load_all("accelerators").values():
        assert 0.9 * chip.memory_bytes < chip.usable_bytes <= chip.memory_bytes, chip.name


@pytest.mark.parametrize(
    ("name", "kind", "n_links", "giga", "domain"),
    [
        ("a100", "switch", 12, 25, 8), ("h100", "switch", 18, 25, 8), ("h800", "switch", 8, 25, 8),
        ("b200", "switch", 18, 50, 8), ("gb200", "switch", 18, 50, 72), ("mi300x", "mesh", 7, 64, 8),
        ("mi355x", "mesh", 7, 76.8, 8), ("gaudi-3", "mesh", 7, 75, 8), ("tpu-v5e", "torus", 4, 50, 256),
        ("tpu-v5p", "torus", 6, 100, 8960), ("l40s", "pcie", 1, 32, 8),
    ],
)  # fmt: skip
def test_scale_up_links_are_one_way(name, kind, n_links, giga, domain):
    up = loader.load("accelerators", name).scaleup
    assert (up.kind, up.n_links, up.domain) == (kind, n_links, domain)
    assert up.link_bytes_per_s == pytest.approx(giga * GIGA)
    assert up.bytes_per_s == pytest.approx(n_links * giga * GIGA)


def test_a_pair_in_a_mesh_has_one_link():
    up = loader.load("accelerators", "mi300x").scaleup
    pair_links = 2 - 1  # a group of n uses n - 1 links
    assert pair_links * up.link_bytes_per_s == 64 * GIGA
    assert up.bytes_per_s == 448 * GIGA


def test_disagreeing_values_are_kept_beside_the_used_one():
    bandwidth = loader.load("accelerators", "h100").facts["hbm_bytes_per_s"]
    assert bandwidth.value == 3.35 * TERA
    assert {units.show(other.value, "bytes/s") for other in bandwidth.also} == {"3.4 TB/s", "3.07 TB/s"}


def test_every_value_has_a_known_source_and_a_date():
    known = loader.sources()
    for chip in loader.load_all("accelerators").values():
        for key, fact in chip.facts.items():
            assert fact.source in known, (chip.name, key)
            assert fact.seen[:2] == "20", (chip.name, key)


def test_announced_parts_say_so():
    rubin = loader.load("accelerators", "rubin")
    assert rubin.status == "announced"
    assert all(fact.unverified for key, fact in rubin.facts.items() if key.startswith("flops."))


def test_servers_name_catalogued_parts():
    accelerators, fabrics = loader.names("accelerators"), loader.names("fabrics")
    for server in loader.load_all("servers").values():
        assert server.accelerator in accelerators
        assert server.fabric in fabrics
    assert {server.accelerator for server in loader.load_all("servers").values()} >= set(accelerators) - {
        "a100-sxm-40gb"
    }
    assert loader.load("servers", "gb200-nvl72").n_accelerators == 72
