"""SGLang's flags as what they mean for a server."""

from __future__ import annotations

from drivetrain.deploy.arguments import ParsedArguments
from drivetrain.deploy.found import Found
from drivetrain.errors import BadInputError

_KV = {"auto": "", "bf16": "bf16", "bfloat16": "bf16", "fp4_e2m1": "fp4"}
_METHODS = {"NEXTN": "mtp", "EAGLE": "eagle", "EAGLE3": "eagle", "NGRAM": "ngram"}
_SPREADS_ALL = ("deepep", "mooncake", "mori")  # exchanges that put experts on every rank
_USED = frozenset({
    "tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size", "enable-dp-attention",
    "expert-parallel-size", "moe-a2a-backend", "context-length", "max-running-requests", "chunked-prefill-size",
    "mem-fraction-static", "kv-cache-dtype", "quantization", "disable-radix-cache", "speculative-algorithm",
    "speculative-num-steps", "speculative-num-draft-tokens", "speculative-draft-model-path", "speculative-eagle-topk",
    "enable-hierarchical-cache", "hicache-size", "disaggregation-mode", "ep-num-redundant-experts", "enable-eplb",
    "enable-two-batch-overlap", "enable-lora", "max-loras-per-batch", "max-lora-rank",
})  # fmt: skip


def read(parsed: ParsedArguments, *, has_experts: bool) -> Found:
    """Read an SGLang command line; without attention data parallelism, data-parallel ranks are servers of their own."""
    ranks, copies = int(parsed.value("tensor-parallel-size") or 1), int(parsed.value("data-parallel-size") or 1)
    shared = bool(parsed.value("enable-dp-attention")) and copies > 1
    dp = copies if shared else 1
    if ranks % dp:
        raise BadInputError(f"--tp-size {ranks} does not divide over --dp-size {dp} with --enable-dp-attention.")
    ep = int(parsed.value("expert-parallel-size") or 1)
    if parsed.value("moe-a2a-backend") in _SPREADS_ALL:
        ep = ranks
    chunk, seqs = parsed.value("chunked-prefill-size"), parsed.value("max-running-requests")
    speculative, drafts = _speculative(parsed)
    lora = bool(parsed.value("enable-lora"))
    mode = str(parsed.value("disaggregation-mode") or "null")
    notes = []
    if shared and not has_experts:
        notes.append("attention data parallelism of a model without experts is not modelled: read as tensor parallel.")
    if parsed.value("enable-hierarchical-cache") and not parsed.value("hicache-size"):
        notes.append("host memory for cache is given as a ratio, not a size: predicted without.")
    return Found(
        used=_USED,
        tp=ranks // dp if has_experts else ranks,
        pp=int(parsed.value("pipeline-parallel-size") or 1),
        dp=dp if has_experts else 1,
        ep=ep if has_experts else 1,
        copies=1 if shared else copies,
        kv_dtype=_kv(str(parsed.value("kv-cache-dtype") or "auto")),
        quantization=str(parsed.values.get("quantization") or ""),
        max_seqs=None if seqs is None else int(seqs),
        step_tokens=None if chunk is None or int(chunk) <= 0 else max(1, int(chunk) // dp),
        max_model_len=parsed.value("context-length"),
        memory_frac=parsed.values.get("mem-fraction-static"),
        prefix_caching=False if parsed.value("disable-radix-cache") else None,
        chunked_prefill=False if chunk is not None and int(chunk) <= 0 else None,
        speculative=speculative,
        draft_tokens=drafts,
        kv_offload_bytes=float(parsed.value("hicache-size") or 0) * 1e9
        if parsed.value("enable-hierarchical-cache") else 0.0,
        redundant_experts=int(parsed.value("ep-num-redundant-experts") or 0) if has_experts else 0,
        two_batch_overlap=bool(parsed.value("enable-two-batch-overlap")) and has_experts,
        lora_adapters=int(parsed.value("max-loras-per-batch") or 8) if lora else 0,
        lora_rank=int(parsed.value("max-lora-rank") or 16) if lora else 0,
        role="" if mode == "null" else mode,
        notes=tuple(notes),
    )  # fmt: skip


def _kv(text: str) -> str:
    return "fp8" if text.startswith("fp8") else _KV.get(text, text)


def _speculative(parsed: ParsedArguments) -> tuple[str, int]:
    """(technique, draft tokens); EAGLE without a draft model is the model's own prediction layer."""
    algorithm = parsed.value("speculative-algorithm")
    if not algorithm:
        return "", 0
    model = parsed.value("speculative-draft-model-path")
    steps, verified = parsed.value("speculative-num-steps"), parsed.value("speculative-num-draft-tokens")
    if algorithm == "NGRAM":
        return "ngram", int(verified or 0)
    if algorithm == "STANDALONE":
        return f"draft:{model}", int(steps or 0)
    method = _METHODS[algorithm]
    if algorithm == "EAGLE" and not model:
        method = "mtp"
    return method, int(steps or 0)
