"""``vllm serve``: a pool's setup as its flags."""

from __future__ import annotations

import json
from typing import Any

from drivetrain.deploy.argument_list import ArgumentList
from drivetrain.deploy.setup import Setup, Speculative, cache_flag
from drivetrain.errors import UnsupportedError

PROGRAM = ("vllm", "serve")
RPC_PORT = 13345
_KV = {"fp8": "fp8", "bf16": "bfloat16", "fp16": "float16"}
_KV_ROLES = {"prefill": "kv_producer", "decode": "kv_consumer"}
NIXL_PORT = 5600


def flags(setup: Setup, known: ArgumentList, node: int = 0, head: str = "$HEAD_ADDRESS") -> list[str]:
    """Model and flags for host ``node`` of a replica; ``head`` is the address of its first host."""
    layout = setup.layout
    if layout.ep not in (1, layout.tp * layout.dp):
        raise UnsupportedError(
            f"vLLM spreads experts over all {layout.tp * layout.dp} ranks or none, not as {layout}. "
            f"Choose --layouts {str(layout).partition('ep')[0]}ep{layout.tp * layout.dp}."
        )
    out = [setup.model, "--tensor-parallel-size", str(layout.tp)]
    if layout.pp > 1:
        out += ["--pipeline-parallel-size", str(layout.pp)]
    if layout.dp > 1:
        out += ["--data-parallel-size", str(layout.dp)]
    if layout.ep > 1:
        out.append("--enable-expert-parallel")
    out += _expert_flags(setup, known) + _batching(setup) + _memory(setup, known)
    if setup.speculative:
        out += ["--speculative-config", json.dumps(_speculative(setup.speculative, known))]
    if setup.role:
        transfer = {"kv_connector": "NixlConnector", "kv_role": _KV_ROLES[setup.role]}
        out += ["--kv-transfer-config", json.dumps(transfer)]
    if setup.lora_adapters:
        out += ["--enable-lora", "--max-loras", str(setup.lora_adapters), "--max-lora-rank", str(setup.lora_rank)]
    out += _nodes(setup, known, node, head)
    return [*out, "--host", "0.0.0.0", "--port", str(setup.port)]


def environment(setup: Setup) -> dict[str, str]:
    """Variables the process needs."""
    if not setup.role:
        return {}
    return {"VLLM_NIXL_SIDE_CHANNEL_HOST": "$POD_IP", "VLLM_NIXL_SIDE_CHANNEL_PORT": str(NIXL_PORT)}


def _batching(setup: Setup) -> list[str]:
    out = []
    if setup.max_model_len:
        out += ["--max-model-len", str(setup.max_model_len)]
    if setup.seqs_per_rank:
        out += ["--max-num-seqs", str(setup.seqs_per_rank)]
    tokens = setup.whole_prompt_tokens if setup.chunked_prefill is False else setup.step_tokens
    if tokens:
        out += ["--max-num-batched-tokens", str(tokens)]
    if setup.chunked_prefill is not None:
        out.append("--enable-chunked-prefill" if setup.chunked_prefill else "--no-enable-chunked-prefill")
    if setup.prefix_caching is not None:
        out.append("--enable-prefix-caching" if setup.prefix_caching else "--no-enable-prefix-caching")
    return out


def _memory(setup: Setup, known: ArgumentList) -> list[str]:
    out = []
    if setup.quantization:
        out += ["--quantization", setup.quantization]
    out += cache_flag(setup, known, _KV, "vLLM")
    if setup.memory_frac:
        out += ["--gpu-memory-utilization", f"{setup.memory_frac:g}"]
    if setup.kv_offload_bytes:
        gib = setup.kv_offload_bytes * setup.layout.tp * setup.layout.pp / 2**30
        out += ["--kv-offloading-size", f"{gib:.6g}"]  # GiB of all ranks of one engine together
    return out


def _expert_flags(setup: Setup, known: ArgumentList) -> list[str]:
    out = []
    if setup.redundant_experts:
        if "eplb-config" in known.arguments:
            out += ["--enable-eplb", "--eplb-config", json.dumps({"num_redundant_experts": setup.redundant_experts})]
        else:
            out += ["--enable-eplb", "--num-redundant-experts", str(setup.redundant_experts)]
    if setup.two_batch_overlap:
        out.append("--enable-dbo")
    return out


def _speculative(draft: Speculative, known: ArgumentList) -> dict[str, Any]:
    methods = {"mtp": "mtp" if _at_least(known, 11) else "deepseek_mtp", "eagle": "eagle", "eagle3": "eagle3"}
    config: dict[str, Any] = {"num_speculative_tokens": draft.tokens}
    if draft.method == "ngram":
        return config | {"method": "ngram", "prompt_lookup_max": 4}
    if draft.model:
        config["model"] = draft.model
    if draft.method != "draft":
        config["method"] = methods[draft.method]
    elif _at_least(known, 15):  # older releases tell from the model
        config["method"] = "draft_model"
    return config


def _nodes(setup: Setup, known: ArgumentList, node: int, head: str) -> list[str]:
    if setup.nodes == 1:
        return []
    layout = setup.layout
    if layout.dp > 1:
        if layout.dp % setup.nodes:
            raise UnsupportedError(
                f"{layout.dp} data-parallel ranks do not divide over {setup.nodes} hosts. Choose another --layouts."
            )
        local = layout.dp // setup.nodes
        out = ["--data-parallel-size-local", str(local), "--data-parallel-address", head]
        out += ["--data-parallel-rpc-port", str(RPC_PORT)]
        return out + (["--headless", "--data-parallel-start-rank", str(node * local)] if node else [])
    if "nnodes" not in known.arguments:  # a Ray cluster over the hosts, started beforehand; the head alone serves
        return ["--distributed-executor-backend", "ray"]
    out = ["--nnodes", str(setup.nodes), "--node-rank", str(node), "--master-addr", head]
    return [*out, "--headless"] if node else out


def _at_least(known: ArgumentList, minor: int) -> bool:
    return int(known.version.split(".")[1]) >= minor
