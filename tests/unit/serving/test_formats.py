"""Formats of checkpoints and cut prompts: what is planned is what an engine starts and what its files say."""

import tomllib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.arch.layout import Layout
from drivetrain.catalogue import loader
from drivetrain.catalogue.formats import FORMATS, usual_format
from drivetrain.catalogue.read_model import read_model, write_model
from drivetrain.catalogue.support import support_of
from drivetrain.deploy.save import deployable
from drivetrain.errors import FileError
from drivetrain.scenario import ServeScenario
from drivetrain.serving.search import candidates
from drivetrain.serving.startable import Starters, chunks_prompts, support
from drivetrain.techniques import Techniques
from drivetrain.verbs.plan_serve import plan_serve
from drivetrain.verbs.predict_serve import predict_serve
from drivetrain.verbs.resolve import resolve

MODELS, ACCELERATORS = loader.load_all("models"), loader.load_all("accelerators")
CHECKPOINTS = [(m, c) for m in MODELS.values() for c in m.checkpoints]
NEWEST = [loader.load("engines", name) for name in ("vllm", "sglang", "trtllm")]
H200 = loader.load("accelerators", "h200")
AMD = [a for a in ACCELERATORS.values() if a.vendor == "amd" and a.kind == "gpu"]
QUESTION = {"workload": "azure-2023-conv", "rate": 5.0, "slo": "ttft_p95=2s,tpot_p95=50ms"}

WITH_FP8 = (
    "llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b", "llama-3.3-70b", "llama-4-scout", "llama-4-maverick",
    "mixtral-8x7b", "mixtral-8x22b", "qwen3-14b", "qwen3-8b",
)  # fmt: skip


def plan(**asked):
    return plan_serve(**(QUESTION | {"levers": "off"} | asked))["best"]


# --- formats


@given(st.sampled_from(CHECKPOINTS), st.sampled_from(AMD), st.sampled_from(NEWEST))
def test_no_engine_starts_a_modelopt_checkpoint_on_amd(pair, accelerator, engine):
    model, checkpoint = pair
    if checkpoint.written_as == "modelopt":
        answer = support(engine, accelerator, model, checkpoint, "bf16")
        assert answer.status == "unsupported"


@given(st.sampled_from(CHECKPOINTS), st.sampled_from(sorted(ACCELERATORS)), st.sampled_from(NEWEST))
def test_a_format_never_makes_more_start(pair, name, engine):
    model, checkpoint = pair
    worst = ("unsupported", "unverified", "supported")
    asked = {"weight_dtype": checkpoint.weight_dtype, "kv_dtype": "bf16", "family": model.family}
    without, within = (
        support_of(engine, ACCELERATORS[name], **asked, weight_format=written)
        for written in ("", checkpoint.written_as)
    )
    assert worst.index(within.status) <= worst.index(without.status)


def test_formats_follow_from_the_publisher_unless_stated():
    assert usual_format("amd/Llama-3.1-8B-Instruct-FP8-KV", "fp8") == "quark"
    assert usual_format("RedHatAI/phi-4-quantized.w4a16", "int4") == "compressed-tensors"
    assert usual_format("TheBloke/Llama-2-13B-chat-AWQ", "int4") == "awq"
    assert usual_format("nvidia/some-model", "bf16") == "none"
    assert usual_format("somebody/model", "fp8") == ""
    stated = next(c for c in MODELS["llama-3.1-405b"].checkpoints if c.name == "meta-llama/Llama-3.1-405B-FP8")
    assert stated.written_as == "fbgemm_fp8"
    assert {c.written_as for _, c in CHECKPOINTS} <= {*FORMATS, ""}


def test_a_stated_format_survives_writing_and_must_be_known():
    model = MODELS["llama-3.1-405b"]
    text = write_model(model)
    assert 'format = "fbgemm_fp8"' in text

    assert read_model(tomllib.loads(text), "x") == model
    with pytest.raises(FileError, match="unknown format 'fbgemm'"):
        read_model(tomllib.loads(text.replace('"fbgemm_fp8"', '"fbgemm"')), "x")


