"""Prefill and decode apart, and TensorRT-LLM over several hosts: values for llm-d's chart, or a Dynamo graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drivetrain.deploy.cluster import dynamo_image
from drivetrain.deploy.launch import Pool
from drivetrain.deploy.manifests import Manifest, container, nixl_ports, options_map, resource_label

_DECODE_PORT = 8200  # behind the chart's routing sidecar, which takes the service's port
_OWN_FLAGS = {"--host": 2, "--port": 2, "--kv-transfer-config": 2, "--nnodes": 2, "--node-rank": 2, "--master-addr": 2,
              "--dist-init-addr": 2, "--headless": 1, "--data-parallel-size-local": 2, "--data-parallel-address": 2,
              "--data-parallel-rpc-port": 2, "--distributed-executor-backend": 2}  # fmt: skip


def llm_d_values(pools: Sequence[Pool]) -> Manifest:
    """Values of llm-d's modelservice Helm chart for vLLM pools whose replicas fit into one host each."""
    by_role = {pool.setup.role: pool for pool in pools}
    repository = pools[0].setup.model
    return {
        "multinode": False,
        "modelArtifacts": {"name": repository, "uri": f"hf://{repository}"},
        "routing": {
            "servicePort": by_role["prefill"].setup.port,
            "proxy": {"targetPort": _DECODE_PORT, "connector": "nixlv2", "secure": False},
        },
        "decode": _llm_d_pool(by_role["decode"], _DECODE_PORT),
        "prefill": _llm_d_pool(by_role["prefill"], by_role["prefill"].setup.port),
    }


def dynamo_graph(pools: Sequence[Pool], model: str) -> list[Manifest]:
    """A DynamoGraphDeployment: a front end, and a worker service for each pool."""
    name = resource_label(model)
    services: Manifest = {"Frontend": {
        "componentType": "frontend", "replicas": 1,
        "extraPodSpec": {"mainContainer": {"image": dynamo_image(pools[0].setup.engine.family).name}},
    }}  # fmt: skip
    documents: list[Manifest] = []
    for pool in pools:
        files = options_map(_with_parallelism(pool), f"{name}-{pool.name}")
        documents += files
        services[pool.name.capitalize()] = _dynamo_service(pool, f"{name}-{pool.name}", has_files=bool(files))
    graph = {
        "apiVersion": "nvidia.com/v1alpha1",
        "kind": "DynamoGraphDeployment",
        "metadata": {"name": name},
        "spec": {"services": services},
    }
    return [*documents, graph]


def _llm_d_pool(pool: Pool, port: int) -> Manifest:
    words = list(pool.processes[0].argv)
    words[words.index("--port") + 1] = str(port)
    found = container(pool, words, probes=False)
    found |= {"name": "vllm", "modelCommand": "custom", "mountModelVolume": True}
    found["ports"] = [{"name": "http", "containerPort": port}, *nixl_ports()]
    found.pop("volumeMounts")
    return {"create": True, "replicas": pool.setup.replicas, "containers": [found]}


def _dynamo_service(pool: Pool, name: str, *, has_files: bool) -> Manifest:
    setup = pool.setup
    main: Manifest = {
        "image": dynamo_image(setup.engine.family).name,
        "command": ["python3", "-m", f"dynamo.{setup.engine.family}"],
        "args": _dynamo_args(pool),
    }
    extra: Manifest = {"mainContainer": main}
    if has_files:
        main["volumeMounts"] = [{"name": "options", "mountPath": "/etc/engine"}]
        extra["volumes"] = [{"name": "options", "configMap": {"name": f"{name}-options"}}]
    found: Manifest = {
        "componentType": "worker",
        "replicas": setup.replicas,
        "envFromSecret": "hf-token",
        "resources": {"limits": {"gpu": str(setup.per_node)}},
        "extraPodSpec": extra,
    }
    if setup.role:
        found["subComponentType"] = setup.role
    return found | ({"multinode": {"nodeCount": setup.nodes}} if setup.nodes > 1 else {})


def _dynamo_args(pool: Pool) -> list[str]:
    """The engine's own flags; Dynamo itself sets addresses, ranks and the transfer of the cache."""
    setup, family = pool.setup, pool.setup.engine.family
    if family == "trtllm":
        mode = ["--disaggregation-mode", setup.role] if setup.role else []
        return ["--model-path", setup.model, "--served-model-name", setup.model,
                "--extra-engine-args", f"/etc/engine/{pool.options_file}", *mode]  # fmt: skip
    words = list(pool.processes[0].argv[2 if family == "vllm" else 3 :])
    if family == "vllm":
        words = ["--model", *words]
    kept = []
    while words:
        take = _OWN_FLAGS.get(words[0], 0)
        if take:
            del words[:take]
        else:
            kept.append(words.pop(0))
    return [*kept, "--is-prefill-worker"] if family == "vllm" and setup.role == "prefill" else kept


def _with_parallelism(pool: Pool) -> Pool:
    """The pool with an options file that holds all: Dynamo's TensorRT-LLM worker has no flags for these."""
    setup = pool.setup
    if setup.engine.family != "trtllm":
        return pool
    layout = setup.layout
    stated: dict[str, Any] = {
        "tensor_parallel_size": layout.tp * layout.dp,
        "pipeline_parallel_size": layout.pp,
        "moe_expert_parallel_size": layout.ep if layout.ep > 1 else None,
        "gpus_per_node": setup.per_node,
        "max_seq_len": setup.max_model_len,
        "max_batch_size": setup.seqs_per_rank,
        "max_num_tokens": setup.step_tokens,
    }
    options: Mapping[str, Any] = {key: value for key, value in stated.items() if value is not None} | dict(pool.options)
    return Pool(setup, pool.arguments, pool.processes, options)
