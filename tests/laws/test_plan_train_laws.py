"""Laws of training plans: more to spend never trains less, parts sum, a better network is never slower."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.verbs.plan_train import plan_train
from drivetrain.verbs.predict_train import predict_train

PARTS = st.sampled_from(["h100-sxm", "a100-sxm-80gb", "b200-sxm", "gb200-nvl72", "mi300x", "tpu-v5p"])


@settings(max_examples=6, deadline=None)
@given(PARTS, st.floats(min_value=1e5, max_value=2e7), st.floats(min_value=1.3, max_value=4.0))
def test_more_money_never_means_a_higher_loss(part, usd, factor):
    less, more = (plan_train(budget_usd=usd * f, accelerator=part) for f in (1.0, factor))
    # a factor below 1.3 could be lost to the next larger cluster or batch
    assert more["flops"] > less["flops"]
    assert more["loss"]["value"] < less["loss"]["value"]
    assert less["usd"] == pytest.approx(usd, rel=1e-6)


@settings(max_examples=12, deadline=None)
@given(PARTS, st.floats(min_value=1e20, max_value=1e25))
def test_an_answer_sums_and_stays_below_peak(part, flops):
    got = plan_train(flops=flops, accelerator=part)
    if not got["feasible"]:
        return
    assert sum(got["breakdown_s"].values()) == pytest.approx(got["step_time_s"], rel=1e-9)
    assert sum(got["breakdown"].values()) == pytest.approx(1.0, rel=1e-9)
    assert 0.0 < got["mfu"] <= got["hfu"] < 1.0
    assert all(share >= -1e-9 for share in got["breakdown"].values())
    assert 0.0 < got["effective_time_frac"] <= 1.0
    assert got["memory_bytes"]["total"] <= got["memory_bytes"]["capacity"]
    assert got["days"] <= 90.0
    for ends in got["ranges"].values():
        assert ends["p10"] is None or ends["p10"] <= ends["p90"]


@settings(max_examples=6, deadline=None)
@given(st.sampled_from([16, 64, 256, 2048]), st.sampled_from(["llama-3.1-8b", "qwen3-30b-a3b", "llama-3.1-70b"]),
       st.floats(min_value=25.0, max_value=800.0), st.floats(min_value=1.0, max_value=8.0))  # fmt: skip
def test_a_faster_port_is_never_slower(n, model, gbit, factor):
    slow, fast = (
        predict_train(model=model, accelerator="h100-sxm", n=n, fabric=f"ib-ndr:{gbit * f}Gbit/s", global_batch=2048)
        for f in (1.0, factor)
    )
    assert fast["step_time_s"] <= slow["step_time_s"] * (1 + 1e-9)
