"""The way back: what a launch line says is what the plan said; real command lines; what is refused."""

import pytest
import yaml
from deployable_plans import DENSE, DENSE_FP8, EXPERTS, plan_of, plans
from hypothesis import HealthCheck, given, settings

from drivetrain.arch.layout import parse_layout
from drivetrain.catalogue import loader
from drivetrain.deploy.launch import launch
from drivetrain.deploy.read_args import scenario_from_args
from drivetrain.deploy.shell import shell_line
from drivetrain.errors import BadInputError, DrivetrainError, FileError, UnknownNameError, UnsupportedError
from drivetrain.techniques import parse_techniques

LLAMA = "vllm serve meta-llama/Llama-3.1-70B-Instruct"


def choices(line, **more):
    return dict(scenario_from_args(line, **more).choices)


def read_back(pool, folder):
    """The line of a pool read from a shell, its options file beside it."""
    argv = list(pool.processes[0].argv)
    if pool.options:
        path = folder / pool.options_file
        path.write_text(yaml.safe_dump(dict(pool.options)))
        argv[argv.index(pool.options_file)] = str(path)
    return scenario_from_args(shell_line(argv), engine=pool.setup.engine.name)


@given(case=plans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reading_a_launch_line_gives_back_the_plan(case, tmp_path):
    best, model = case
    (pool,) = launch(best, model, max_model_len=8192, prefix_caching=True)
    read = read_back(pool, tmp_path)
    said = read.choices
    layout = parse_layout(best["layout"])
    assert said["model"] == model
    assert said["engines"] == (best["engine"],)
    assert parse_layout(said["layouts"][0]) == layout
    assert said["weights"] == best["checkpoint"]
    checkpoint = next(c for c in loader.load("models", model).checkpoints if c.name == best["checkpoint"])
    assert (checkpoint.kv_dtype if said["kv"] == "shipped" else said["kv"]) == best["kv_dtype"]
    assert read.max_model_len == 8192
    assert read.copies == 1
    assert said["memory_frac"] == pool.setup.engine.memory_frac

    per_rank = -(-best["max_concurrency"] // layout.dp)
    exact = best["max_concurrency"] if best["engine"].startswith("sglang") else per_rank * layout.dp
    assert said["max_num_seqs"] == exact
    wanted, got = best["techniques"], parse_techniques(said["techniques"])
    whole = wanted.get("chunked_prefill") is False
    if not (whole and best["engine"].startswith("sglang")):  # there, -1 stands for "do not cut"
        assert said["max_batched_tokens"] == (max(best["max_batched_tokens"], 8192) if whole
                                              else best["max_batched_tokens"])  # fmt: skip
    assert got.speculative == wanted.get("speculative", "off")
    assert got.draft_tokens == wanted.get("draft_tokens", 0)
    if "chunked_prefill" in wanted:
        assert got.chunked_prefill == wanted["chunked_prefill"]
    assert (got.kv_offload_bytes or 0.0) == pytest.approx(wanted.get("kv_offload_bytes", 0.0), rel=1e-5)


@given(case=plans(engines=("vllm-0.19", "sglang-0.5")))
@settings(max_examples=40, deadline=None)
def test_reading_what_was_read_changes_nothing(case):
    best, model = case
    (pool,) = launch(best, model)
    once = choices(shell_line(pool.processes[0].argv))
    again = plan_of(
        {"checkpoint": once["weights"], "weight_dtype": best["weight_dtype"]},
        engine=once["engines"][0], layout=once["layouts"][0], kv_dtype=best["kv_dtype"],
        max_concurrency=once["max_num_seqs"], max_batched_tokens=once.get("max_batched_tokens"),
        techniques=once["techniques"], accelerator=best["accelerator"],
    )  # fmt: skip
    (second,) = launch(again, model)
    assert choices(shell_line(second.processes[0].argv)) == once


def test_a_line_as_people_paste_it():
    line = """# our server
    export HF_HOME=/data
    VLLM_ATTENTION_BACKEND=FLASHINFER CUDA_VISIBLE_DEVICES=0,1 \\
        /opt/venv/bin/python3 -m vllm.entrypoints.openai.api_server \\
        --model RedHatAI/Meta-Llama-3.1-70B-Instruct-FP8 \\
        --tensor-parallel-size 2 --gpu_memory_utilization=0.95 --no-enable-prefix-caching --port 80 2>&1 | tee log &"""
    read = scenario_from_args(line)
    assert read.choices["model"] == "llama-3.1-70b"
    assert read.choices["weights"] == "RedHatAI/Meta-Llama-3.1-70B-Instruct-FP8"
    assert read.choices["layouts"] == ("tp2",)
    assert read.choices["memory_frac"] == 0.95
    assert read.choices["prefix_hit"] == 0.0
    why = {one.flag: one.why for one in read.ignored}
    assert "not modelled" in why["VLLM_ATTENTION_BACKEND"]
    assert "requests arrive" in why["--port"]
    assert "CUDA_VISIBLE_DEVICES" in why


def test_containers_tell_the_release_by_their_tag():
    line = (
        "docker run --gpus all -p 8000:8000 --name vllm --ipc=host vllm/vllm-openai:v0.12.0 --model Qwen/Qwen3-8B -tp 2"
    )
    assert choices(line)["engines"] == ("vllm-0.12",)
    assert choices(line, engine="vllm-0.19")["engines"] == ("vllm-0.19",)
    line = "docker run lmsysorg/sglang:v0.5.9 python3 -m sglang.launch_server --model-path Qwen/Qwen3-8B --tp 2"
    assert choices(line)["layouts"] == ("tp2",)
    with pytest.raises(UnsupportedError, match=r"runs vllm 0\.14.*--engine vllm-0\.19"):
        scenario_from_args("docker run vllm/vllm-openai:v0.14.0 --model Qwen/Qwen3-8B")


@pytest.mark.parametrize(
    ("flags", "layout", "copies"),
    [
        ("vllm serve deepseek-ai/DeepSeek-V3 -dp 8 -ep", "dp8ep8", 1),
        ("vllm serve deepseek-ai/DeepSeek-V3 -tp 2 -dp 4 --enable-expert-parallel", "tp2dp4ep8", 1),
        ("vllm serve deepseek-ai/DeepSeek-V3 -tp 8 --enable-expert-parallel", "tp8ep8", 1),
        (f"{LLAMA} -tp 2 -dp 4", "tp2", 4),
        (f"{LLAMA} -tp 4 -pp 2 --enable-expert-parallel", "tp4pp2", 1),
        ("python -m sglang.launch_server --model-path deepseek-ai/DeepSeek-V3 --tp 16 --dp 4 --enable-dp-attention "
         "--ep-size 16", "tp4dp4ep16", 1),
        ("python -m sglang.launch_server --model-path deepseek-ai/DeepSeek-V3 --tp 8 --moe-a2a-backend deepep",
         "tp8ep8", 1),
        ("sglang serve --model-path deepseek-ai/DeepSeek-V3 --tp 8 --dp 2", "tp8", 2),
        ("mpirun -n 16 trtllm-llmapi-launch trtllm-serve deepseek-ai/DeepSeek-V3 --tp_size 16 --ep_size 16",
         "tp16ep16", 1),
        ("trtllm-serve serve deepseek-ai/DeepSeek-V3 --tp_size 8 --pp_size 2", "tp8pp2", 1),
    ],
)  # fmt: skip
def test_layouts_in_each_engines_words(flags, layout, copies):
    read = scenario_from_args(flags)
    assert parse_layout(read.choices["layouts"][0]) == parse_layout(layout)
    assert read.copies == copies
    assert any("independent servers" in note for note in read.notes) == (copies > 1)


def test_the_options_file_wins_and_tells_attention_parallelism(tmp_path):
    path = tmp_path / "options.yaml"
    path.write_text("enable_attention_dp: true\nmax_batch_size: 16\nkv_cache_config:\n  dtype: fp8\n")
    line = f"trtllm-serve deepseek-ai/DeepSeek-V3 --tp_size 8 --ep_size 8 --max_batch_size 4 --config {path}"
    said = choices(line)
    assert said["layouts"] == ("dp8ep8",)
    assert said["kv"] == "fp8"
    assert said["max_num_seqs"] == 128
    path.write_text("kv_cache_confg: {}\n")
    with pytest.raises(UnknownNameError, match="Did you mean 'kv_cache_config'"):
        scenario_from_args(line)
    for text in ("[1]", "a: [", "max_batch_size: many"):
        path.write_text(text)
        with pytest.raises(BadInputError):
            scenario_from_args(line)
    path.unlink()
    with pytest.raises(FileError, match="cannot be read here"):
        scenario_from_args(line)


def test_weights_made_smaller_on_loading():
    read = scenario_from_args(f"{LLAMA} --quantization fp8")
    model = loader.load("models", "llama-3.1-70b")
    chosen = next(c for c in model.checkpoints if c.name == read.choices["weights"])
    assert chosen.is_in("fp8")
    assert chosen.kv_dtype == "bf16"
    assert choices("vllm serve nvidia/Llama-3.1-70B-Instruct-FP8 -q modelopt")["weights"].endswith("FP8")
    with pytest.raises(UnsupportedError, match="--quantization bitsandbytes"):
        scenario_from_args(f"{LLAMA} -q bitsandbytes")


def test_a_path_is_told_by_the_models_name():
    with pytest.raises(UnknownNameError, match="--model"):
        scenario_from_args("vllm serve /models/mine -tp 2")
    assert choices("vllm serve /models/mine -tp 2", model="llama-3.1-70b")["model"] == "llama-3.1-70b"


@pytest.mark.parametrize(
    ("line", "kind", "says"),
    [
        ("", BadInputError, "empty"),
        ("   \n # nothing \n", BadInputError, "empty"),
        ("vllm serve 'x", BadInputError, "No closing quotation"),
        ("vllm serve x \\", BadInputError, "No escaped character"),
        ("ls -l", BadInputError, "cannot tell which engine 'ls -l' starts"),
        ("vlm serve x", BadInputError, "Did you mean 'vllm serve'"),
        ("vllm serve", BadInputError, "names no model"),
        ("vllm serve no-such-model", UnknownNameError, "unknown model 'no-such-model'"),
        (f"{LLAMA} --tensor-paralel-size 2", UnknownNameError, "Did you mean '--tensor-parallel-size'"),
        (f"{LLAMA} --tensor-parallel-size", BadInputError, "needs a value"),
        (f"{LLAMA} --tensor-parallel-size 2.5", BadInputError, "needs a whole number"),
        (f"{LLAMA} --config args.yaml", UnsupportedError, "arguments in a file are not read"),
        (f"{LLAMA} --dtype float32", UnsupportedError, "32-bit"),
        (f"{LLAMA} --prefill-context-parallel-size 2", UnsupportedError, "not modelled"),
        (f"{LLAMA} --speculative-config 3", BadInputError, "needs a JSON object"),
        (f"{LLAMA} -sc.method ngram -sc.num_speculative_tokens two", BadInputError, "whole number"),
        ("trtllm-serve Qwen/Qwen3-8B --tp 2", UnknownNameError, "--tp_size"),
        ("sglang serve --model-path Qwen/Qwen3-30B-A3B --tp 3 --dp 2 --enable-dp-attention", BadInputError, "divide"),
    ],
)
def test_what_cannot_be_read_says_what_to_mend(line, kind, says):
    with pytest.raises(kind) as caught:
        scenario_from_args(line)
    assert says in str(caught.value)
    assert caught.value.exit_code == 2


def test_keys_are_not_repeated():
    read = scenario_from_args(f"HF_TOKEN=hf_abc {LLAMA} --api-key sk-abc --hf-token hf_abc --max-logprobs 5")
    shown = {one.flag: one.value for one in read.ignored}
    assert shown == {"--api-key": "***", "--hf-token": "***", "HF_TOKEN": "***", "--max-logprobs": 5}


def test_an_engine_of_another_family_is_refused():
    with pytest.raises(BadInputError, match="starts vllm, but --engine says sglang"):
        scenario_from_args(LLAMA, engine="sglang-0.5")


@pytest.mark.parametrize("weights", [DENSE, DENSE_FP8, EXPERTS])
def test_every_flag_of_a_line_is_read_or_named_as_ignored(weights):
    best = plan_of(weights, layout="tp8pp2", kv_dtype="fp8")
    (pool,) = launch(best, weights["model"], max_model_len=4096, prefix_caching=True)
    read = scenario_from_args(shell_line(pool.processes[0].argv))
    ignored = {one.flag.lstrip("-") for one in read.ignored}
    assert set(read.parsed.values) == (set(read.parsed.values) & read.used) | ignored
    assert ignored == {"nnodes", "node-rank", "master-addr", "host", "port"}


@pytest.mark.parametrize(
    "text", ["\x00", "vllm serve \x00", "💥", "vllm serve " + "x" * 10_000, "--", "=", "vllm serve --"]
)
def test_odd_texts_are_errors_and_not_tracebacks(text):
    with pytest.raises(DrivetrainError):
        scenario_from_args(text)
