"""The table of runners-up fits the page, whatever is in it, and cuts no figure."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from drivetrain.report.alternatives import alternatives

MIXED = [("gb200-nvl72", 4, 1, "pp4"), ("h200-sxm-141gb", 16, 2, "dp8ep8")]


def row(usd=1.234, bought=MIXED, engine="trtllm-1.3", weights="fp8_block"):
    (prefill, decode) = bought
    return {
        "accelerator": decode[0], "n_accelerators": decode[1], "replicas": 3, "engine": engine,
        "weight_dtype": weights, "usd_per_million_output_tokens": usd, "joules_per_output_token": 2.76,
        "ttft_s": {"p95": 4.43}, "tpot_s": {"p95": 0.0392}, "bottleneck": "hbm_bandwidth",
        "layout": {name: {"layout": pool[3], "replicas": pool[2]} for name, pool in
                   (("prefill", prefill), ("decode", decode))},
        "disaggregated": {"bought": [{"accelerator": name, "n_accelerators": n, "unit": None, "n_units": None}
                                     for name, n, _, _ in bought]},
    }  # fmt: skip


def printed(rows, width):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(alternatives({"by_instance": [], "by_accelerator": rows}, width))
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 100])
def test_pools_on_two_accelerators_fit(width):
    text = printed([row(), row(usd=None, weights="nvfp4")], width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    for said in ("$/Mtok", "J/tok", "TTFT p95", "TPOT p95", "1.23", "2.76", "4.43 s", "39.2 ms", "2x dp8ep8", "nvfp4"):
        assert said in text


pools = st.tuples(
    st.sampled_from(["gb200-nvl72", "h200-sxm-141gb", "rtx-pro-6000-blackwell"]), st.integers(1, 4096),
    st.integers(1, 512), st.sampled_from(["tp1", "tp2pp4", "dp16ep16", "tp2dp8ep16"]),
)  # fmt: skip


@given(st.lists(st.tuples(st.tuples(pools, pools), st.floats(1e-3, 1e4)), min_size=1, max_size=6))
def test_no_figure_is_ever_cut(rows):
    text = printed([row(usd=usd, bought=bought) for bought, usd in rows], 80)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_what_is_ranked_by_is_shown():
    console = Console(width=80, file=io.StringIO(), color_system=None)
    rows = [row() | {"provisioned_power_w": 412e3}]
    answer = {"by_instance": [], "by_accelerator": rows, "scenario": {"objective": "tokens-per-megawatt"}}
    console.print(alternatives(answer, 80))
    text = console.file.getvalue()
    assert "power" in text
    assert "412 kW" in text
    assert "power" not in printed(rows, 80)


def test_wide_pages_hold_everything_in_full():
    text = printed([row()], 140)
    assert "4x gb200-nvl72 + 16x h200-sxm-141gb (1x pp4 > 2x dp8ep8)" in text
    assert "trtllm-1.3" in text
    assert "HBM" in text
