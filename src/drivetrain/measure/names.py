"""Names as measured files spell them, resolved to catalogue entries; every liberty taken is noted."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

from drivetrain.arch.precision import BYTES_PER_WEIGHT
from drivetrain.catalogue import loader
from drivetrain.catalogue.hardware import Accelerator
from drivetrain.catalogue.market import Engine
from drivetrain.catalogue.model import Checkpoint, Model
from drivetrain.errors import BadInputError, UnknownNameError

Notes = list[str]

# Endings of repository names that say how the weights are stored or tuned, not what the architecture is.
_PRECISION_ENDINGS = ("fp8", "fp4", "nvfp4", "mxfp4", "mxfp8", "int8", "int4", "bf16", "awq", "gptq", "w4a16", "w8a8",
                      "dynamic", "block", "kv", "preview", "quantized", "v2", "v1")  # fmt: skip
_TUNING_ENDINGS = ("instruct", "chat", "it", "thinking", "base", "hf", "fp8", "bf16")
_DATE = re.compile(r"-(\d{4}|\d{6}|\d{8})$")
_ENGINE_WORDS = {"trtllm": ("trt", "tensorrt"), "sglang": ("sglang", "sgl"), "vllm": ("vllm",)}
_DTYPES = {
    "bfloat16": "bf16", "float16": "fp16", "half": "fp16", "float8": "fp8", "float8_e4m3fn": "fp8", "fp8_e4m3": "fp8",
    "fp8_e5m2": "fp8", "e4m3": "fp8", "w8a8": "int8", "w4a16": "int4", "awq": "int4", "gptq": "int4", "uint4": "int4",
    "int4_wo": "int4", "fp8-block": "fp8_block", "fp8_blockwise": "fp8_block", "float32": "fp32", "float": "fp32",
    "awq_marlin": "int4", "gptq_marlin": "int4", "marlin": "int4", "bitsandbytes": "int4", "bnb": "int4",
    "fbgemm_fp8": "fp8", "ptpc_fp8": "fp8", "fp8_dynamic": "fp8", "w8a8_fp8": "fp8", "w8a8_int8": "int8",
    "w8a16": "int8", "modelopt": "fp8", "modelopt_fp4": "nvfp4", "quark": "fp8",
}  # fmt: skip
# Words of a device's name that say nothing about which one it is, and how many of them there are.
_NOISE = re.compile(
    "nvidia|amd|instinct|intel|google|cloud|aws|geforce|tesla|[gt]pus?|generation|edition|graphics|accelerator|card|oam|"
    "ac|memory|hbm[23]e?|gddr[67]x?|sxm[456]"
)
_GIGABYTES = re.compile(r"(\d{2,3})g(?:i?b)?")
_NEAR = 0.09  # GB, GiB and what a driver reports differ by up to this
# Parts that a quantised release keeps in 16 bit.
_KEPT_WIDE = ("embedding", "lm_head", "router", "norm")


def find_model(text: str, notes: Notes) -> Model:
    """The model named, or the one whose name remains when precision, date and tuning endings are taken off."""
    model, by = _model(text)
    if by:
        notes.append(f"model '{text}' read as {by}")
    return model


@cache
def _model(text: str) -> tuple[Model, str]:
    try:
        found: Model = loader.load("models", text)
        return found, ""
    except UnknownNameError as error:
        unknown = error
    for candidate in _shortened(text):
        try:
            found = loader.load("models", candidate)
        except UnknownNameError:
            continue
        return found, found.name
    near = _compact_names("models").get(_compact(text.split("/")[-1]))
    if near is None:
        raise unknown
    found = loader.load("models", near)
    return found, near


def _shortened(text: str) -> list[str]:
    """Shorter spellings of a repository name, longest first: without owner, precision, date, tuning."""
    bare = text.strip().split("/")[-1].lower().replace("_", "-")
    out = [bare]
    for endings in (_PRECISION_ENDINGS, (*_PRECISION_ENDINGS, *_TUNING_ENDINGS)):
        short = bare
        while True:
            cut = next((short.removesuffix(f"-{e}") for e in endings if short.endswith(f"-{e}")), _DATE.sub("", short))
            if cut == short:
                break
            short = cut
            out += [short, f"{short}-instruct"]
    return list(dict.fromkeys(out))


@cache
def find_accelerator(text: str) -> Accelerator:
    """The accelerator named; separators, vendors and counts do not matter.

    A size of memory that is no part of a name must agree with the accelerator's.
    """
    try:
        found: Accelerator = loader.load("accelerators", text)
        return found
    except UnknownNameError as error:
        unknown = error
    known = _compact_names("accelerators")
    words = _words(text)
    bare = [w for w in words if not _GIGABYTES.fullmatch(w)]
    sizes = [float(m[1]) * 1e9 for w in words if (m := _GIGABYTES.fullmatch(w))]
    for spelling, loose in ((text, False), ("".join(words), False), ("".join(bare), True)):
        name = known.get(_compact(spelling))
        if name is not None:
            found = loader.load("accelerators", name)
            if not loose or all(_is_about(size, found.memory_bytes) for size in sizes):
                return found
    raise unknown


def _words(text: str) -> list[str]:
    """What names the device, without vendors and counts.

    >>> _words("8xNVIDIA H100 80GB HBM3"), _words("TPU-v6e-8"), _words("AMD Instinct MI300X OAM")
    (['h100', '80gb'], ['v6e'], ['mi300x'])
    """
    words = [re.sub(r"^\d{1,2}x(?=[a-z])|(?<=\d)x\d{1,2}$", "", w) for w in re.split(r"[^a-z0-9.]+", text.lower())]
    if words and words[0] == "tpu" and words[-1].isdigit():
        words.pop()
    return [w for w in words if w and not _NOISE.fullmatch(w) and not re.fullmatch(r"\d{1,2}x|x\d{1,2}", w)]


def _is_about(stated_bytes: float, memory_bytes: float) -> bool:
    return abs(memory_bytes / stated_bytes - 1.0) < _NEAR


@cache
def _compact_names(kind: str) -> dict[str, str]:
    """Names and aliases without separators; a spelling that two entries share is left out."""
    found: dict[str, set[str]] = {}
    for name, entry in loader.load_all(kind).items():
        for spelling in (name, *entry.aliases):
            found.setdefault(_compact(spelling), set()).add(name)
    return {spelling: next(iter(names)) for spelling, names in found.items() if len(names) == 1}


def _compact(text: str) -> str:
    """Letters and digits only.

    >>> _compact("RTX_4090"), _compact("Llama-3.1-8B")
    ('rtx4090', 'llama318b')
    """
    return re.sub(r"[^a-z0-9]", "", text.lower())


def find_engine(text: str, version: str, notes: Notes, measured: str = "") -> Engine:
    """The engine of that family at that version, at the newest one not above it, or at the oldest.

    Where no version is given, the newest one released by the month ``measured`` (YYYY-MM).

    An engine that is in no catalogue is read as vLLM's newest with no coefficients of its own.
    """
    family = _family(text)
    if not family:
        stand_in: Engine = loader.load("engines", "vllm")
        notes.append(f"engine '{text}' is not in the catalogue: limits of {stand_in.name}, pooled coefficients")
        return replace(stand_in, family=text.strip().lower())
    newest: Engine = loader.load("engines", family)
    wanted = _version(version)
    older = [e for e in _of_family(newest.family) if wanted and _version(e.version) <= wanted]
    if not wanted and re.fullmatch(r"20\d\d-\d\d", measured):
        older = [e for e in _of_family(newest.family) if e.released <= measured]
    if not older and wanted:
        return min(_of_family(newest.family), key=lambda e: _version(e.version))
    return max(older, key=lambda e: _version(e.version)) if older else newest


@cache
def _family(text: str) -> str:
    try:
        found: Engine = loader.load("engines", text)
        return found.name
    except UnknownNameError:
        folded = text.lower().replace("-", "")
        return next((name for name, words in _ENGINE_WORDS.items() if any(w in folded for w in words)), "")


@cache
def _of_family(family: str) -> tuple[Engine, ...]:
    return tuple(e for e in loader.load_all("engines").values() if e.family == family)


def _version(text: str) -> tuple[int, ...]:
    """Major and minor of a version; empty where there is none (nightlies).

    >>> _version("1.2.0rc6.post1"), _version("nightly-dev")
    ((1, 2), ())
    """
    found = re.match(r"v?(\d+)\.(\d+)", text.strip())
    return tuple(int(part) for part in found.groups()) if found else ()


def find_dtype(text: str, model: Model, vendor: str) -> str:
    """The precision meant: plain ``fp4`` is mxfp4 for gpt-oss and on AMD parts, else nvfp4.

    >>> find_dtype("bfloat16", None, "nvidia"), find_dtype("FP8", None, "nvidia")
    ('bf16', 'fp8')
    """
    folded = text.strip().lower().removeprefix("torch.")
    folded = _DTYPES.get(folded.replace("-", "_"), folded)
    folded = _DTYPES.get(folded, folded)
    if folded in ("fp4", "float4", "w4a4", "w4a8"):
        return "mxfp4" if model.name.startswith("gpt-oss") or vendor == "amd" else "nvfp4"
    if folded.replace("-", "_") in BYTES_PER_WEIGHT:
        return folded.replace("-", "_")
    raise BadInputError(f"unknown precision '{text}'. Known: {', '.join(BYTES_PER_WEIGHT)}.")


@cache
def find_checkpoint(model_name: str, dtype: str) -> Checkpoint:
    """The published checkpoint in that precision, or the same parts in it where none is published."""
    model: Model = loader.load("models", model_name)
    found = next((c for c in model.checkpoints if c.weight_dtype == dtype), None)
    found = found or next((c for c in model.checkpoints if c.is_in(dtype)), None)
    if found is not None:
        return found
    base = model.checkpoints[0]
    keep = {part: d for part, d in base.dtypes.items() if d in ("bf16", "fp32")}
    keep |= dict.fromkeys(_KEPT_WIDE, "bf16")
    return replace(base, name=f"{model.name} {dtype}", weight_dtype=dtype, dtypes=keep | {"default": dtype})
