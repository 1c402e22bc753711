"""In which file format a checkpoint's weights are written: an engine may know the precision and not the format."""

from __future__ import annotations

FORMATS = (
    "none",  # not quantised
    "modelopt", "compressed-tensors", "fp8", "fbgemm_fp8", "quark", "gptq", "awq", "mxfp4", "gguf", "deepspeed",
)  # fmt: skip
"""``fp8`` is the format of native releases (DeepSeek, Qwen, MiniMax), ``mxfp4`` that of gpt-oss."""

_PLAIN = ("bf16", "fp16", "fp32")
_NAMED = ("gguf", "awq", "gptq")
_PUBLISHERS = {
    "nvidia": "modelopt",
    "redhatai": "compressed-tensors",
    "neuralmagic": "compressed-tensors",
    "amd": "quark",
}
_NATIVE = {"fp8_block": "fp8", "mxfp4": "mxfp4"}


def usual_format(repository: str, weight_dtype: str) -> str:
    """The format that a repository's publisher writes ``weight_dtype`` in; empty where nothing tells.

    >>> usual_format("nvidia/Llama-3.1-8B-Instruct-FP8", "fp8"), usual_format("Qwen/Qwen3-8B-FP8", "fp8_block")
    ('modelopt', 'fp8')
    >>> usual_format("RedHatAI/Mistral-7B-Instruct-v0.3-GPTQ-4bit", "int4"), usual_format("meta-llama/Llama-3", "bf16")
    ('gptq', 'none')
    """
    if weight_dtype in _PLAIN:
        return "none"
    owner, _, name = repository.lower().rpartition("/")
    said = next((word for word in _NAMED if word in name), "")
    return said or _PUBLISHERS.get(owner) or _NATIVE.get(weight_dtype, "")
