"""Names of quantisation schemes in terms of our precisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivetrain.errors import UnsupportedError

_INTEGER = {8: "int8", 4: "int4", 3: "int3", 2: "int2"}
_BY_BITS = ("awq", "gptq", "auto-round", "intel/auto-round", "autoround", "auto_round", "marlin",
    "gptq_marlin", "awq_marlin",
            "int4", "hqq", "aqlm", "vptq", "spqr", "higgs", "exl2", "int8", "tensor_rt", "moe_wna16",
            "inc")  # fmt: skip


def scheme_dtype(config: Mapping[str, Any], where: str) -> str:
    """Precision of the quantised linear layers of a scheme without groups."""
    method = str(config.get("quant_method") or config.get("quant_type") or "").lower()
    if config.get("quant_algo"):
        return algorithm(config, where)
    if method in ("fp8", "fbgemm_fp8", "deepgemm_fp8", "finegrained_fp8", "ptpc_fp8"):
        return "fp8_block" if config.get("weight_block_size") else "fp8"
    if method in ("mxfp4", "mxfp8", "nvfp4"):
        return method
    if method == "bitsandbytes" or config.get("load_in_4bit") or config.get("load_in_8bit"):
        return "int4" if config.get("load_in_4bit") or config.get("_load_in_4bit") else "int8"
    if method in ("bitnet", "bitnet_quant"):
        return "int2"
    if method == "eetq":
        return "int8"
    if method in ("quark", "quanto", "torchao", "fp_quant", "compressed-tensors", "modelopt"):
        return _named(config, method, where)
    bits = _bits(config)
    if (method in _BY_BITS or not method) and bits in _INTEGER:
        return _INTEGER[bits]
    raise UnsupportedError(
        f"{where}: quantisation method '{method or 'unnamed'}'{f' with {bits} bits' if bits else ''} is not modelled. "
        "Known: fp8, compressed-tensors, modelopt, mxfp4, awq, gptq, bitsandbytes, quark, torchao. Remove "
        "quantization_config to import the model at its base precision."
    )


def _bits(config: Mapping[str, Any]) -> int | None:
    inner = config.get("quant_config")
    weights = inner.get("weight_quant_params") if isinstance(inner, dict) else None
    for table in (config, weights if isinstance(weights, dict) else {}):
        for key in ("bits", "w_bit", "nbits", "wbits", "weight_bits", "num_bits", "nbits_per_codebook"):
            if isinstance(table.get(key), int):
                return int(table[key])
    return None


def _named(config: Mapping[str, Any], method: str, where: str) -> str:
    """Schemes that spell the weight type out somewhere inside."""
    weight: Any = config.get("global_quant_config") or {}
    weight = weight.get("weight", weight) if isinstance(weight, dict) else {}
    weight = weight[0] if isinstance(weight, list) and weight else weight
    inner = weight if isinstance(weight, dict) else {}
    text = " ".join(str(inner.get(k, "")) for k in ("dtype", "qscheme"))
    text += f" {config.get('weights', '')} {config.get('quant_type', '')} {config.get('forward_dtype', '')}"
    text += f" {config.get('format', '')}"
    text = text.lower()
    group = inner.get("group_size")
    if "mxfp4" in text or ("fp4" in text and group == 32):
        return "mxfp4"
    for word, dtype in (("nvfp4", "nvfp4"), ("fp4", "nvfp4"), ("mxfp8", "mxfp8"), ("mxfp6", "mxfp6"), ("fp8", "fp8"),
                        ("float8", "fp8"), ("int4", "int4"), ("int8", "int8"), ("uint4", "int4")):  # fmt: skip
        if word in text:
            return dtype
    raise UnsupportedError(f"{where}: quantization_config of '{method}' does not say the weight precision. Add it.")


_ALGORITHMS = {
    "fp8": "fp8", "fp8_pb_wo": "fp8_block", "fp8_block_scales": "fp8_block", "fp8_pc_pt": "fp8", "nvfp4": "nvfp4",
    "nvfp4_awq": "nvfp4", "w4a16_nvfp4": "nvfp4", "w4a8_nvfp4_fp8": "nvfp4", "nvfp4_svdquant": "nvfp4",
    "w4a16_awq": "int4",
    "w4a8_awq": "int4", "w4a16": "int4", "w4a16_gptq": "int4", "w8a16": "int8", "w8a8": "int8", "int8_sq": "int8",
    "w8a8_sq_per_channel": "int8", "w4a8_mxfp4_fp8": "mxfp4", "w4a8_mxfp4_mxfp8": "mxfp4", "w4a16_mxfp4": "mxfp4",
    "mxfp4": "mxfp4", "mxfp8": "mxfp8", "no_quant": "bf16",
}  # fmt: skip


def algorithm(entry: Any, where: str) -> str:  # noqa: ANN401 - straight from JSON
    """Precision of one of NVIDIA ModelOpt's ``quant_algo`` names."""
    name = str(entry.get("quant_algo") if isinstance(entry, dict) else entry).lower()
    try:
        return _ALGORITHMS[name]
    except KeyError:
        raise UnsupportedError(
            f"{where}: quant_algo '{name}' is not modelled. Known: {', '.join(_ALGORITHMS)}."
        ) from None


def weights_dtype(weights: Mapping[str, Any], where: str) -> str:
    """Precision of a compressed-tensors ``weights`` entry."""
    bits, kind = weights.get("num_bits"), str(weights.get("type", "int"))
    group, block = weights.get("group_size"), weights.get("strategy") == "block" or weights.get("block_structure")
    if kind == "float" and bits == 8:
        return "fp8_block" if block else ("mxfp8" if group == 32 else "fp8")
    if kind == "float" and bits == 4:
        return "mxfp4" if group == 32 else "nvfp4"
    if isinstance(bits, int) and bits in _INTEGER:
        return _INTEGER[bits]
    raise UnsupportedError(f"{where}: weights of {bits} bits and type '{kind}' are not modelled.")
