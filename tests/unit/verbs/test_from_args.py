"""Predicting from a command line: the same as asking for the configuration, and what the plan would change."""

import pytest

from drivetrain import predict_serve
from drivetrain.errors import BadInputError, UnknownNameError
from drivetrain.verbs.from_args import account, predict_from_args, read_command

LINE = "vllm serve Qwen/Qwen3-8B -tp 2 --max-num-seqs 64 --max-num-batched-tokens 4096 --kv-cache-dtype fp8 --port 80"
LOAD = {"accelerator": "h100-sxm", "isl": 1000, "osl": 200}
COUNTED = ("output_tokens_per_s", "ttft_s", "tpot_s", "max_concurrency", "max_batched_tokens", "layout", "kv_dtype",
           "memory_bytes", "usd_per_million_output_tokens", "engine")  # fmt: skip


def test_the_line_predicts_what_its_configuration_does():
    ours = predict_from_args(LINE, **LOAD, concurrency=16)
    asked = predict_serve(model="qwen3-8b", layout="tp2", engine="vllm-0.19", kv="fp8", max_num_seqs=64,
                          max_batched_tokens=4096, **LOAD, concurrency=16)  # fmt: skip
    assert {k: ours[k] for k in COUNTED} == {k: asked[k] for k in COUNTED}
    found = ours["from_args"]
    assert [one["flag"] for one in found["ignored"]] == ["--port"]
    assert found["would_change"] == []
    assert found["compared"] is None  # without a rate there is nothing to plan for


def test_a_larger_share_of_memory_holds_more():
    little, much = (
        predict_from_args(f"vllm serve Qwen/Qwen3-8B --gpu-memory-utilization {share}", accelerator="h100-sxm",
                          isl=20_000, osl=1000, concurrency=2)
        for share in (0.5, 0.95)
    )  # fmt: skip
    assert 1 < little["largest_concurrency"] < much["largest_concurrency"] / 1.8


def test_a_wasteful_line_is_told_what_to_change():
    found = predict_from_args("vllm serve Qwen/Qwen3-8B -tp 8 --max-num-seqs 8", **LOAD, rate=2.0)["from_args"]
    flags = {change["flag"]: (change["from"], change["to"]) for change in found["would_change"]}
    assert flags["--tensor-parallel-size"][0] == 8
    assert flags["--tensor-parallel-size"][1] < 8
    compared = found["compared"]
    before, after = (compared[side]["usd_per_million_output_tokens"] for side in ("as_given", "best"))
    assert compared["gain_frac"] == pytest.approx(1 - after / before)
    assert compared["gain_frac"] > 0.3
    assert compared["best"]["launch"].startswith("vllm serve Qwen/Qwen3-8B --tensor-parallel-size")


def test_following_the_advice_leaves_nothing_to_change():
    first = predict_from_args("vllm serve Qwen/Qwen3-8B -tp 8", **LOAD, rate=2.0)["from_args"]
    again = predict_from_args(first["compared"]["best"]["launch"], **LOAD, rate=2.0)["from_args"]
    assert again["would_change"] == []
    assert again["compared"]["gain_frac"] == pytest.approx(0.0, abs=0.005)


def test_a_server_that_refuses_the_longest_requests_is_noted():
    command = read_command(
        "vllm serve Qwen/Qwen3-8B --max-model-len 1k",
        {**LOAD, "accelerators": ("h100-sxm",), "accelerator": None, "concurrency": 4.0},
    )
    assert any("refuses requests beyond 1,000 tokens" in note for note in account(command)["notes"])


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ({"layout": "tp4"}, "--layout is said by the command line"),
        ({"layouts": ("tp4",)}, "--layout is said by the command line"),
        ({"kv": "bf16"}, "--kv is said by the command line"),
        ({"max_num_seqs": 3}, "--max-num-seqs is said"),
        ({"techniques": "speculative=ngram"}, "--with is said"),
        ({"accelerator": ""}, "say what the command line runs on"),
        ({"engine": "sglang-0.5"}, "starts vllm"),
        ({"isl": None}, "say what the requests look like"),
    ],
)
def test_what_is_said_twice_or_not_at_all(choices, says):
    with pytest.raises(BadInputError, match=says):
        predict_from_args(LINE, **{**LOAD, "concurrency": 4, **choices})


def test_unknown_flags_are_refused():
    with pytest.raises(UnknownNameError, match="--max-num-seqs"):
        predict_from_args("vllm serve Qwen/Qwen3-8B --max-num-seq-s 3", **LOAD, concurrency=1)
