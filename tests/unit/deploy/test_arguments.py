"""The engines' argument lists, and parsing against them as argparse and click would."""

import argparse
import json

import pytest
from deployable_plans import plans
from hypothesis import given, settings

from drivetrain.catalogue import loader
from drivetrain.deploy.argument_list import FAMILIES, arguments_of, versions_of
from drivetrain.deploy.arguments import parse, unknown_options
from drivetrain.deploy.launch import launch
from drivetrain.errors import BadInputError, UnknownNameError, UnsupportedError

KINDS = {"bool", "bool-value", "int", "human-int", "human-int-or-auto", "float", "text", "json", "json-or-text"}
RELEASES = [(family, version) for family in FAMILIES for version in versions_of(family)]


def values(family, version, line):
    return dict(parse(family, version, line.split()).values)


@pytest.mark.parametrize(("family", "version"), RELEASES)
def test_every_list_is_whole(family, version):
    known = arguments_of(family, version)
    assert len(known.arguments) > 20
    assert known.source.partition(":")[0] in loader.sources()
    for argument in (*known.arguments.values(), *known.options.values()):
        assert argument.kind in KINDS, argument
        assert argument.nargs in ("", "?", "*", "+")
        if argument.choices and argument.default is not None and argument.kind != "json":
            assert argument.default in argument.choices, argument
    spellings = [s for a in known.arguments.values() for s in (f"--{a.name}", *a.aliases)]
    assert len(spellings) == len(set(spellings)), "one spelling, one argument"


@pytest.mark.parametrize("family", FAMILIES)
def test_every_engine_of_the_catalogue_of_a_family_with_lists_has_one(family):
    engines = [e for e in loader.load_all("engines").values() if e.family == family]
    assert {e.version for e in engines} <= set(versions_of(family))


def test_a_list_holds_what_its_release_has():
    assert "nnodes" not in arguments_of("vllm", "0.10").arguments
    assert "nnodes" in arguments_of("vllm", "0.11").arguments
    assert "swap-space" in arguments_of("vllm", "0.17").arguments
    assert "swap-space" not in arguments_of("vllm", "0.18").arguments
    assert "bfloat16" not in arguments_of("vllm", "0.10").arguments["kv-cache-dtype"].choices
    assert "bfloat16" in arguments_of("vllm", "0.12").arguments["kv-cache-dtype"].choices
    assert arguments_of("vllm", "0.12").arguments["enable-expert-parallel"].aliases == ()
    assert arguments_of("vllm", "0.15").arguments["enable-expert-parallel"].aliases == ("-ep",)


def test_spellings_of_vllm():
    line = "-tp 4 --max_num_seqs=64 --no-enable-prefix-caching -qawq -O3 --max-model-len 32k --seed -1"
    assert values("vllm", "0.19", line) == {
        "tensor-parallel-size": 4, "max-num-seqs": 64, "enable-prefix-caching": False, "quantization": "awq",
        "optimization-level": "3", "max-model-len": 32000, "seed": -1,
    }  # fmt: skip
    nested = "--speculative-config.method mtp --speculative-config.num_speculative_tokens 2"
    assert values("vllm", "0.19", nested)["speculative-config"] == {"method": "mtp", "num_speculative_tokens": 2}


@pytest.mark.parametrize(("text", "expected"), [("8192", 8192), ("8k", 8000), ("8K", 8192), ("1.5m", 1_500_000)])
def test_sizes_are_read_as_vllm_reads_them(text, expected):
    assert values("vllm", "0.19", f"m --max-num-batched-tokens {text}")["max-num-batched-tokens"] == expected


def test_beginnings_of_names_do_for_sglang_and_not_for_trtllm():
    assert values("sglang", "0.5", "--model-path m --tp 8 --ep 8") == {
        "model-path": "m", "tensor-parallel-size": 8, "expert-parallel-size": 8,
    }  # fmt: skip
    with pytest.raises(UnknownNameError, match="--tp_size"):
        parse("trtllm", "1.2", ["m", "--tp", "8"])


def test_lists_of_values_and_the_model():
    parsed = parse("vllm", "0.19", ["model", "--served-model-name", "a", "b", "--port", "1"])
    assert parsed.model == "model"
    assert parsed.values["served-model-name"] == ["a", "b"]
    assert parse("sglang", "0.5", ["--model", "m"]).model == "m"
    assert parse("vllm", "0.19", ["--model", "m"]).model == "m"


