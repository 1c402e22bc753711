"""Launch lines: what each flag says, and that every line is one the engine takes."""

import itertools
import json

import pytest
from deployable_plans import DENSE, DENSE_FP8, ENGINES, EXPERTS, LAYOUTS, expressible, plan_of, plans
from hypothesis import given, settings

from drivetrain.deploy.arguments import parse, unknown_options
from drivetrain.deploy.launch import launch, launch_line
from drivetrain.deploy.shell import script, shell_line
from drivetrain.errors import UnsupportedError

PROGRAM_WORDS = {"vllm": 2, "sglang": 3}
TECHNIQUES = (
    {}, {"speculative": "mtp", "draft_tokens": 2}, {"speculative": "ngram"}, {"speculative": "draft:llama-3.2-1b"},
    {"chunked_prefill": False}, {"kv_offload_bytes": 64e9}, "speculative=eagle,draft-tokens=3",
)  # fmt: skip


def line(weights=DENSE, **changes):
    return launch_line(plan_of(weights, **changes), weights["model"], max_model_len=8192)


def value(argv, flag):
    return argv[argv.index(flag) + 1]


def parsed(pool, process):
    argv = list(process.argv)
    family = pool.arguments.family
    start = argv.index("trtllm-serve") + 1 if family == "trtllm" else PROGRAM_WORDS[family]
    return parse(family, pool.arguments.version, argv[start:])


@pytest.mark.parametrize(
    ("engine", "weights", "kv", "techniques"),
    [
        case
        for case in itertools.product(ENGINES, (DENSE, DENSE_FP8, EXPERTS), ("bf16", "fp8"), TECHNIQUES)
        if not (case[1] is DENSE_FP8 and case[2] == "bf16")
        and not (case[0] == "vllm-0.10" and "kv_offload_bytes" in case[3])
    ],
)
def test_every_line_of_the_grid_parses_against_its_engine(engine, weights, kv, techniques):
    for layout in LAYOUTS[weights["model"]]:
        if not expressible(engine, layout):
            continue
        best = plan_of(weights, engine=engine, layout=layout, kv_dtype=kv, techniques=techniques)
        for pool in launch(best, weights["model"], max_model_len=8192, prefix_caching=True):
            assert unknown_options(pool.arguments, pool.options) == []
            for process in pool.processes:
                found = parsed(pool, process)
                assert found.model == weights["checkpoint"]


@given(plans())
@settings(max_examples=60, deadline=None)
def test_ranks_of_a_line_are_the_accelerators_of_the_layout(case):
    best, model = case
    for pool in launch(best, model):
        found, layout = parsed(pool, pool.processes[0]), pool.setup.layout
        names = {
            "vllm": ("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size"),
            "sglang": ("tensor-parallel-size", "pipeline-parallel-size"),
            "trtllm": ("tp_size", "pp_size"),
        }
        ranks = 1
        for name in names[pool.arguments.family]:
            ranks *= found.value(name)
        assert ranks == layout.n_accelerators == pool.setup.nodes * pool.setup.per_node


def test_vllm_says_layout_precision_and_limits():
    argv = line(DENSE_FP8, kv_dtype="fp8", layout="tp4")
    assert argv[:3] == ["vllm", "serve", "nvidia/Llama-3.1-70B-Instruct-FP8"]
    assert value(argv, "--tensor-parallel-size") == "4"
    assert value(argv, "--max-num-seqs") == "96"
    assert value(argv, "--max-num-batched-tokens") == "8192"
    assert value(argv, "--max-model-len") == "8192"
    assert value(argv, "--kv-cache-dtype") == "fp8"
    assert value(argv, "--gpu-memory-utilization") == "0.9"
    assert "--quantization" not in argv  # the checkpoint says so itself


def test_limits_are_per_rank_for_vllm_and_in_all_for_sglang():
    ours = {"layout": "dp8ep8", "max_concurrency": 100, "max_batched_tokens": 4096}
    vllm, sglang = line(EXPERTS, **ours), line(EXPERTS, engine="sglang-0.5", **ours)
    assert value(vllm, "--max-num-seqs") == "13"
    assert value(vllm, "--max-num-batched-tokens") == "4096"
    assert "--enable-expert-parallel" in vllm
    assert value(sglang, "--max-running-requests") == "100"
    assert value(sglang, "--chunked-prefill-size") == "32768"
    assert [value(sglang, f) for f in ("--tp-size", "--dp-size", "--ep-size")] == ["8", "8", "8"]
    assert "--enable-dp-attention" in sglang


def test_trtllm_says_in_its_file_what_has_no_flag():
    best = plan_of(EXPERTS, engine="trtllm-1.2", layout="dp8ep8", kv_dtype="fp8", max_batched_tokens=2048,
                   techniques={"speculative": "mtp", "draft_tokens": 3, "kv_offload_bytes": 2e9})  # fmt: skip
    (pool,) = launch(best, "deepseek-v3", max_model_len=8192, prefix_caching=False)
    assert pool.options == {
        "kv_cache_config": {
            "enable_block_reuse": False, "dtype": "fp8", "free_gpu_memory_fraction": 0.9, "host_cache_size": 2000000000,
        },
        "enable_attention_dp": True,
        "enable_chunked_prefill": True,  # prompts beyond 2048 tokens would be refused otherwise
        "speculative_config": {"decoding_type": "MTP", "num_nextn_predict_layers": 3},
    }  # fmt: skip
    argv = list(pool.processes[0].argv)
    assert value(argv, "--tp_size") == "8"
    assert value(argv, "--extra_llm_api_options") == pool.options_file


