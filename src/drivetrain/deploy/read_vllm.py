"""``vllm serve``'s flags as what they mean for a server."""

from __future__ import annotations

from typing import Any

from drivetrain.deploy.arguments import AUTO, ParsedArguments
from drivetrain.deploy.found import Found
from drivetrain.errors import BadInputError

_KV = {"auto": "", "float16": "fp16", "bfloat16": "bf16"}
_USED = frozenset({
    "tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size", "enable-expert-parallel", "max-model-len",
    "max-num-seqs", "max-num-batched-tokens", "gpu-memory-utilization", "kv-cache-dtype", "quantization",
    "enable-prefix-caching", "enable-chunked-prefill", "speculative-config", "kv-offloading-size", "kv-transfer-config",
    "eplb-config", "num-redundant-experts", "enable-eplb", "enable-dbo", "enable-lora", "max-loras", "max-lora-rank",
})  # fmt: skip


def read(parsed: ParsedArguments, *, has_experts: bool) -> Found:
    """Read a vLLM command line; data-parallel ranks of a model without experts are servers of their own."""
    tp, pp = int(parsed.value("tensor-parallel-size") or 1), int(parsed.value("pipeline-parallel-size") or 1)
    ranks = int(parsed.value("data-parallel-size") or 1)
    dp = ranks if has_experts else 1
    spread = bool(parsed.value("enable-expert-parallel")) and has_experts
    seqs, length = parsed.value("max-num-seqs"), parsed.value("max-model-len")
    speculative, drafts, notes = _speculative(parsed.value("speculative-config"))
    lora = bool(parsed.value("enable-lora"))
    transfer = parsed.value("kv-transfer-config") or {}
    offload = float(parsed.value("kv-offloading-size") or 0.0) * 2**30 / (tp * pp)
    return Found(
        used=_USED,
        tp=tp,
        pp=pp,
        dp=dp,
        ep=tp * dp if spread else 1,
        copies=ranks // dp,
        kv_dtype=_kv(str(parsed.value("kv-cache-dtype") or "auto")),
        quantization=str(parsed.values.get("quantization") or ""),
        max_seqs=None if seqs is None else int(seqs) * dp,
        step_tokens=parsed.value("max-num-batched-tokens"),
        max_model_len=None if length in (None, AUTO) else int(length),
        memory_frac=parsed.values.get("gpu-memory-utilization"),
        prefix_caching=parsed.values.get("enable-prefix-caching"),
        chunked_prefill=parsed.values.get("enable-chunked-prefill"),
        speculative=speculative,
        draft_tokens=drafts,
        kv_offload_bytes=offload,
        redundant_experts=_redundant(parsed) if has_experts else 0,
        two_batch_overlap=bool(parsed.value("enable-dbo")) and has_experts,
        lora_adapters=int(parsed.value("max-loras") or 1) if lora else 0,
        lora_rank=int(parsed.value("max-lora-rank") or 16) if lora else 0,
        role={"kv_producer": "prefill", "kv_consumer": "decode"}.get(str(transfer.get("kv_role")), ""),
        notes=notes,
    )


def _kv(text: str) -> str:
    return "fp8" if text.startswith("fp8") else _KV.get(text, text)


def _redundant(parsed: ParsedArguments) -> int:
    config = parsed.value("eplb-config") or {}
    stated = config.get("num_redundant_experts") or parsed.value("num-redundant-experts") or 0
    return int(stated) if parsed.value("enable-eplb") else 0


def _speculative(config: Any) -> tuple[str, int, tuple[str, ...]]:  # noqa: ANN401 - JSON
    """(technique, draft tokens, notes) of ``--speculative-config``."""
    if config is None:
        return "", 0, ()
    if not isinstance(config, dict):
        raise BadInputError(f"--speculative-config needs a JSON object, not {config!r}.")
    method, model = str(config.get("method") or ""), str(config.get("model") or "")
    tokens = config.get("num_speculative_tokens") or 0
    if isinstance(tokens, bool) or not isinstance(tokens, int):
        raise BadInputError(f"--speculative-config: num_speculative_tokens needs a whole number, not {tokens!r}.")
    if method == "mtp" or method.endswith("_mtp"):
        return "mtp", tokens, ()
    if method in ("eagle", "eagle3"):
        return "eagle", tokens, ()
    if method.startswith("ngram") or model == "[ngram]":
        return "ngram", tokens, ()
    if method in ("", "draft_model") and model:
        return ("eagle", tokens, ()) if "eagle" in model.lower() else (f"draft:{model}", tokens, ())
    return "", 0, (f"speculative method '{method}' is not modelled: predicted without.",)
