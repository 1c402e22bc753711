"""Recorded runs in many shapes: other spellings, blanks filled from elsewhere, failed requests, stated links."""

import csv
import json

import numpy as np
import pytest

from drivetrain.errors import BadInputError
from drivetrain.measure.names import find_accelerator, find_engine
from drivetrain.measure.recorded import replay
from drivetrain.measure.recorded_link import UNSWITCHED, Links, hardware_with
from drivetrain.measure.recorded_read import read_runs
from drivetrain.measure.recorded_score import validate_requests
from drivetrain.measure.recorded_weights import find_weights

RUN = {"run": "a", "model": "meta-llama/Llama-3.1-8B", "accelerator": "H100", "vllm_version": "0.19.0", "tp": "1",
       "dp": "1", "max_num_seqs": "32", "max_num_batched_tokens": "2048", "dtype": "bfloat16"}  # fmt: skip


def quiet(*_):
    pass


def requests(run="a", n=12, **more):
    return [{"run": run, "arrival_s": 0.2 * i, "input_tokens": 200 + 10 * i, "output_tokens": 20 + i, **more}
            for i in range(n)]  # fmt: skip


def write(folder, runs, rows):
    for name, table in (("runs.csv", runs), ("requests.csv", rows)):
        columns = list(dict.fromkeys(key for row in table for key in row))
        with (folder / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(table)
    return folder


def only(folder, run=None, rows=None):
    """The one run of a folder, which must be readable."""
    found, skipped = read_runs(write(folder, [RUN | (run or {})], rows or requests()))
    assert skipped == []
    return found[0]


@pytest.mark.parametrize(
    ("spelling", "name"),
    [("NVIDIA H100 80GB HBM3", "h100-sxm-80gb"), ("8xH100", "h100-sxm-80gb"), ("NVIDIA H100 NVL", "h100-nvl-94gb"),
     ("NVIDIA H100 80GB HBM2e", "h100-pcie-80gb"), ("NVIDIA A100-SXM4-40GB", "a100-sxm-40gb"),
     ("A100 40GB", "a100-sxm-40gb"), ("A100-80G", "a100-sxm-80gb"), ("NVIDIA A100-PCIE-40GB", "a100-pcie-40gb"),
     ("AMD Instinct MI300X OAM", "mi300x"), ("TPU-v6e-8", "tpu-v6e"), ("NVIDIA GH200 480GB", "gh200-96gb"),
     ("RTX5090", "rtx-5090"), ("NVIDIA RTX A6000", "rtx-a6000"), ("NVIDIA A10G", "a10g"),
     ("RTXPRO6000", "rtx-pro-6000"), ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "rtx-pro-6000"),
     ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "rtx-pro-6000-ws"), ("NVIDIA B200", "b200-sxm-180gb")],
)  # fmt: skip
def test_devices_are_found_as_drivers_and_people_spell_them(spelling, name):
    assert find_accelerator(spelling).name == name


def test_a_memory_that_the_device_does_not_have_is_not_read_over():
    with pytest.raises(BadInputError, match="unknown accelerator"):
        find_accelerator("NVIDIA H200 80GB")


@pytest.mark.parametrize(
    ("model", "columns", "dtype"),
    [("Qwen/Qwen3-32B", {"dtype": "auto"}, "bf16"), ("Qwen/Qwen3-32B", {"dtype": "torch.bfloat16"}, "bf16"),
     ("openai/gpt-oss-20b", {"dtype": "bfloat16"}, "mxfp4"),
     ("deepseek-ai/DeepSeek-R1", {"dtype": "auto"}, "fp8_block"),
     ("RedHatAI/Meta-Llama-3.1-70B-Instruct-FP8", {"dtype": "auto"}, "fp8"),
     ("Qwen/Qwen2.5-72B-Instruct-AWQ", {"dtype": "half"}, "int4"),
     ("meta-llama/Llama-3.1-8B", {"dtype": "bfloat16", "quantization": "fp8"}, "fp8"),
     ("meta-llama/Llama-3.1-8B", {"dtype": "bfloat16", "quantization": "gptq_marlin"}, "int4"),
     ("RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16", {"quantization": "compressed-tensors"}, "int4"),
     ("meta-llama/Llama-3.1-8B", {"dtype": "bfloat16", "weight_dtype": "int8"}, "int8")],
)  # fmt: skip
def test_weights_are_in_what_was_loaded_not_in_the_precision_of_activations(tmp_path, model, columns, dtype):
    run = only(tmp_path, {"model": model, "accelerator": "H200", "tp": "8", **columns})
    assert run.weight_dtype == dtype
    assert run.kv_dtype == "bf16"  # vLLM's cache unless told otherwise


def test_an_unknown_precision_names_those_known():
    with pytest.raises(BadInputError, match="unknown precision 'int9'"):
        find_weights("", "int9", "", "", None, "nvidia", [])


