"""Laws of collectives, on arbitrary coefficients as well as on the shipped ones."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.comms import collectives
from drivetrain.comms.coefficients import OPS, Coefficients, LinkFit, Regime
from drivetrain.comms.topology import Topology

CALIBRATION = Path(collectives.__file__).parents[1] / "cost/calibration/collectives.toml"
SHIPPED = [collectives.DATASHEET]
if CALIBRATION.exists():
    RAW = tomllib.loads(CALIBRATION.read_text())
    SHIPPED += [collectives.coefficients_from(RAW, name) for name in sorted({t["library"] for t in RAW["fit"]})]

latencies = st.floats(0.0, 1e-3)
shares = st.floats(0.02, 1.0)
regimes = st.builds(
    Regime,
    algorithm=st.sampled_from(["one_shot", "ring"]),
    launch_s=latencies,
    hop_s=st.floats(0.0, 1e-4),
    efficiency=shares,
    local=st.floats(0.0, 2.0),
    in_switch=st.one_of(st.just(0.0), shares),
)


@st.composite
def coefficients(draw):
    if draw(st.booleans()):
        return draw(st.sampled_from(SHIPPED))
    links = ("switch", "mesh", "torus", "pcie", "network")
    return Coefficients(
        "drawn",
        tuple(
            LinkFit(op, link, tuple(draw(st.lists(regimes, min_size=1, max_size=3))), draw(st.floats(0.0, 2.0)))
            for op in OPS
            for link in links
        ),
    )


rates = st.floats(1e8, 1e13)
topologies = st.builds(
    Topology,
    kind=st.sampled_from(["switch", "mesh", "torus", "pcie"]),
    n_links=st.integers(1, 18),
    link_bytes_per_s=rates,
    domain=st.sampled_from([1, 2, 4, 8, 16, 72]),
    nic_bytes_per_s=rates,
    fabric=st.sampled_from(["nvlink4", "nvlink5", "pcie4", "xgmi", "ici", "new"]),
)
operations = st.sampled_from(OPS)
sizes = st.floats(0.0, 1e12)


def ranks_of(topology):
    return st.sampled_from(
        [n for n in (1, 2, 4, 8, 16, 32, 144, 288) if n <= topology.domain or n % topology.domain == 0]
    )


cases = topologies.flatmap(lambda t: st.tuples(st.just(t), ranks_of(t)))


def time_of(op, n, topology, fits):
    return getattr(collectives, op)(n, topology, fits)


@given(operations, cases, coefficients(), sizes, sizes)
def test_time_is_finite_not_negative_and_grows_with_bytes(op, case, fits, a, b):
    time = time_of(op, case[1], case[0], fits)
    assert 1 <= len(time.regimes) <= 3
    low, high = sorted((a, b))
    assert 0.0 <= time.seconds(low) <= time.seconds(high) < float("inf")


@given(operations, cases, coefficients(), sizes, sizes)
def test_time_is_concave_in_bytes(op, case, fits, a, b):
    time = time_of(op, case[1], case[0], fits)
    middle = time.seconds((a + b) / 2)
    assert middle >= (time.seconds(a) + time.seconds(b)) / 2 * (1 - 1e-12)


@given(operations, cases, coefficients(), sizes, st.floats(1.0, 100.0))
def test_faster_links_or_nics_never_hurt(op, case, fits, n_bytes, factor):
    topology, n = case
    before = time_of(op, n, topology, fits).seconds(n_bytes)
    for changes in (
        {"link_bytes_per_s": topology.link_bytes_per_s * factor},
        {"nic_bytes_per_s": topology.nic_bytes_per_s * factor},
        {"n_links": topology.n_links + int(factor)},
    ):
        assert time_of(op, n, replace(topology, **changes), fits).seconds(n_bytes) <= before * (1 + 1e-12)


@given(operations, cases, coefficients(), sizes)
def test_twice_the_rates_and_half_the_latencies_halve_the_time(op, case, fits, n_bytes):
    topology, n = case
    fast = replace(
        topology,
        link_bytes_per_s=2 * topology.link_bytes_per_s,
        nic_bytes_per_s=2 * topology.nic_bytes_per_s,
    )
    quick = Coefficients(
        fits.library,
        tuple(
            replace(f, regimes=tuple(replace(r, launch_s=r.launch_s / 2, hop_s=r.hop_s / 2) for r in f.regimes))
            for f in fits.fits
        ),
    )
    halved = time_of(op, n, fast, quick).seconds(n_bytes)
    assert halved == pytest.approx(time_of(op, n, topology, fits).seconds(n_bytes) / 2, rel=1e-9)


@given(operations, cases, coefficients(), sizes)
def test_nothing_beats_the_bytes_that_must_cross(op, case, fits, n_bytes):
    topology, n = case
    if n == 1:
        return
    inner = min(n, topology.domain)
    in_switch = any(r.in_switch > 0 for f in fits.fits for r in f.regimes)
    must = {
        "all_reduce": (lambda m: 1.0 if in_switch else 2 * (m - 1) / m),
        "send_recv": (lambda _: 1.0),
    }.get(op, lambda m: (m - 1) / m)
    inside = must(inner) * n_bytes / topology.group_bytes_per_s(inner) if inner > 1 and op != "send_recv" else 0.0
    share = 1.0 if op in ("all_to_all", "send_recv") else 1.0 / inner
    across = must(n // inner) * share * n_bytes / topology.nic_bytes_per_s if n > inner else 0.0
    assert time_of(op, n, topology, fits).seconds(n_bytes) >= max(inside, across) * (1 - 1e-9)
