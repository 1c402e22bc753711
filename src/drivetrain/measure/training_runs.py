"""Rows of ``training_runs.csv`` as jobs, clusters and what is known of their layouts.

The measured harness: Megatron-Bridge balances experts by force. MLPerf times whole runs, so its tokens per second
hold evaluation too: 173 sequences every 384 trained ones for Llama 2 70B LoRA but the first ``0.125 batch + 2`` times
(README of the reference implementation), 5,760 every 24,576 for GPT-3 (from memory). Multi-token prediction trains
along where the model has it, unless the row's name says it does not. How words are read:
:mod:`drivetrain.measure.training_words`; what a layout is where none is recorded:
:mod:`drivetrain.measure.training_recipes`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from drivetrain.arch.training import TrainingCounts, counts
from drivetrain.catalogue import loader
from drivetrain.catalogue.hardware import Accelerator
from drivetrain.catalogue.model import Attention, Dense, LayerGroup, Model, MoE
from drivetrain.cost.hardware import hardware_of
from drivetrain.errors import BadInputError, UnknownNameError
from drivetrain.measure.names import find_accelerator, find_model
from drivetrain.measure.table import Raw
from drivetrain.measure.training_whole import WHOLE
from drivetrain.measure.training_words import (
    framework_of,
    network_of,
    precision_of,
    release_of,
    schedule_of,
    sharding_of,
)
from drivetrain.training.cases import Cluster, Job
from drivetrain.training.layout import RECOMPUTE, Recompute, Schedule, TrainingLayout

REQUIRED = ("id", "model", "accel", ("tokens_per_s_per_accel", "step_time_s", "gpu_hours", "mfu_reported_pct"))
EVALUATED = {"lora": (173, 384), "pretrain": (5760, 24_576)}  # sequences of an evaluation, and trained between two
USUAL_SAMPLES = 3200.0  # of LoRA to its target, where a row does not say
LORA_RANK = 16
ASSUMED_ACCELERATORS = 1024
ASSUMED_BATCH_TOKENS = 4_194_304
MOST_BATCH_TOKENS = 1e9  # no published run has a step of more


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
    accelerator, own_nic = _accelerator(raw.text("accel"), notes)
    whole = WHOLE.get((model.name, accelerator.name)) if raw.text("kind") == "run_total" else None
    if whole is not None:
        notes.append("cluster, batch and layout as published for this run")
    n = raw.whole("n_accel") or (whole.n if whole else _assume(notes, "accelerators", ASSUMED_ACCELERATORS))
    nic, slow = network_of(raw.text("fabric"), accelerator.scaleup.domain)
    hardware = hardware_of(accelerator, nic_bytes_per_s=nic or own_nic, fabric=slow)
    lora = "lora" in f"{raw.text('workload')} {raw.text('framework')}".lower()
    batch = whole.sequences if whole and not raw.whole("gbs_seqs") else _batch(raw, n, seq, notes)
    share, at_once = _evaluation(raw, lora, batch, notes)
    job = Job(
        global_batch=batch,
        precision=precision_of(raw.text("precision"), hardware, notes),
        lora_rank=LORA_RANK if lora else 0,
        evaluation=share, evaluation_sequences=at_once,
    )  # fmt: skip
    layout, known = _layout(raw, n, framework)
    if whole is not None and whole.n == n and layout is None:
        layout = whole.layout
    given = _recompute_cell(raw)
    return Run(
        row_id=raw.row_id, source=raw.text("source_id"), framework=framework, release=release_of(raw.text("framework")),
        generation=accelerator.generation, model=counts(model, seq, mtp=mtp), job=job, cluster=Cluster(hardware, n),
        layout=layout, known=known,
        recompute_known=_recompute(given) is not None or (whole is not None and whole.layout is not None),
        measured=_measured(raw, seq, n),
        notes=tuple(notes),
    )  # fmt: skip


def _accelerator(text: str, notes: list[str]) -> tuple[Accelerator, float | None]:
    """The accelerator, by its name, a TPU slice's (``v5p-256``) or a cloud instance's, whose network comes along."""
    try:
        return find_accelerator(text), None
    except UnknownNameError as error:
        unknown = error
    slices = re.fullmatch(r"(?:tpu[-_ ]?)?(v\d+[a-z]*?)(litepod)?-\d+", text.strip().lower())
    if slices:
        return find_accelerator(f"tpu-{slices[1]}{'e' if slices[2] else ''}"), None
    try:
        instance = loader.load("instances", text)
    except UnknownNameError:
        raise unknown from None
    notes.append(f"instance {instance.name}: {instance.accelerator}")
    return find_accelerator(instance.accelerator), float(instance.nic_bytes_per_s) or None


def _layout(raw: Raw, n: int, framework: str) -> tuple[TrainingLayout | None, dict[str, int]]:
    """The whole layout where it is recorded, else what is known of it, as fields."""
    known = {
        field: value
        for field, column in (("tp", "tp"), ("pp", "pp"), ("cp", "cp"), ("ep", "ep"), ("micro_batch", "mbs"))
        if (value := raw.whole(column)) is not None
    }
    if {"tp", "pp"} <= set(known):
        known.setdefault("cp", 1)
    given = _recompute(_recompute_cell(raw))
    if given is not None:
        known["recompute"] = RECOMPUTE.index(given)
    text = raw.text("framework")
    stage, shared = sharding_of(text), raw.whole("fsdp")
    zero = stage or (3 if shared is not None else 1)
    if framework == "maxtext" and "pp" not in known:
        known |= {"pp": 1, "vp": 1, "zero": 3, "passes": 1}
    if not {"tp", "pp"} <= set(known) or raw.whole("gbs_seqs") is None:
        return None, known | _of_family(raw, n, framework, known)
    cut = known["tp"] * known["pp"] * known.get("cp", 1)
    if n % cut:
        raise BadInputError(f"tp x pp x cp = {cut} does not divide {n} accelerators.")
    if "micro_batch" not in known:
        return None, known
    vp = raw.whole("vp") or 1
    data = n // (known["tp"] * known["pp"])
    interleaved: Schedule = "interleaved" if vp > 1 and known["pp"] > 1 else "1f1b"
    layout = TrainingLayout(
        tp=known["tp"], pp=known["pp"], vp=vp if known["pp"] > 1 else 1, cp=known.get("cp", 1), dp=n // cut,
        ep=known.get("ep", 1), micro_batch=known["micro_batch"], zero=zero,
        shard=shared if shared is not None and zero > 1 and 1 < shared < data and data % shared == 0 else 0,
        schedule=(schedule_of(text) if known["pp"] > 1 else None) or interleaved, recompute=given or "none",
    )  # fmt: skip
    return layout, known


def _of_family(raw: Raw, n: int, framework: str, known: Mapping[str, int]) -> dict[str, int]:
    """What a framework's name and the sizes of groups tell of a layout that is not recorded.

    FSDP and ZeRO run without a pipeline unless one is named.
    """
    text = raw.text("framework").lower()
    stage, shared, data = sharding_of(text), raw.whole("fsdp"), raw.whole("dp")
    found: dict[str, int] = {}
    if stage is not None or shared is not None:
        found["zero"] = stage or 3
    if framework == "fsdp" and "pp" not in known and not re.search(r"\bpp\b|pipeline|[34]d", text):
        found |= {"pp": 1, "vp": 1}
        if shared == n:
            found |= {"tp": 1} | ({} if "cp" in known else {"cp": 1})
    elif data and shared is None and not {"tp", "pp"} & set(known) and n % data == 0:
        found["dp"] = data
    return {name: value for name, value in found.items() if name not in known}


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


def _evaluation(raw: Raw, lora: bool, batch: int, notes: list[str]) -> tuple[float, int]:
    """Evaluated sequences per trained one, and sequences of one evaluation, as the benchmark prescribes.

    LoRA evaluates every 384 sequences (the next whole step) but for the first ``0.125 x batch + 2`` times.
    """
    if raw.text("kind") != "time_to_train":
        return 0.0, 0
    notes.append("evaluation counted as MLPerf prescribes")
    at_once, every = EVALUATED["lora" if lora else "pretrain"]
    between = math.ceil(every / batch) * batch
    if not lora:
        return at_once / between, at_once
    given = re.search(r"samples_to_target=(\d+(?:\.\d+)?)", raw.text("notes"))
    samples = float(given[1]) if given else max(USUAL_SAMPLES, 4.0 * between)
    skipped = math.floor(0.125 * batch + 2.0) * between
    return at_once / between * max(0.0, 1.0 - skipped / samples), at_once


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


def _batch(raw: Raw, n: int, seq: int, notes: list[str]) -> int:
    """Sequences of a step: as given (in tokens where it can be nothing else), else from step time and speed."""
    given = raw.whole("gbs_seqs")
    if given and given * seq > MOST_BATCH_TOKENS and given % seq == 0:
        notes.append(f"global batch of {given} read as tokens")
        return given // seq
    if given:
        return given
    step, speed = raw.number("step_time_s"), raw.number("tokens_per_s_per_accel")
    if step and speed:
        found = max(1, round(step * speed / seq * n))
        notes.append(f"global batch from step time and speed: {found}")
        return found
    return _assume(notes, "global batch", max(n, ASSUMED_BATCH_TOKENS // seq))


def _assume(notes: list[str], what: str, value: int) -> int:
    notes.append(f"{what} not recorded: {value} assumed")
    return value
