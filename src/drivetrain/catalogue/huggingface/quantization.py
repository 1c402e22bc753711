"""Precision by part of a checkpoint: ``quantization_config`` in its dialects, and ``hf_quant_config.json``.

Linear layers take the scheme's precision unless a list of exceptions names them; embeddings, head,
router and norms keep
the base precision unless the scheme names them. A list that covers few layers of a part leaves it quantised.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from drivetrain.catalogue.formats import FORMATS
from drivetrain.catalogue.huggingface.modules import LINEAR, covered, parts_of
from drivetrain.catalogue.huggingface.schemes import algorithm, scheme_dtype, weights_dtype
from drivetrain.catalogue.model import Checkpoint
from drivetrain.errors import FileError

_BASE = {"bfloat16": "bf16", "float16": "fp16", "half": "fp16", "float32": "fp32", "float": "fp32", "bf16": "bf16",
         "fp16": "fp16", "fp32": "fp32", "float8_e4m3fn": "fp8"}  # fmt: skip
_NAMED = re.compile(r"(?<![a-z0-9])(nvfp4|mxfp4|mxfp8|fp8|awq|gptq|int4|int8|w4a16|w8a8)(?![a-z0-9])", re.IGNORECASE)
_NAME_DTYPE = {"awq": "int4", "gptq": "int4", "w4a16": "int4", "w8a8": "int8"}
_IGNORE = ("ignore", "modules_to_not_convert", "ignored_layers", "exclude_modules", "exclude", "llm_int8_skip_modules",
           "modules_to_not_quantize")  # fmt: skip


def read_checkpoint(
    raw: Mapping[str, Any], inner: Mapping[str, Any], side: Mapping[str, Any], where: str, identifier: str
) -> tuple[Checkpoint, list[str]]:
    """The checkpoint and what was assumed. ``side`` is a separate quantisation file, ``inner`` the language part."""
    base = base_dtype(raw, inner)
    n_layers = next(
        (v for k in ("num_hidden_layers", "n_layer", "num_layers") if isinstance(v := inner.get(k), int)), 1
    )
    config = next((c for c in (raw.get("quantization_config"), inner.get("quantization_config")) if c), None)
    source = "quantization_config of the configuration" if config else str(side.get("file", ""))
    config = config or side.get("quantization") or {k: v for k, v in side.items() if k != "file"} or None
    if config is None:
        return _from_name(identifier, base, latent=isinstance(inner.get("kv_lora_rank"), int))
    if not isinstance(config, dict):
        raise FileError(f"{where}: quantization_config must be an object, not {config!r}.")
    dtypes = _dtypes(config, base, n_layers, where)
    expert_dtype = inner.get("expert_dtype") or raw.get("expert_dtype")
    if isinstance(expert_dtype, str) and "experts" in dtypes:
        dtypes["experts"] = {"fp4": "mxfp4", "fp8": dtypes["experts"]}.get(expert_dtype, dtypes["experts"])
    quantised = {part: dtype for part, dtype in dtypes.items() if dtype != base}
    order = ("experts", "ffn", "attention", "recurrent", "shared_experts")
    main = next((quantised[part] for part in order if part in quantised), base)
    kept = {"default": base, **quantised} if quantised else {}
    return Checkpoint(identifier, main, kept, _kv_dtype(config), source, _format(config, side)), []


def _format(config: Mapping[str, Any], side: Mapping[str, Any]) -> str:
    """The format of the files as the configuration names it; empty where its name is none that is known."""
    method = str(config.get("quant_method") or ("modelopt" if side else "")).lower().replace("_", "-")
    spelled = {"modelopt-fp4": "modelopt", "fbgemm-fp8": "fbgemm_fp8"}.get(method, method)
    return spelled if spelled in FORMATS else ""


def base_dtype(raw: Mapping[str, Any], inner: Mapping[str, Any]) -> str:
    """Precision of what is not quantised, bf16 where nothing says otherwise."""
    for config in (inner, raw):
        for key in ("dtype", "torch_dtype"):
            value = config.get(key)
            if isinstance(value, str) and value.removeprefix("torch.") in _BASE:
                return _BASE[value.removeprefix("torch.")]
    return "bf16"


def _from_name(identifier: str, base: str, *, latent: bool) -> tuple[Checkpoint, list[str]]:
    match = _NAMED.search(identifier.rsplit("/", 1)[-1])
    if not match:
        return Checkpoint(identifier, base, {}), []
    named = _NAME_DTYPE.get(match[1].lower(), match[1].lower())
    note = (f"Precision {named} is taken from the name: the configuration has no quantization_config and no "
            "hf_quant_config.json lies beside it.")  # fmt: skip
    dtypes = {"default": base, **dict.fromkeys(LINEAR, named)}
    if named == "nvfp4" and latent:  # such releases leave latent attention alone
        del dtypes["attention"]
    return Checkpoint(identifier, named, dtypes, source="assumed from the name"), [note]


def _dtypes(config: dict[str, Any], base: str, n_layers: int, where: str) -> dict[str, str]:
    """Precision of each part that the scheme reaches."""
    listed = config.get("quantized_layers")
    if isinstance(listed, dict) and listed:
        return _majority({name: algorithm(entry, where) for name, entry in listed.items()}, where)
    found: dict[str, str] = {}
    groups = config.get("config_groups")
    if isinstance(groups, dict) and groups:
        for group in groups.values():
            found |= _group(group, where)
    else:
        found = dict.fromkeys(LINEAR, scheme_dtype(config, where))
        if config.get("quant_method") == "mxfp4":
            found = {"experts": "mxfp4"}
        for part in ("embedding", "lm_head"):
            if config.get(f"quant_{part}") is True or (part == "lm_head" and config.get("lm_head") is True):
                found[part] = scheme_dtype(config, where)
    for part in covered(_ignored(config), n_layers, where):
        found.pop(part, None)
    return {part: dtype for part, dtype in found.items() if dtype != base}


def _group(group: Any, where: str) -> dict[str, str]:  # noqa: ANN401 - straight from JSON
    if not isinstance(group, dict) or not isinstance(group.get("weights"), dict):
        return {}
    dtype = weights_dtype(group["weights"], where)
    targets = group.get("targets") or ["Linear"]
    return {part: dtype for target in targets for part in parts_of(str(target), where)}


def _majority(dtypes: Mapping[str, str], where: str) -> dict[str, str]:
    votes: dict[str, Counter[str]] = {}
    for name, dtype in dtypes.items():
        for part in parts_of(name, where):
            votes.setdefault(part, Counter())[dtype] += 1
    return {part: counter.most_common(1)[0][0] for part, counter in votes.items()}


def _ignored(config: Mapping[str, Any]) -> list[str]:
    names: list[str] = []
    for key in _IGNORE:
        value = config.get(key)
        names += [str(v) for v in value] if isinstance(value, list) else []
    return names


def _kv_dtype(config: Mapping[str, Any]) -> str:
    """KV cache precision as shipped, bf16 where the configuration does not say."""
    named = config.get("kv_cache_quant_algo") or config.get("kv_cache_dtype")
    scheme = config.get("kv_cache_scheme") or config.get("kv_cache_quant_config")
    if isinstance(named, str):
        lowered = named.lower()
        return next((d for d in ("nvfp4", "fp8", "int8", "int4") if d in lowered), "bf16")
    if isinstance(scheme, dict):
        bits, kind = scheme.get("num_bits"), str(scheme.get("type") or scheme.get("dtype") or "float")
        if bits is None:
            return "fp8" if scheme else "bf16"
        return {(8, True): "fp8", (4, True): "nvfp4", (8, False): "int8", (4, False): "int4"}.get(
            (bits, not kind.startswith("int")), "bf16"
        )
    return "bf16"
