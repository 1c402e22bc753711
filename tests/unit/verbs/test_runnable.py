"""Plans and predictions offer what is known to start, mark what nobody knows, and refuse the rest with a way out."""

import pytest

from drivetrain.arch.layout import Layout
from drivetrain.errors import BadInputError, UnsupportedError
from drivetrain.scenario import ServeScenario
from drivetrain.serving.startable import features_of
from drivetrain.techniques import Techniques
from drivetrain.verbs.plan_serve import plan_serve
from drivetrain.verbs.predict_serve import predict_serve

ASKED = {"isl": 1024, "osl": 256}


def predict(**choices):
    return predict_serve(**({"model": "llama-3.1-8b", "layout": "tp1", "concurrency": 4} | ASKED | choices))


def plan(**choices):
    return plan_serve(**({"model": "llama-3.1-8b", "rate": 2} | ASKED | choices))


def test_a_supported_configuration_says_so_with_sources():
    support = predict(accelerator="h100-sxm", engine="vllm")["support"]
    assert support["status"] == "supported"
    assert support["reasons"] == []
    assert any("vLLM" in source for source in support["sources"])


def test_an_unverified_one_is_evaluated_and_marked():
    fields = predict(accelerator="v100-sxm2-32gb", engine="vllm-0.19")
    assert fields["support"]["status"] == "unverified"
    assert "not known to run v100" in fields["support"]["reasons"][0]
    assert fields["tpot_s"]["mean"] > 0


@pytest.mark.parametrize(
    ("choices", "why", "instead"),
    [
        ({"accelerator": "mi355x", "engine": "trtllm"}, "does not run mi355x", "--engines vllm-0.19"),
        ({"accelerator": "h100-sxm", "model": "deepseek-r1", "layout": "tp16", "weights": "nvfp4"},
         "does not run nvfp4 weights on h100-sxm-80gb", "--weights fp8_block"),
        ({"accelerator": "a100-sxm-80gb", "engine": "vllm-0.10", "kv": "fp8"}, "from vLLM 0.11 on", "vllm-0.19"),
        ({"accelerator": "h100-sxm", "engine": "jetstream"}, "it is for TPUs", "--engines vllm-0.19"),
        ({"accelerator": "b200-sxm-180gb", "engine": "vllm-0.8"}, "from vLLM 0.9 on", "--engines vllm-0.19"),
    ],
)  # fmt: skip
def test_what_would_not_start_is_refused_with_what_does(choices, why, instead):
    with pytest.raises(UnsupportedError) as error:
        predict(**choices)
    assert why in str(error.value)
    assert instead in str(error.value)


def test_a_plan_leaves_out_what_nobody_knows_and_names_the_option():
    with pytest.raises(UnsupportedError, match="--allow-unverified"):
        plan(accelerators="trainium2")


def test_allowed_it_is_planned_and_marked():
    best = plan(accelerators="trainium2", allow_unverified=True)["best"]
    assert best["support"]["status"] == "unverified"


def test_every_row_of_a_plan_is_supported():
    answer = plan(accelerators="h100-sxm,mi300x,trainium2,v100-sxm2-32gb", engines="vllm,sglang,trtllm")
    rows = answer["by_accelerator"] + answer["unpriced"]
    assert {row["support"]["status"] for row in rows} == {"supported"}
    assert {row["accelerator"] for row in rows} == {"h100-sxm-80gb", "mi300x"}
    assert all(row["engine"] != "trtllm-1.3" for row in rows if row["accelerator"] == "mi300x")


def test_allowing_more_never_costs_more():
    """A larger space holds the smaller: the best plan of it is at least as good."""
    known = plan(accelerators="h100-sxm,trainium1")["best"]["usd_per_million_output_tokens"]
    wider = plan(accelerators="h100-sxm,trainium1", allow_unverified=True)["best"]["usd_per_million_output_tokens"]
    assert wider <= known * (1 + 1e-12)


def test_layouts_and_techniques_ask_for_features():
    assert features_of(Layout(tp=4, pp=2)) == ("pipeline_parallel",)
    assert set(features_of(Layout(dp=4, ep=4))) == {"expert_parallel", "attention_dp"}
    chosen = Techniques(speculative="mtp", sparsity="2:4", two_batch_overlap=True)
    assert features_of(Layout(), chosen) == ("speculative_mtp", "sparse_2_4", "two_batch_overlap")
    assert features_of(Layout(), Techniques(speculative="draft:llama-3.2-1b")) == ("speculative_draft",)


def test_allow_unverified_is_yes_or_no():
    with pytest.raises(BadInputError, match="allow-unverified"):
        ServeScenario(model="llama-3.1-8b", isl=1, osl=1, allow_unverified="yes")
