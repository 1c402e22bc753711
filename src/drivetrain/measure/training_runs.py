"""Rows of ``training_runs.csv`` as jobs, clusters and what is known of their layouts.

The measured harness: Megatron-Bridge balances experts by force. MLPerf times whole runs, so its tokens per second
hold evaluation too: 173 sequences every 384 trained ones for Llama 2 70B LoRA (the first three of about eight
skipped), 5,760 every 24,576 for GPT-3 (rules of MLPerf Training v4 and NVIDIA's settings, from memory). Multi-token
prediction trains along where the model has it, unless the row's name says it does not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from drivetrain.arch.training import TrainingCounts, counts
from drivetrain.catalogue.model import Attention, Dense, LayerGroup, Model, MoE
from drivetrain.cost.hardware import Hardware, hardware_of
from drivetrain.errors import BadInputError, UnknownNameError
from drivetrain.measure.names import find_accelerator, find_model
from drivetrain.measure.table import Raw
from drivetrain.measure.training_whole import WHOLE
from drivetrain.training.cases import Cluster, Job
from drivetrain.training.layout import RECOMPUTE, Recompute, TrainingLayout

REQUIRED = ("id", "model", "accel", ("tokens_per_s_per_accel", "step_time_s", "gpu_hours", "mfu_reported_pct"))
EVALUATION = {"lora": 173.0 / 384.0 * 5.0 / 8.0, "pretrain": 5760.0 / 24576.0}
LORA_RANK = 16
ASSUMED_ACCELERATORS = 1024
ASSUMED_BATCH_TOKENS = 4_194_304


@dataclass(frozen=True, slots=True)
class Run:
    """One row: the job, the cluster, what is known of the layout (all of it: ``layout``), and what was measured."""

    row_id: str
    source: str
    framework: str
    release: float
    generation: str
    model: TrainingCounts
    job: Job
    cluster: Cluster
    layout: TrainingLayout | None
    known: Mapping[str, int]
    recompute_known: bool
    measured: float | None
    notes: tuple[str, ...]


def read_run(raw: Raw) -> Run:
    """Read one row; raises where it cannot be."""
    notes: list[str] = []
    seq = raw.whole("seq") or _assume(notes, "sequence length", 4096)
    name = raw.text("model").split("|")[0]
    framework = framework_of(raw)
    model = _model(raw, name, notes)
    mtp = bool(model.mtp) and "w/o MTP" not in raw.text("model")
    if mtp:
        notes.append("multi-token prediction trained along")
    accelerator = find_accelerator(raw.text("accel"))
    whole = WHOLE.get((model.name, accelerator.name)) if raw.text("kind") == "run_total" else None
    if whole is not None:
        notes.append("cluster, batch and layout as published for this run")
    n = raw.whole("n_accel") or (whole.n if whole else _assume(notes, "accelerators", ASSUMED_ACCELERATORS))
    hardware = hardware_of(accelerator, nic_bytes_per_s=_nic(raw.text("fabric"), accelerator.scaleup.domain))
    lora = raw.text("workload").lower() == "lora"
    job = Job(
        global_batch=raw.whole("gbs_seqs")
        or (whole.sequences if whole else _assume(notes, "global batch", max(n, ASSUMED_BATCH_TOKENS // seq))),
        precision=precision_of(raw.text("precision"), hardware, notes),
        lora_rank=LORA_RANK if lora else 0,
        evaluation=_evaluation(raw, lora, notes),
    )
    layout, known = _layout(raw, n, framework)
    if whole is not None and whole.n == n and layout is None:
        layout = whole.layout
    given = _recompute_cell(raw)
    return Run(
        row_id=raw.row_id, source=raw.text("source_id"), framework=framework, release=_release(raw.text("framework")),
        generation=accelerator.generation, model=counts(model, seq, mtp=mtp), job=job, cluster=Cluster(hardware, n),
        layout=layout, known=known,
        recompute_known=_recompute(given) is not None or (whole is not None and whole.layout is not None),
        measured=_measured(raw, seq, n),
        notes=tuple(notes),
    )  # fmt: skip


def framework_of(raw: Raw) -> str:
    """The family of training software, as the calibration names it; empty where unknown.

    Megatron-LM on Ampere and before is the code of 2022, with unfused attention.
    """
    text = f"{raw.text('framework')} {raw.text('source_id')}".lower()
    accelerator = raw.text("accel").lower()
    if "maxtext" in text or accelerator.startswith("tpu"):
        return "maxtext"
    if any(word in text for word in ("foundry", "mosaic", "composer")):
        return "foundry"
    if any(word in text for word in ("megatron-lm", "megatron-deepspeed", "neox", "bloom", "seqsel")):
        return "megatron-2022" if accelerator.startswith(("a100", "v100", "a40")) else "megatron"
    if any(word in text for word in ("megatron", "nemo", "nvidia", "mlperf", "ngc")):
        return "megatron"
    if any(word in text for word in ("fsdp", "torchtitan", "deepspeed", "zero", "lightning", "axolotl", "pytorch")):
        return "fsdp"
    return ""


def precision_of(text: str, hardware: Hardware, notes: list[str]) -> str:
    """The precision of products: fp8 in its many spellings, mxfp8, nvfp4, else 16 bit."""
    folded = text.lower()
    if "nvfp4" in folded:
        return "nvfp4"
    if "mx" in folded and "mxfp8" in hardware.flops:
        return "mxfp8"
    if "fp8" in folded and "fp8" in hardware.flops:
        if "not parsed" in folded:
            notes.append("precision taken as fp8")
        return "fp8"
    if "fp8" in folded:
        notes.append(f"{hardware.name} has no fp8 units: 16 bit")
    return "bf16" if "bf16" in hardware.flops else "fp16"


def _layout(raw: Raw, n: int, framework: str) -> tuple[TrainingLayout | None, dict[str, int]]:
    """The whole layout where it is recorded, else what is known of it, as fields."""
    known = {
        field: value
        for field, column in (("tp", "tp"), ("pp", "pp"), ("cp", "cp"), ("ep", "ep"), ("micro_batch", "mbs"))
        if (value := raw.whole(column)) is not None
    }
    given = _recompute(_recompute_cell(raw))
    if given is not None:
        known["recompute"] = RECOMPUTE.index(given)
    if framework == "maxtext" and "pp" not in known:
        known |= {"pp": 1, "vp": 1, "zero": 3}
    if not {"tp", "pp"} <= set(known) or raw.whole("gbs_seqs") is None:
        return None, known
    cut = known["tp"] * known["pp"] * known.get("cp", 1)
    if n % cut:
        raise BadInputError(f"tp x pp x cp = {cut} does not divide {n} accelerators.")
    if "micro_batch" not in known:
        return None, known
    vp = raw.whole("vp") or 1
    sharded = raw.whole("fsdp") is not None
    partly = "shard_grad_op" in raw.text("framework").lower()
    layout = TrainingLayout(
        tp=known["tp"], pp=known["pp"], vp=vp if known["pp"] > 1 else 1, cp=known.get("cp", 1), dp=n // cut,
        ep=known.get("ep", 1), micro_batch=known["micro_batch"], zero=(2 if partly else 3) if sharded else 1,
        schedule="interleaved" if vp > 1 and known["pp"] > 1 else "1f1b", recompute=given or "none",
    )  # fmt: skip
    return layout, known


def _recompute_cell(raw: Raw) -> str:
    """The cell as it stands: "none" is a setting here, not a blank."""
    return (raw.cells.get("recompute") or "").strip().lower()


def _recompute(text: str) -> Recompute | None:
    if text.startswith("selective"):
        return "selective"
    if text.removeprefix("remat=") in ("none", "full"):
        return "full" if text.endswith("full") else "none"
    return None  # "custom" policies and recipes are not recorded


def _measured(raw: Raw, seq: int, n: int) -> float | None:
    """Tokens per second and accelerator, from whatever the row has."""
    given = raw.number("tokens_per_s_per_accel")
    if given:
        return given
    step, batch = raw.number("step_time_s"), raw.number("gbs_seqs")
    if step and batch:
        return batch * seq / step / n
    return None


def _evaluation(raw: Raw, lora: bool, notes: list[str]) -> float:
    if raw.text("kind") != "time_to_train":
        return 0.0
    notes.append("evaluation counted as MLPerf prescribes")
    return EVALUATION["lora" if lora else "pretrain"]


def _release(text: str) -> float:
    """Year of a NeMo release (``26.04.01``), 0 where there is none."""
    found = re.search(r"NeMo (\d\d)\.(\d\d)", text)
    return 2000.0 + int(found[1]) + (int(found[2]) - 1) / 12.0 if found else 0.0


def _nic(fabric: str, domain: int) -> float | None:
    """Scale-out bytes/s of one accelerator as the row's fabric says; None where it does not."""
    node = re.search(r"(\d{3,4})\s*(?:Gbps|Gbit/s)\s*/\s*node", fabric)
    if node:
        return float(node[1]) * 1e9 / 8 / min(domain, 8)
    each = re.search(r"(\d{3})G(?:\s+[A-Z ]+)?/GPU", fabric)
    return float(each[1]) * 1e9 / 8 if each else None