def test_versions_beyond_both_ends_take_the_nearest_and_say_so(tmp_path):
    assert find_engine("vllm", "0.2.0", []).name == "vllm-0.6"
    run = only(tmp_path, {"vllm_version": "0.20.1"})
    assert run.engine.name == "vllm-0.19"
    assert any("0.20.1 is not in the catalogue" in note for note in run.notes)


def test_blanks_of_a_row_are_filled_from_the_engines_arguments(tmp_path):
    given = {"tensor_parallel_size": 2, "max_num_seqs": 7, "max_num_batched_tokens": 512, "kv_cache_dtype": "fp8",
             "gpu_memory_utilization": 0.5, "enable_chunked_prefill": False, "max_model_len": None}  # fmt: skip
    meta = {"model": "meta-llama/Llama-3.1-8B", "vllm_version": "0.19.0", "engine_kwargs": given}
    (tmp_path / "a.meta.json").write_text(json.dumps(meta))
    bare = {"run": "a", "model": RUN["model"], "accelerator": "H100", "max_num_seqs": "9"}
    (run,), skipped = read_runs(write(tmp_path, [bare], requests()))
    assert skipped == []
    assert (str(run.layout), run.max_num_seqs, run.budget, run.kv_dtype) == ("tp2", 9.0, 512.0, "fp8")  # the row wins
    assert (run.engine.name, run.engine.memory_frac, run.chunked) == ("vllm-0.19", 0.5, False)
    (tmp_path / "a.meta.json").write_text("{not json")
    _, skipped = read_runs(tmp_path)
    assert "a.meta.json cannot be read as JSON" in skipped[0]["reason"]


def test_what_the_replay_leaves_out_is_said(tmp_path):
    run = only(tmp_path, {"enforce_eager": "True", "speculative_config": "{'method': 'eagle3'}", "cpu_offload_gb": "0"})
    said = [note for note in run.notes if note.endswith("is not replayed")]
    assert said == ["speculative decoding is not replayed", "launching without graphs is not replayed"]


def test_failed_requests_are_left_out_and_counted(tmp_path):
    rows = requests()
    rows[3] |= {"success": "False", "output_tokens": "0"}
    rows[5] |= {"status": "timeout", "output_tokens": ""}
    rows[7] |= {"error": "connection reset"}
    run = only(tmp_path, rows=rows)
    assert len(run.isl) == 9
    assert any(note.startswith("3 of 12 requests failed") for note in run.notes)
    with pytest.raises(BadInputError, match="Mark requests that failed"):
        validate_requests(write(tmp_path, [RUN], [*requests(), requests()[0] | {"output_tokens": "0"}]), "", quiet)
    with pytest.raises(BadInputError, match="all requests of this run"):
        validate_requests(write(tmp_path, [RUN], requests(success="no")), "", quiet)


def test_latencies_come_from_the_times_of_tokens_or_from_milliseconds(tmp_path):
    times = [row | {"first_token_s": row["arrival_s"] + 0.5, "last_token_s": row["arrival_s"] + 2.5}
             for row in requests()]  # fmt: skip
    run = only(tmp_path, rows=times)
    assert run.measured["ttft_s"] == pytest.approx([0.5] * 12)
    assert run.measured["e2e_s"] == pytest.approx([2.5] * 12)
    assert run.measured["tpot_s"] == pytest.approx(2.0 / (run.osl - 1))
    run = only(tmp_path, rows=requests(ttft_ms=80, e2e_ms=900))
    assert run.measured["ttft_s"] == pytest.approx([0.08] * 12)


def test_requests_without_a_measurement_do_not_count_in_the_prediction_either(tmp_path):
    rows = requests()
    run = only(tmp_path, rows=rows)
    played, _ = replay(run)
    for i, row in enumerate(rows):  # long prompts only are measured: their mean is above that of all
        row["ttft_s"] = played.ttft_s[i] if i >= 9 else ""
    found = validate_requests(write(tmp_path, [RUN], rows), "", quiet).summary["runs"][0]
    assert found["ttft_mean_error_frac"] == pytest.approx(0.0, abs=1e-6)
    assert found["tpot_mean_error_frac"] is None
    assert found["e2e_mean_error_frac"] is None


def test_a_slower_server_gives_errors_below_zero_and_a_faster_one_above(tmp_path):
    """Predicted over measured, minus one: what was measured a quarter longer is predicted 20 % too short."""
    rows = requests()
    played, _ = replay(only(tmp_path, rows=rows))
    for factor, error in ((1.25, -0.2), (0.8, 0.25)):
        slow = [row | {m: factor * float(played.of(m)[i]) for m in ("ttft_s", "tpot_s", "e2e_s")}
                for i, row in enumerate(rows)]  # fmt: skip
        found = validate_requests(write(tmp_path, [RUN], slow), "", quiet).summary["runs"][0]
        for name in ("ttft_mean", "ttft_p50", "tpot_mean", "e2e_mean"):
            assert found[f"{name}_error_frac"] == pytest.approx(error, abs=1e-5)
        for name, (low, high) in found["range"].items():
            assert low <= found["predicted"][name] <= high
            assert low < high


