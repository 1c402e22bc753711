"""``python3 -m sglang.launch_server``: a pool's setup as its flags.

With attention data parallelism ``--tp-size`` counts all ranks, ``--dp-size`` splits them, and the limits on requests
and on prefill tokens are of all ranks together (the server divides them).
"""

from __future__ import annotations

import math

from drivetrain.deploy.argument_list import ArgumentList
from drivetrain.deploy.setup import Setup, Speculative, cache_flag

PROGRAM = ("python3", "-m", "sglang.launch_server")
INIT_PORT = 5000
_KV = {"fp8": "fp8_e4m3", "bf16": "bf16"}
_ALGORITHMS = {"mtp": "NEXTN", "eagle": "EAGLE", "eagle3": "EAGLE3", "draft": "STANDALONE", "ngram": "NGRAM"}


def flags(setup: Setup, known: ArgumentList, node: int = 0, head: str = "$HEAD_ADDRESS") -> list[str]:
    """Model and flags for host ``node`` of a replica; ``head`` is the address of its first host."""
    layout = setup.layout
    out = ["--model-path", setup.model, "--tp-size", str(layout.tp * layout.dp)]
    if layout.pp > 1:
        out += ["--pp-size", str(layout.pp)]
    if layout.dp > 1:
        out += ["--dp-size", str(layout.dp), "--enable-dp-attention"]
    if layout.ep > 1:
        out += ["--ep-size", str(layout.ep)]
    if setup.redundant_experts:
        out += ["--enable-eplb", "--ep-num-redundant-experts", str(setup.redundant_experts)]
    if setup.two_batch_overlap:
        out.append("--enable-two-batch-overlap")
    out += _batching(setup) + _memory(setup, known)
    if setup.speculative:
        out += _speculative(setup.speculative)
    if setup.role:
        out += ["--disaggregation-mode", setup.role, "--disaggregation-transfer-backend", "nixl"]
    if setup.lora_adapters:
        out += ["--enable-lora", "--max-loras-per-batch", str(setup.lora_adapters)]
        out += ["--max-lora-rank", str(setup.lora_rank), "--lora-target-modules", "all"]
    if setup.nodes > 1:
        out += ["--nnodes", str(setup.nodes), "--node-rank", str(node), "--dist-init-addr", f"{head}:{INIT_PORT}"]
    return [*out, "--host", "0.0.0.0", "--port", str(setup.port)]


def _batching(setup: Setup) -> list[str]:
    out = []
    if setup.max_model_len:
        out += ["--context-length", str(setup.max_model_len)]
    if setup.max_seqs:
        out += ["--max-running-requests", str(setup.max_seqs)]
    if setup.chunked_prefill is False:
        out += ["--chunked-prefill-size", "-1"]
    elif setup.step_tokens:
        out += ["--chunked-prefill-size", str(setup.step_tokens * setup.layout.dp)]
    if setup.prefix_caching is False:
        out.append("--disable-radix-cache")
    return out


def _memory(setup: Setup, known: ArgumentList) -> list[str]:
    out = []
    if setup.quantization:
        out += ["--quantization", setup.quantization]
    out += cache_flag(setup, known, _KV, "SGLang")
    if setup.memory_frac:
        out += ["--mem-fraction-static", f"{setup.memory_frac:g}"]
    if setup.kv_offload_bytes:
        out += ["--enable-hierarchical-cache", "--hicache-size", str(math.ceil(setup.kv_offload_bytes / 1e9))]
    return out


def _speculative(draft: Speculative) -> list[str]:
    out = ["--speculative-algorithm", _ALGORITHMS[draft.method]]
    if draft.model:
        out += ["--speculative-draft-model-path", draft.model]
    if draft.method == "ngram":
        return [*out, "--speculative-num-draft-tokens", str(draft.tokens)]
    # one token a step and no tree; the verified tokens count the last accepted one too
    return [*out, "--speculative-num-steps", str(draft.tokens), "--speculative-eagle-topk", "1",
            "--speculative-num-draft-tokens", str(draft.tokens + 1)]  # fmt: skip
