"""The fit recovers what it should and predicts collectives it has not seen."""

import importlib.util
import math
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

pytest.importorskip("scipy")
ROOT = Path(__file__).resolve().parents[2]
CSV = ROOT.parent / "shared/validation/collectives.csv"
spec = importlib.util.spec_from_file_location("fit_collectives", ROOT / "tools/fit_collectives.py")
fit_collectives = importlib.util.module_from_spec(spec)
sys.modules["fit_collectives"] = fit_collectives
spec.loader.exec_module(fit_collectives)

needs_data = pytest.mark.skipif(not CSV.exists(), reason="needs ../shared/validation/collectives.csv")


def made_up_rows(truth):
    blank = [
        fit_collectives.Row("nccl", "all_reduce", accelerator, "synthetic", n, n, 2.0**k, 1.0)
        for accelerator in ("h100_sxm", "b200_sxm")
        for n in (2, 4, 8)
        for k in range(10, 31)
    ]
    return [replace(r, seconds=float(t)) for r, t in zip(blank, fit_collectives.predict(blank, [truth]), strict=True)]


def test_known_coefficients_come_back():
    start = fit_collectives.start("all_reduce", "switch", "nccl")
    truth = replace(
        start,
        regimes=tuple(
            replace(r, launch_s=1.3 * r.launch_s, hop_s=0.8 * r.hop_s, efficiency=0.8 * r.efficiency)
            for r in start.regimes
        ),
    )
    rows = made_up_rows(truth)
    found = fit_collectives.fit_one(rows, start, width=100.0)
    assert max(fit_collectives.errors(rows, [found])) < 0.02
    for got, want in zip(found.regimes, truth.regimes, strict=True):
        assert got.launch_s == pytest.approx(want.launch_s, rel=0.1)
        assert got.efficiency == pytest.approx(want.efficiency, rel=0.1)


@pytest.fixture(scope="module")
def rows():
    found = fit_collectives.read(CSV)
    return found + fit_collectives.engine_rows(found)


def error(rows, library, split, low=2.0**20, high=math.inf, kinds=("switch", "pcie")):
    ours = [r for r in rows if (r.library, r.op) == (library, "all_reduce") and r.kind in kinds]
    ours = [r for r in ours if r.link != "network"]
    found = fit_collectives.held_out(ours, library, fit_collectives.SPLITS[split])
    return median(e for r, e in found if low <= r.n_bytes < high)


# PCIe boxes differ in how sockets share the host bridge (17-fold between two of them at 8 ranks), which one
# group size does not tell of another: 8 % holds on NVLink, 12 % with PCIe counted in.
@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("library", ["nccl", "vllm", "sglang", "trtllm", "engine"])
def test_large_all_reduce_of_a_group_size_never_seen(rows, library):
    assert error(rows, library, "group size", kinds=("switch",)) <= 0.08
    assert error(rows, library, "group size") <= 0.12


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("library", ["nccl", "vllm", "sglang", "trtllm", "engine"])
def test_large_all_reduce_of_an_accelerator_never_seen(rows, library):
    assert error(rows, library, "accelerator") <= 0.22


@needs_data
@pytest.mark.slow
def test_small_all_reduce_where_decode_steps_live(rows):
    assert error(rows, "engine", "group size", 2.0**14, 2.0**20) <= 0.16
    assert error(rows, "engine", "accelerator", 2.0**14, 2.0**20) <= 0.22
