"""One layout explained: MFU, HFU, ranges, and messages that help."""

import math

import pytest
from training_machines import H100, LLAMA_8B, LLAMA_70B, MIXTRAL

from drivetrain.errors import DoesNotFitError, LayoutError
from drivetrain.training.cases import Cluster, Job
from drivetrain.training.layout import TrainingLayout, parse_layout
from drivetrain.training.predict import exposed_share, predict


def test_mfu_is_model_flops_over_time_and_peak():
    got = predict(LLAMA_8B, Job(128), Cluster(H100, 8), parse_layout("dp8zero3", recompute="full"))
    assert got.mfu == pytest.approx(LLAMA_8B.model_flops * got.tokens_per_s_per_accelerator / 989e12, rel=1e-3)
    assert got.hfu == pytest.approx(got.mfu * 4 / 3)
    assert sum(got.parts.values()) == pytest.approx(got.step_s)
    assert got.tokens_per_s == pytest.approx(128 * 8192 / got.step_s)
    assert 0.2 < got.mfu < 0.7


def test_range_and_tier():
    known = predict(LLAMA_8B, Job(128), Cluster(H100, 8), parse_layout("dp8"), framework="megatron", must_fit=False)
    unknown = predict(LLAMA_8B, Job(128), Cluster(H100, 8), parse_layout("dp8"), framework="fsdp", must_fit=False)
    experts = predict(MIXTRAL, Job(128), Cluster(H100, 8), parse_layout("dp8ep8"), framework="megatron", must_fit=False)
    assert (known.tier, unknown.tier) == ("calibrated", "roofline")
    width = [math.log(got.p90 / got.p10) for got in (known, unknown, experts)]
    assert width[0] < width[1]
    assert width[0] < width[2]
    assert known.p10 < known.tokens_per_s_per_accelerator < known.p90


def test_what_does_not_fit_says_what_would():
    with pytest.raises(DoesNotFitError, match=r"GB of the \d+ GB .* It fits with .*(recompute|zero|tp)"):
        predict(LLAMA_70B, Job(64), Cluster(H100, 64), TrainingLayout(tp=4, dp=16))
    with pytest.raises(DoesNotFitError, match="more accelerators"):
        predict(LLAMA_70B, Job(64), Cluster(H100, 2), TrainingLayout(tp=2))


def test_the_layout_must_fill_the_cluster():
    with pytest.raises(LayoutError, match="Set dp8"):
        predict(LLAMA_70B, Job(64), Cluster(H100, 64), TrainingLayout(tp=8, dp=4))


def test_beyond_the_fitted_range_it_says_so():
    layout = TrainingLayout(tp=8, pp=8, dp=512, recompute="full")
    got = predict(LLAMA_70B, Job(4096), Cluster(H100, 32_768), layout)
    assert any("extrapolated" in note for note in got.notes)


def test_exposed_share():
    assert exposed_share({"tp": 1.0, "ep": 0.0, "cp": 0.0, "pp": 0.5, "dp": 0.5, "products": 6.0}) == 0.25


def test_slower_networks_cost_more():
    from drivetrain.catalogue import loader
    from drivetrain.cost.hardware import hardware_of

    part = loader.load("accelerators", "h100-sxm-80gb")
    layout = TrainingLayout(dp=64, zero=3, recompute="full")
    steps = [
        predict(LLAMA_8B, Job(128), Cluster(hardware_of(part, nic_bytes_per_s=rate), 64), layout).step_s
        for rate in (50e9, 12.5e9, 3e9)
    ]
    assert steps[0] < steps[1] < steps[2]
