"""Launch settings of known harnesses."""

import tomllib
from importlib import resources

from drivetrain.arch.layout import Layout
from drivetrain.catalogue import loader
from drivetrain.measure.recipes import DEFAULT, recipe

B200, H200 = loader.load("accelerators", "b200-sxm"), loader.load("accelerators", "h200-sxm")


def launched(engine, model, accelerator=B200, tp=2, isl=1024, osl=1024, concurrency=8, harness="inferencex"):
    return recipe(harness, engine, model, accelerator, Layout(tp=tp), isl, osl, concurrency)


def test_prompts_are_held_only_for_equal_lengths_below_tp8():
    assert launched("trtllm", "llama-3.1-70b").hold == 20
    assert launched("trtllm", "llama-3.1-70b", tp=8).hold == 0
    assert launched("trtllm", "llama-3.1-70b", osl=8192).hold == 0
    assert launched("vllm", "llama-3.1-70b").hold == 0


def test_a_budget_of_one_prompt_rounds_down_to_64():
    assert launched("trtllm", "deepseek-r1", isl=1024, concurrency=64).budget == 1152
    assert launched("trtllm", "deepseek-r1", isl=8192, concurrency=4).budget == 8320 - 8320 % 64


def test_polling_relaxes_from_16_in_flight_and_only_where_the_scripts_say():
    assert [launched("sglang", "deepseek-r1", concurrency=c).poll for c in (4, 15, 16, 256)] == [10, 10, 30, 30]
    assert launched("sglang", "deepseek-r1", accelerator=H200).poll == 1


def test_other_harnesses_have_no_recipe():
    assert launched("trtllm", "llama-3.1-70b", harness="nvidia-gap") == DEFAULT
    assert launched("vllm", "minimax-m2.5", harness="") == DEFAULT


def test_every_rule_names_only_what_the_catalogue_has():
    rules = tomllib.loads(resources.files("drivetrain.measure").joinpath("recipes.toml").read_text())["rule"]
    families = {e.family for e in loader.load_all("engines").values()}
    for rule in rules:
        assert rule["engine"] in families
        for model in rule.get("model", ()):
            assert loader.resolve("models", model) == model
