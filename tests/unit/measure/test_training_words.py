"""Words of training rows: frameworks, precisions, sharding, schedules and networks as sources spell them."""

import pytest
from test_training import DENSE, one, table_of

from drivetrain.catalogue import loader
from drivetrain.cost.hardware import hardware_of
from drivetrain.errors import BadInputError
from drivetrain.measure.training_runs import read_run
from drivetrain.measure.training_words import (
    framework_of,
    network_of,
    precision_of,
    release_of,
    schedule_of,
    sharding_of,
)


def hardware(name):
    return hardware_of(loader.load("accelerators", name))


@pytest.mark.parametrize(
    ("text", "accelerator", "precision"),
    [
        ("fp8_e4m3", "h100-sxm-80gb", "fp8"), ("float8", "h100-sxm-80gb", "fp8"), ("E5M2", "mi300x", "fp8"),
        ("mxfp8", "b200-sxm-180gb", "mxfp8"), ("mxfp8", "h100-sxm-80gb", "fp8"), ("NVFP4", "gb200-nvl72", "nvfp4"),
        ("mxfp4", "b300-sxm-288gb", "nvfp4"), ("mxfp4", "mi355x", "mxfp4"), ("bf16-mixed", "h100-sxm-80gb", "bf16"),
        ("bf16 + tf32", "h100-sxm-80gb", "bf16"), ("fp16", "v100-sxm2-32gb", "fp16"), ("", "v100-sxm2-32gb", "fp16"),
        ("4-bit", "a100-sxm-80gb", "bf16"),
    ],
)  # fmt: skip
def test_precisions_in_other_spellings(text, accelerator, precision):
    assert precision_of(text, hardware(accelerator), []) == precision


@pytest.mark.parametrize("text", ["tf32", "FP32", "int8"])
def test_precisions_that_are_not_modelled_are_refused(text):
    with pytest.raises(BadInputError, match="not predicted"):
        precision_of(text, hardware("h100-sxm-80gb"), [])


def test_what_is_assumed_of_a_precision_is_noted():
    notes: list[str] = []
    precision_of("", hardware("h100-sxm-80gb"), notes)
    precision_of("nf4", hardware("h100-sxm-80gb"), notes)
    assert notes == ["precision not recorded: bf16 assumed", "precision 'nf4' taken as bf16"]


@pytest.mark.parametrize(
    ("fabric", "domain", "rate", "slow"),
    [
        ("RoCE 1600 Gbps/node", 8, 25e9, ""), ("NVLink5 8-GPU + 800G/GPU", 8, 100e9, ""),
        ("8 x 400 Gb/s RoCEv2", 8, 50e9, ""), ("4x100GbE per node", 8, 6.25e9, "tcp-100g"), ("3.2 Tbps", 8, 50e9, ""),
        ("InfiniBand EDR", 8, 12.5e9, ""), ("Slingshot-11", 8, 25e9, ""), ("NVLink 900 GB/s", 8, None, ""),
        ("nan | nan", 8, None, ""), ("ICI 3D torus", 64, None, ""), ("EFA v3", 8, None, "efa-v3"),
        ("ROCE2; Data bandwidth for GPU-PCIe: 504 GB/s; PCIe-NIC: 500 GB/s", 8, None, ""),
    ],
)  # fmt: skip
def test_networks_in_other_spellings(fabric, domain, rate, slow):
    found, name = network_of(fabric.replace("4x100GbE", "Ethernet 4x100GbE"), domain)
    assert found == (None if rate is None else pytest.approx(rate))
    assert name == slow


def test_a_slow_network_slows_sharded_training():
    fast, slow = (
        one(fabric=fabric, n_accel="64", fsdp="64", gbs_seqs="384").values["tokens_per_s_per_accel"]
        for fabric in ("IB NDR", "Ethernet 100 Gbps per node")
    )
    assert slow < 0.8 * fast


def test_frameworks_by_family():
    def family(framework, accel="H100-SXM-80G"):
        return framework_of(table_of(DENSE | {"framework": framework, "accel": accel}).rows[0])

    assert family("torchtitan FSDP2") == family("DeepSpeed ZeRO-3") == family("torchtune") == "fsdp"
    assert family("Megatron-LM") == family("Primus (Megatron)") == "megatron"
    assert family("Megatron-LM", "A100-SXM-80G") == "megatron-2022"
    assert family("T5X Pathways", "TPU-v4") == family("anything", "TPU v5e") == "maxtext"
    assert family("in-house") == ""


def test_stages_schedules_and_releases():
    texts = ("DDP", "ZeRO-1", "zero_2", "FSDP HYBRID_SHARD", "stage 3", "Megatron-Core")
    assert [sharding_of(text) for text in texts] == [1, 1, 2, 3, 3, None]
    assert [schedule_of(text) for text in ("HAI-LLM DualPipe", "Zero Bubble", "1F1B")] == [
        "dualpipe",
        "zero-bubble",
        None,
    ]
    assert release_of("Megatron-Bridge NeMo 26.04.01") == pytest.approx(2026.25)


def test_groups_smaller_than_the_data_ranks_are_hybrid_shards():
    assert one(n_accel="64", gbs_seqs="384", fsdp="8").values["layout"] == "dp64mbs6zero3shard8"


def test_the_stage_that_a_framework_names_is_taken():
    assert one(framework="DeepSpeed ZeRO-2", fsdp="").values["layout"] == "dp8mbs6zero2"
    searched = one(framework="DeepSpeed ZeRO-3", tp="", pp="", cp="", fsdp="", mbs="")
    assert "zero3" in searched.values["layout"]
    assert "pp" not in searched.values["layout"]


@pytest.mark.parametrize("words", [{"workload": "LoRA fine-tuning"}, {"workload": "qlora"}, {"framework": "peft LoRA"}])
def test_adapters_in_other_words(words):
    assert read_run(table_of(DENSE | words).rows[0]).job.lora_rank > 0


def test_batches_in_tokens_and_batches_that_only_time_tells():
    found = one(gbs_seqs="4194304", n_accel="512", fsdp="512", mbs="")
    assert "read as tokens" in found.note
    assert found.values["step_time_s"] < 20
    timed = read_run(table_of(DENSE | {"gbs_seqs": "", "step_time_s": "1.15456"}).rows[0])
    assert timed.job.global_batch == 48
    assert "from step time and speed" in timed.notes[-1]


@pytest.mark.parametrize(
    ("text", "accelerator"),
    [("v5p-256", "tpu-v5p"), ("TPU v5litepod-16", "tpu-v5e"), ("p5.48xlarge", "h100-sxm-80gb")],
)
def test_accelerators_by_slice_and_by_instance(text, accelerator):
    run = read_run(table_of(DENSE | {"accel": text}).rows[0])
    assert run.cluster.hardware.name == accelerator


def test_an_instance_brings_its_network():
    run = read_run(table_of(DENSE | {"accel": "p5.48xlarge"}).rows[0])
    assert run.cluster.hardware.topology.nic_bytes_per_s == loader.load("instances", "p5.48xlarge").nic_bytes_per_s
    assert "instance p5.48xlarge" in run.notes[0]