@pytest.mark.parametrize("model", WITH_FP8)
def test_every_model_with_fp8_weights_has_some_that_start_on_amd_and_on_hopper(model):
    resolved = resolve(ServeScenario(model=model, **QUESTION, weights="fp8", accelerators=("mi355x", "h200")))
    jobs, _ = candidates(resolved.model, resolved.checkpoints, resolved.offers, resolved.engines, resolved.lengths)
    found = {(job.offer.vendor, job.deployment.cut.checkpoint.written_as) for job in jobs}
    assert {vendor for vendor, _ in found} == {"amd", "nvidia"}
    assert ("amd", "modelopt") not in found


def test_each_engine_is_given_one_of_checkpoints_that_are_the_same():
    model, h200 = MODELS["llama-3.1-70b"], H200
    fp8 = [c for c in model.checkpoints if c.weight_dtype == "fp8"]
    starters = Starters(model, NEWEST, "fp8", False, None, fp8)
    taken = [(e.family, c.written_as) for c in fp8 for e in starters.of(h200, c, Layout(tp=4))]
    assert sorted(family for family, _ in taken) == ["sglang", "trtllm", "vllm"]
    assert ("trtllm", "modelopt") in taken
    on_amd = [c.written_as for c in fp8 for _ in starters.of(ACCELERATORS["mi355x"], c, Layout(tp=4))]
    assert len(on_amd) == 2  # vLLM and SGLang, one checkpoint each
    assert "modelopt" not in on_amd


@pytest.mark.parametrize("model", ["llama-3.1-70b", "llama-3.3-70b"])
def test_plans_and_predictions_for_mi355x_load_no_modelopt_checkpoint(model):
    best = plan(model=model, weights="fp8", accelerators="mi355x")
    assert best["weight_dtype"] == "fp8"
    assert not best["checkpoint"].startswith("nvidia/")
    assert best["support"]["status"] == "supported"
    alone = predict_serve(model=model, weights="fp8", accelerators="mi355x", layouts="tp8", isl=1000, osl=100,
                             concurrency=8)  # fmt: skip
    assert not alone["checkpoint"].startswith("nvidia/")
    assert alone["support"]["status"] == "supported"


# --- prompts in chunks


def written(best, model):
    scenario = {"model": model, "slo": QUESTION["slo"], "prefix_hit": None, "workload": QUESTION["workload"],
                "isl": None, "osl": None}  # fmt: skip
    folder = deployable({"feasible": True, "verdict": "", "best": best, "scenario": scenario, "assumptions": []})
    options = next(yaml.safe_load(text) for name, text in folder.files.items() if name.endswith("options.yaml"))
    return options, folder.files["launch.sh"]


@pytest.mark.parametrize("budget", [512, 2048, 8192, None])
def test_trtllm_files_say_what_the_plan_assumes(budget):
    best = plan(model="llama-3.1-70b", engines="trtllm", accelerators="h200", max_batched_tokens=budget)
    options, launch = written(best, "llama-3.1-70b")
    assert best["chunked_prefill"] is True
    assert options["enable_chunked_prefill"] is True
    assert f"--max_num_tokens {best['max_batched_tokens']}" in launch
    assert budget in (None, best["max_batched_tokens"])


def test_trtllm_files_keep_prompts_whole_where_the_plan_does():
    best = plan(model="llama-3.1-70b", engines="trtllm", accelerators="h200", techniques="chunked-prefill=off")
    options, launch = written(best, "llama-3.1-70b")
    assert best["chunked_prefill"] is False
    assert options["enable_chunked_prefill"] is False
    tokens = int(launch.split("--max_num_tokens ")[1].split()[0])
    assert tokens >= best["max_batched_tokens"]


def test_whether_prompts_are_cut_is_as_chosen_then_as_the_matrix_says():
    trtllm, h200, mixtral = loader.load("engines", "trtllm"), H200, MODELS["mixtral-8x7b"]
    deepseek = MODELS["deepseek-v3"]

    def cut(model, choice=None, unverified=False):
        return chunks_prompts(trtllm, h200, model, model.checkpoints[0], choice or Techniques(), unverified)

    assert cut(mixtral)
    assert not cut(mixtral, Techniques(chunked_prefill=False))
    assert not cut(deepseek), "listed for Blackwell"
    assert cut(deepseek, unverified=True)