def test_a_run_that_cannot_be_played_costs_no_other(tmp_path):
    small = RUN | {"run": "b", "model": "meta-llama/Llama-3.1-70B", "accelerator": "L4"}
    tiny = RUN | {"run": "c", "kv_tokens_capacity": "64"}
    rows = [*requests("a"), *requests("b"), *requests("c")]
    summary = validate_requests(write(tmp_path, [RUN, small, tiny], rows), "", quiet).summary
    assert [run["run"] for run in summary["runs"]] == ["a"]
    reasons = {one["row_id"]: one["reason"] for one in summary["skipped"]}
    assert "no memory for cache" in reasons["b"]
    assert "KV blocks" in reasons["c"]
    with pytest.raises(BadInputError, match=r"no run of .* can be replayed"):
        validate_requests(write(tmp_path, [tiny], rows), "first-half", quiet)


def test_what_did_run_did_fit(tmp_path):
    run = only(tmp_path, {"model": "Qwen/Qwen2.5-32B-Instruct", "accelerator": "H100", "gpu_memory_utilization": "0.7"})
    assert any("our margins of memory leave no cache" in note for note in run.notes)
    played, _ = replay(run)
    assert np.isfinite(played.e2e_s).all()


def test_two_cards_on_pcie_take_half_the_rate_unless_the_run_says_otherwise(tmp_path):
    pair = {"accelerator": "L40S", "tp": "2"}
    base = only(tmp_path, pair)
    assert base.links == Links(UNSWITCHED, UNSWITCHED, 1.0, "nccl")
    assert any("the 2 cards reach each other is not recorded" in note for note in base.notes)
    direct = only(tmp_path, pair | {"peer_access": "True"})
    assert direct.links == Links(1.0, 1.0, 1.0, "vllm")
    assert only(tmp_path, pair | {"peer_access": "no"}).links.factor == UNSWITCHED
    assert only(tmp_path, pair | {"link_bytes_per_s": "8e9"}).links.factor == pytest.approx(0.25)
    assert replay(base)[0].e2e_s.mean() > 1.02 * replay(direct)[0].e2e_s.mean()
    for other in ({"accelerator": "L40S"}, {"accelerator": "H100", "tp": "2"}):  # no PCIe is crossed
        assert only(tmp_path, other).links == Links(1.0, 1.0, 1.0, "vllm")


def test_a_measured_all_reduce_is_met(tmp_path):
    from drivetrain.comms.collectives import all_reduce
    from drivetrain.cost.efficiency import collective_coefficients

    for rate in (5e9, 20e9):
        run = only(tmp_path, {"accelerator": "RTXPRO6000", "tp": "2", "all_reduce_bytes_per_s": str(rate)})
        topology = hardware_with(run.accelerator, run.layout, run.links.factor).topology
        seconds = all_reduce(2, topology, collective_coefficients("nccl")).seconds(2**26)
        assert 2**26 / seconds == pytest.approx(rate, rel=1e-6)


@pytest.mark.parametrize(
    ("columns", "said"),
    [({"all_reduce_bytes_per_s": "1e15"}, "no link of l40s gives that"), ({"link_bytes_per_s": "0"}, "above 0"),
     ({"peer_access": "maybe"}, "write True or False"), ({"gpu_memory_utilization": "1.5"}, "at most 1"),
     ({"peer_access": "True", "link_bytes_per_s": "1e9"}, "give one of them")],
)  # fmt: skip
def test_a_link_that_cannot_be_is_the_reason_why_a_run_is_left_out(tmp_path, columns, said):
    _, skipped = read_runs(write(tmp_path, [RUN | {"accelerator": "L40S", "tp": "2"} | columns], requests()))
    assert said in skipped[0]["reason"]


def test_cards_beyond_the_usual_server_share_one_where_pcie_joins_them(tmp_path):
    run = only(tmp_path, {"accelerator": "RTX 4090", "tp": "4"})
    assert run.links.low <= run.links.factor <= run.links.high
    assert run.links.low < run.links.high
    assert hardware_with(run.accelerator, run.layout, 1.0).topology.domain == 4


def test_ranks_with_shared_experts_and_replicas(tmp_path):
    moe = {"model": "Qwen/Qwen3-30B-A3B-Instruct-2507", "dp": "2", "expert_parallel": "True"}
    run = only(tmp_path, moe)
    assert (str(run.layout), run.replicas, run.max_num_seqs) == ("dp2ep2", 1, 64.0)
    dense = only(tmp_path, {"dp": "2"})
    assert (str(dense.layout), dense.replicas) == ("tp1", 2)
    assert any(note.startswith("2 replicas of tp1") for note in dense.notes)