def test_speculation_in_each_engines_words():
    mtp = {"speculative": "mtp", "draft_tokens": 2}
    assert json.loads(value(line(EXPERTS, layout="tp8", techniques=mtp), "--speculative-config")) == {
        "method": "mtp", "num_speculative_tokens": 2,
    }  # fmt: skip
    old = line(EXPERTS, layout="tp8", techniques=mtp, engine="vllm-0.10")
    assert json.loads(value(old, "--speculative-config"))["method"] == "deepseek_mtp"
    sglang = line(EXPERTS, layout="tp8", techniques=mtp, engine="sglang-0.5")
    assert value(sglang, "--speculative-algorithm") == "NEXTN"
    assert value(sglang, "--speculative-num-steps") == "2"
    assert value(sglang, "--speculative-num-draft-tokens") == "3"
    draft = line(techniques={"speculative": "draft", "draft_model": "llama-3.2-1b", "draft_tokens": 4})
    assert json.loads(value(draft, "--speculative-config")) == {
        "method": "draft_model", "model": "meta-llama/Llama-3.2-1B-Instruct", "num_speculative_tokens": 4,
    }  # fmt: skip


def test_prefix_caching_is_said_only_where_it_is_chosen():
    on, off, unsaid = (launch_line(plan_of(), "llama-3.1-70b", prefix_caching=choice) for choice in (True, False, None))
    assert "--enable-prefix-caching" in on
    assert "--no-enable-prefix-caching" in off
    assert not any("prefix-caching" in word for word in unsaid)


def test_prompts_that_are_not_cut_must_fit_into_a_step():
    assert value(line(techniques={"chunked_prefill": False}, max_batched_tokens=2048), "--max-num-batched-tokens") == (
        "8192"
    )
    assert value(line(engine="sglang-0.5", techniques={"chunked_prefill": False}), "--chunked-prefill-size") == "-1"


def test_hosts_of_a_replica_are_started_one_by_one():
    (pool,) = launch(plan_of(DENSE, layout="tp8pp2"), "llama-3.1-70b")
    first, second = (list(p.argv) for p in pool.processes)
    assert [value(first, "--node-rank"), value(second, "--node-rank")] == ["0", "1"]
    assert "--headless" in second
    assert "--headless" not in first
    (pool,) = launch(plan_of(EXPERTS, layout="dp16ep16"), "deepseek-v3")
    second = list(pool.processes[1].argv)
    assert value(second, "--data-parallel-size-local") == "8"
    assert value(second, "--data-parallel-start-rank") == "8"
    (pool,) = launch(plan_of(DENSE, layout="tp8pp2", engine="vllm-0.10"), "llama-3.1-70b")
    assert len(pool.processes) == 1  # one process, over a Ray cluster
    assert value(list(pool.processes[0].argv), "--distributed-executor-backend") == "ray"
    (pool,) = launch(plan_of(EXPERTS, layout="dp16ep16", engine="trtllm-1.2"), "deepseek-v3")
    assert pool.processes[0].argv[:3] == ("mpirun", "-n", "16")


def test_racks_are_started_by_host():
    (pool,) = launch(plan_of(EXPERTS, layout="dp16ep16", accelerator="gb200-nvl72"), "deepseek-v3")
    assert (pool.setup.nodes, pool.setup.per_node) == (4, 4)


def test_prefill_and_decode_apart():
    layout = {"prefill": {"layout": "tp4", "replicas": 2}, "decode": {"layout": "tp8", "replicas": 1}}
    prefill, decode = launch(plan_of(layout=layout), "llama-3.1-70b")
    assert (prefill.setup.replicas, str(prefill.setup.layout)) == (2, "tp4")
    assert (decode.setup.replicas, str(decode.setup.layout)) == (1, "tp8")
    transfer = json.loads(value(list(prefill.processes[0].argv), "--kv-transfer-config"))
    assert transfer == {"kv_connector": "NixlConnector", "kv_role": "kv_producer"}
    prefill, decode = launch(plan_of(layout=layout, engine="sglang-0.5"), "llama-3.1-70b")
    assert value(list(decode.processes[0].argv), "--disaggregation-mode") == "decode"
    with pytest.raises(UnsupportedError, match="decode is missing"):
        launch(plan_of(layout={"prefill": {"layout": "tp4"}}), "llama-3.1-70b")


@pytest.mark.parametrize(
    ("weights", "changes", "says"),
    [
        (EXPERTS, {"engine": "trtllm-1.2", "layout": "tp2dp4ep8"}, "attention data parallel over all ranks or none"),
        (EXPERTS, {"layout": "tp8ep4"}, "spreads experts over all 8 ranks or none"),
        (DENSE, {"engine": "jetstream"}, "not for jetstream"),
        (DENSE, {"kv_dtype": "nvfp4"}, "keeps no nvfp4 cache"),
        (DENSE, {"engine": "vllm-0.9", "techniques": {"two_batch_overlap": True}}, "cannot be told this plan"),
        (EXPERTS, {"engine": "trtllm-1.2", "layout": "tp8", "techniques": {"redundant_experts": 8}}, "no plain option"),
    ],
)
def test_what_an_engine_cannot_be_told_is_said(weights, changes, says):
    with pytest.raises(UnsupportedError, match=says):
        line(weights, **changes)


def test_the_script_names_every_process_and_keeps_variables():
    pools = launch(plan_of(DENSE, layout="tp8pp2"), "llama-3.1-70b")
    text = script(pools, "title")
    assert text.startswith("#!/usr/bin/env bash\n# title\n")
    assert "server-node-0)" in text
    assert "server-node-1)" in text
    assert '--master-addr "$HEAD_ADDRESS"' in text
    assert "${HEAD_ADDRESS:?" in text
    lines = [one.strip() for one in text.splitlines() if one.strip().startswith("vllm serve")]
    assert lines == [shell_line(process.argv) for process in pools[0].processes]