def _model(raw: Raw, name: str, notes: list[str]) -> Model:
    try:
        return find_model(name, notes)
    except UnknownNameError:
        shaped = _shaped(raw, name)
        if shaped is None:
            raise
        notes.append("model taken from the row's shape")
        return shaped


def _shaped(raw: Raw, name: str) -> Model | None:
    """A model of the row's own shape, where its catalogue entry is missing; gated when its size says so."""
    shape = {key: raw.whole(key) for key in ("layers", "hidden", "heads", "ffn", "vocab")}
    if any(value is None for value in shape.values()):
        return None
    layers, hidden, heads, width, vocab = (int(value or 1) for value in shape.values())
    groups, head = raw.whole("kv_heads") or heads, hidden // heads
    experts, top_k = raw.whole("experts"), raw.whole("topk") or 1
    size = (raw.number("params_b") or 0.0) * 1e9

    def made(gated: bool) -> Model:
        ffn = MoE(experts, top_k, width, gated=gated) if experts else Dense(width, gated=gated)
        group = LayerGroup(layers, Attention(heads, groups, head, head), ffn, norm_params=2 * hidden)
        return Model(name, (), "shape", hidden, vocab, (group,), False, 1 << 20, ())

    plain, gated = made(False), made(True)
    off = [abs(counts(option, 2048).params - size) for option in (plain, gated)]
    return gated if size and off[1] < off[0] else plain


def _assume(notes: list[str], what: str, value: int) -> int:
    notes.append(f"{what} not recorded: {value} assumed")
    return value