@pytest.mark.parametrize(
    ("family", "line", "says"),
    [
        ("vllm", "m --tensor-paralel-size 4", "'--tensor-paralel-size'. Did you mean '--tensor-parallel-size'"),
        ("vllm", "m --tp 4", "Did you mean '-tp'"),
        ("vllm", "m --foo 1 --bar", "Unknown too: --bar"),
        ("vllm", "m --tensor-parallel-size four", "--tensor-parallel-size needs a whole number, not 'four'"),
        ("vllm", "m --tensor-parallel-size 3.5", "--tensor-parallel-size needs a whole number, not '3.5'"),
        ("vllm", "m --tensor-parallel-size", "--tensor-parallel-size needs a value"),
        ("vllm", "m --tensor-parallel-size --port 1", "--tensor-parallel-size needs a value"),
        ("vllm", "m --gpu-memory-utilization much", "--gpu-memory-utilization needs a number"),
        ("vllm", "m --max-num-batched-tokens 1.5K", "takes no decimals"),
        ("vllm", "m --kv-cache-dtype fp9", "not one of auto"),
        ("vllm", "m --kv-cache-dtype fp88", "Did you mean 'fp8'"),
        ("vllm", "m --enforce-eager=1", "takes no value"),
        ("vllm", "m --speculative-config {a}", "--speculative-config needs JSON"),
        ("vllm", "m --port.x 1", "--port is not a JSON value"),
        ("vllm", "m n", "'n' stands alone"),
        ("vllm", "m --model n", "given twice"),
        ("vllm", "m --served-model-name", "--served-model-name needs at least one value"),
        ("sglang", "--model-path m --max 4", "'--max' could mean"),
        ("sglang", "m", "'m' stands alone"),
        ("sglang", "--model-path m --tp_size 4", "Did you mean '--tp-size'"),
        ("trtllm", "m --max_batch_size x", "--max_batch_size needs a whole number"),
        ("trtllm", "m --backend cpp", "not one of pytorch"),
    ],
)
def test_what_an_engine_would_refuse_is_refused_naming_the_flag(family, line, says):
    with pytest.raises(BadInputError) as caught:
        parse(family, versions_of(family)[-1], line.split())
    assert says in str(caught.value)
    assert caught.value.exit_code == 2


def test_engines_and_releases_without_a_list_are_named():
    with pytest.raises(UnsupportedError, match=r"known are 0\.6.*--engine vllm-0\.19"):
        arguments_of("vllm", "0.14")
    with pytest.raises(UnsupportedError, match="not for jetstream"):
        arguments_of("jetstream", "0.3")


def test_options_of_a_file_are_checked_by_name():
    known = arguments_of("trtllm", "1.2")
    good = {
        "kv_cache_config": {"dtype": "fp8"},
        "speculative_config": {"speculative_model_dir": "x"},
        "lora_config": {},
    }
    assert unknown_options(known, good) == []
    assert unknown_options(known, {"kv_cache_confg": {}}) == ["kv_cache_confg"]
    assert unknown_options(known, {"kv_cache_config": {"dtyp": "fp8"}}) == ["kv_cache_config.dtyp"]


def as_argparse(known):
    """The same list given to argparse, which the engines themselves use."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    if known.positional_model:
        parser.add_argument("model_tag", nargs="?")
    types = {"int": int, "float": float, "human-int": int, "human-int-or-auto": int, "json": json.loads}
    for argument in known.arguments.values():
        names = (f"--{argument.name}", *argument.aliases)
        if argument.kind == "bool":
            action = argparse.BooleanOptionalAction if argument.negatable else "store_true"
            parser.add_argument(*names, action=action, dest=argument.name, default=argparse.SUPPRESS)
        else:
            parser.add_argument(
                *names, type=types.get(argument.kind, str), choices=argument.choices or None,
                nargs=argument.nargs or None, dest=argument.name, default=argparse.SUPPRESS,
            )  # fmt: skip
    return parser


PARSERS = {(f, v): as_argparse(arguments_of(f, v)) for f, v in RELEASES if f != "trtllm"}


@given(plans(engines=("vllm-0.19", "vllm-0.12", "vllm-0.10", "sglang-0.5")))
@settings(max_examples=60, deadline=None)
def test_launch_lines_mean_the_same_to_argparse(case):
    best, model = case
    for pool in launch(best, model, max_model_len=8192, prefix_caching=True):
        known = pool.arguments
        for process in pool.processes:
            argv = list(process.argv[2 if known.family == "vllm" else 3 :])
            theirs = vars(PARSERS[known.family, known.version].parse_args(argv))
            theirs.pop("model_tag", None)
            assert theirs == dict(parse(known.family, known.version, argv).values)
