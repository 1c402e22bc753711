"""How names and topologies of measured rows are read."""

import pytest

from drivetrain.catalogue import loader
from drivetrain.errors import BadInputError, LayoutError, UnknownNameError
from drivetrain.measure.layouts import place
from drivetrain.measure.names import find_checkpoint, find_dtype, find_engine, find_model
from drivetrain.measure.table import Raw


def placed(model, notes=None, **cells):
    raw = Raw("x", 2, {key: str(value) for key, value in cells.items()})
    found = place(raw, loader.load("models", model), [] if notes is None else notes)
    return str(found.layout), found.replicas


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"n_gpus": "8.0"}, ("tp8", 1)),
        ({"n_gpus": 8, "tp_corrected": "8.0", "ep_corrected": "8.0", "dp_attention": "0.0"}, ("tp8ep8", 1)),
        ({"n_gpus": 8, "tp_corrected": "", "ep_corrected": "8.0", "dp_attention": "1.0"}, ("dp8ep8", 1)),
        ({"n_gpus": 8, "tp_corrected": "4"}, ("tp4", 2)),
        ({"n_gpus": 8, "src_tp_size": 1, "src_attention_dp_size": 8, "src_moe_ep_size": 8}, ("dp8ep8", 1)),
        ({"n_gpus": 8, "src_tp_size": 8, "src_attention_dp_size": 8, "src_moe_ep_size": 64}, ("tp8", 1)),
        ({"n_gpus": 8, "tp_corrected": 3}, ("tp8", 1)),
        ({"n_gpus": 16, "src_tp_size": 8, "src_pp_size": 2}, ("tp8pp2", 1)),
    ],
)
def test_topology_columns(cells, expected):
    assert placed("deepseek-r1", **cells) == expected


def test_data_parallel_ranks_of_a_dense_model_are_replicas():
    assert placed("llama-3.1-8b", n_gpus=8, dp_attention=1) == ("tp1", 8)


def test_a_refused_expert_degree_is_read_otherwise_and_noted():
    notes = []
    layout, _ = placed("deepseek-r1", notes, n_gpus=8, tp_corrected=8, ep_corrected=3)
    assert layout in ("tp8", "tp8ep8")


def test_a_layout_the_model_cannot_take():
    with pytest.raises(LayoutError):
        placed("llama-3.1-8b", n_gpus=7)
    with pytest.raises(LayoutError):
        placed("llama-3.1-8b", n_gpus="")


def test_precisions():
    oss, llama = loader.load("models", "gpt-oss-120b"), loader.load("models", "llama-3.1-70b")
    assert find_dtype("fp4", oss, "nvidia") == "mxfp4"
    assert find_dtype("fp4", llama, "nvidia") == "nvfp4"
    assert find_dtype("fp4", llama, "amd") == "mxfp4"
    assert find_dtype("fp8_block", llama, "nvidia") == "fp8_block"
    with pytest.raises(BadInputError):
        find_dtype("fp9", llama, "nvidia")
    assert find_checkpoint("llama-3.1-70b", "int8").dtype_of("lm_head") == "bf16"


def test_engines_and_versions():
    notes = []
    assert find_engine("vllm", "0.12.0", notes).name == "vllm-0.12"
    assert find_engine("vllm", "0.14.1", notes).name == "vllm-0.12"
    assert find_engine("trtllm", "1.2.0rc6.post2", notes).name == "trtllm-1.2"
    assert find_engine("dynamo-sglang", "nightly", notes).family == "sglang"
    assert notes == []
    assert find_engine("atom", "1.0", notes).family == "atom"
    assert "not in the catalogue" in notes[0]


def test_model_names_lose_endings_only_when_they_must():
    notes = []
    assert find_model("meta-llama/Llama-3.1-70B", notes).name == "llama-3.1-70b"
    assert notes == []
    assert find_model("nvidia/DeepSeek-R1-0528-NVFP4-v2", notes).name == "deepseek-r1"
    with pytest.raises(UnknownNameError):
        find_model("acme/brand-new-model", notes)
