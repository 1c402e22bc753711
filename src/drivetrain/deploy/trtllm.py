"""``trtllm-serve``: a pool's setup as flags, and as the YAML file that holds what has no flag.

Attention data parallelism is one switch over all ranks; limits are of a rank.
"""

from __future__ import annotations

from typing import Any

from drivetrain.deploy.setup import Setup, Speculative
from drivetrain.errors import UnsupportedError

PROGRAM = ("trtllm-serve",)
_KV = {"fp8": "fp8", "nvfp4": "nvfp4", "bf16": "auto", "fp16": "auto"}
_DECODING = {"eagle": "Eagle", "eagle3": "Eagle", "ngram": "NGram", "draft": "Draft_Target"}


def flags(setup: Setup, options_file: str = "options.yaml") -> list[str]:
    """Model and flags; the same on every host of a replica, which MPI starts together."""
    layout = setup.layout
    if layout.dp > 1 and layout.tp > 1:
        raise UnsupportedError(
            f"TensorRT-LLM keeps attention data parallel over all ranks or none, not as {layout}. "
            f"Choose --layouts dp{layout.tp * layout.dp}ep{layout.ep} or another --engine."
        )
    out = [setup.model, "--tp_size", str(layout.tp * layout.dp)]
    if layout.pp > 1:
        out += ["--pp_size", str(layout.pp)]
    if layout.ep > 1:
        out += ["--ep_size", str(layout.ep)]
    if setup.nodes > 1:
        out += ["--gpus_per_node", str(setup.per_node)]
    if setup.max_model_len:
        out += ["--max_seq_len", str(setup.max_model_len)]
    if setup.seqs_per_rank:
        out += ["--max_batch_size", str(setup.seqs_per_rank)]
    tokens = setup.whole_prompt_tokens if setup.chunked_prefill is False else setup.step_tokens
    if tokens:
        out += ["--max_num_tokens", str(tokens)]
    if setup.memory_frac:
        out += ["--kv_cache_free_gpu_memory_fraction", f"{setup.memory_frac:g}"]
    return [*out, "--extra_llm_api_options", options_file, "--host", "0.0.0.0", "--port", str(setup.port)]


def options(setup: Setup) -> dict[str, Any]:
    """The keys of the YAML file of LLM options."""
    if setup.two_batch_overlap or setup.redundant_experts:
        raise UnsupportedError("expert load balancing and two-batch overlap have no plain option in trtllm-serve; "
                               "choose another --engine.")  # fmt: skip
    if setup.kv_dtype not in _KV:
        raise UnsupportedError(f"TensorRT-LLM keeps no {setup.kv_dtype} cache: --kv {', '.join(_KV)}.")
    cache: dict[str, Any] = {"enable_block_reuse": setup.prefix_caching is not False}
    if setup.kv_dtype in ("fp8", "nvfp4"):
        cache["dtype"] = _KV[setup.kv_dtype]
    if setup.memory_frac:
        cache["free_gpu_memory_fraction"] = setup.memory_frac
    if setup.kv_offload_bytes:
        cache["host_cache_size"] = int(setup.kv_offload_bytes)
    found: dict[str, Any] = {"kv_cache_config": cache}
    if setup.layout.dp > 1:
        found["enable_attention_dp"] = True
    chunked = setup.chunked_prefill
    if chunked is None and setup.step_tokens and (setup.max_model_len or 0) > setup.step_tokens:
        chunked = True  # a plan that does not say: without it, prompts beyond a step's tokens are refused
    if chunked is not None:
        found["enable_chunked_prefill"] = chunked
    if setup.speculative:
        found["speculative_config"] = _speculative(setup.speculative)
    if setup.role:
        found["cache_transceiver_config"] = {"backend": "DEFAULT"}
        found["disable_overlap_scheduler"] = setup.role == "prefill"
    if setup.lora_adapters:
        found["enable_lora"] = True
        found["lora_config"] = {"max_loras": setup.lora_adapters, "max_lora_rank": setup.lora_rank}
    return found


def _speculative(draft: Speculative) -> dict[str, Any]:
    if draft.method == "mtp":
        return {"decoding_type": "MTP", "num_nextn_predict_layers": draft.tokens}
    config: dict[str, Any] = {
        "decoding_type": _DECODING[draft.method],
        "max_draft_len": draft.tokens,
    }
    if draft.model:
        config["speculative_model_dir"] = draft.model
    return config
