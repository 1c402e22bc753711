"""A plan as Kubernetes manifests.

A replica within one host becomes a Deployment with a Service; one over several hosts a LeaderWorkerSet; prefill and
decode apart become values for llm-d's Helm chart (vLLM within hosts) or a DynamoGraphDeployment (all others, and
TensorRT-LLM over several hosts, whose MPI processes its operator starts).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from drivetrain.deploy import vllm
from drivetrain.deploy.cluster import image, resource_name
from drivetrain.deploy.launch import Pool, Process
from drivetrain.deploy.shell import shell_line

Manifest = dict[str, Any]


class _Plain(yaml.SafeDumper):
    """YAML as people write it: no anchors, texts of several lines as blocks."""

    def ignore_aliases(self, data: object) -> bool:
        """Write everything out."""
        del data
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Plain.add_representer(str, _text)

OPTIONS_FOLDER = "/etc/engine"
_START_MINUTES = 60
_INDEX_LABEL = "leaderworkerset.sigs.k8s.io/worker-index"


def as_yaml(documents: Sequence[Mapping[str, Any]], comment: str = "") -> str:
    """Documents as YAML text, in the order written, under a comment."""
    head = "".join(f"# {line}\n" for line in comment.splitlines())
    return head + str(yaml.dump_all([dict(d) for d in documents], Dumper=_Plain, sort_keys=False, width=10_000))


def resource_label(text: str) -> str:
    """A name Kubernetes takes: lower case, digits and dashes, at most 40 characters.

    >>> resource_label("meta-llama/Llama-3.1-70B-Instruct")
    'llama-3-1-70b-instruct'
    """
    plain = re.sub(r"[^a-z0-9]+", "-", text.rpartition("/")[2].lower())
    return plain[:40].strip("-") or "model"


def kubernetes(pools: Sequence[Pool], model: str) -> list[Manifest]:
    """Manifests of a plan whose replicas serve by themselves (one pool)."""
    (pool,) = pools
    name = resource_label(model)
    body = leader_worker_set(pool, name) if pool.setup.nodes > 1 else deployment(pool, name)
    return [*options_map(pool, name), body, service(pool, name)]


def deployment(pool: Pool, name: str) -> Manifest:
    """Replicas that fit into one host."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": pool.setup.replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": pod(pool, name, container(pool, list(pool.processes[0].argv), probes=True)),
            },
        },
    }


def leader_worker_set(pool: Pool, name: str) -> Manifest:
    """Replicas over several hosts: a leader and its workers start and restart together."""
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": name},
        "spec": {
            "replicas": pool.setup.replicas,
            "leaderWorkerTemplate": {
                "size": pool.setup.nodes,
                "restartPolicy": "RecreateGroupOnPodRestart",
                "leaderTemplate": {
                    "metadata": {"labels": {"app": name, "role": "leader"}},
                    "spec": pod(pool, name, _member(pool, leader=True)),
                },
                "workerTemplate": {
                    "metadata": {"labels": {"app": name, "role": "worker"}},
                    "spec": pod(pool, name, _member(pool, leader=False)),
                },
            },
        },
    }


def service(pool: Pool, name: str) -> Manifest:
    """One address for all replicas; only pods that are ready get requests."""
    selector = {"app": name} | ({"role": "leader"} if pool.setup.nodes > 1 else {})
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "type": "ClusterIP",
            "selector": selector,
            "ports": [{"name": "http", "port": pool.setup.port, "targetPort": pool.setup.port}],
        },
    }


def options_map(pool: Pool, name: str) -> list[Manifest]:
    """The engine's options file as a ConfigMap, where there is one."""
    if not pool.options:
        return []
    return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{name}-options"},
             "data": {pool.options_file: as_yaml([pool.options])}}]  # fmt: skip


def pod(pool: Pool, name: str, main: Manifest) -> Manifest:
    """A pod around one container: shared memory for the ranks to talk through, the options file."""
    volumes: list[Manifest] = [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "32Gi"}}]
    if pool.options:
        volumes.append({"name": "options", "configMap": {"name": f"{name}-options"}})
    return {"containers": [main], "volumes": volumes}


def container(pool: Pool, command: list[str], *, probes: bool) -> Manifest:
    """The engine's container with its share of accelerators."""
    setup = pool.setup
    counted = {resource_name(setup.accelerator).name: str(setup.per_node)}
    mounts = [{"name": "shm", "mountPath": "/dev/shm"}]
    if pool.options:
        mounts.append({"name": "options", "mountPath": OPTIONS_FOLDER})
        command = [f"{OPTIONS_FOLDER}/{word}" if word == pool.options_file else word for word in command]
    found: Manifest = {
        "name": "engine",
        "image": image(setup.engine.family, pool.arguments.release, setup.accelerator).name,
        "command": command,
        "env": environment(pool.processes[0]),
        "ports": [{"name": "http", "containerPort": setup.port}],
        "resources": {"limits": counted, "requests": dict(counted)},
        "volumeMounts": mounts,
    }
    return found | (_probes(setup.port) if probes else {})


def environment(process: Process) -> list[Manifest]:
    """Access to gated weights, and what the process needs; a pod's own address comes from Kubernetes."""
    secret = {"name": "hf-token", "key": "HF_TOKEN", "optional": True}
    found: list[Manifest] = [{"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": secret}}]
    for name, value in process.environment.items():
        if value == "$POD_IP":
            found.append({"name": name, "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}})
        else:
            found.append({"name": name, "value": value})
    return found


def _probes(port: int) -> Manifest:
    """Loading large weights takes long: the start has an hour, after it every ten seconds count."""
    ask = {"httpGet": {"path": "/health", "port": port}, "periodSeconds": 10}
    return {
        "startupProbe": ask | {"failureThreshold": _START_MINUTES * 6},
        "readinessProbe": ask | {"failureThreshold": 3},
        "livenessProbe": ask | {"failureThreshold": 6},
    }


def _member(pool: Pool, *, leader: bool) -> Manifest:
    """The leader's or a worker's container: a shell fills in addresses and ranks."""
    line = _ray_line(pool, leader=leader) if "ray" in pool.processes[0].argv else _ranked(pool, leader=leader)
    found = container(pool, ["sh", "-c", line], probes=leader)
    rank = {"fieldRef": {"fieldPath": f"metadata.labels['{_INDEX_LABEL}']"}}
    found["env"] += [
        {"name": "HEAD_ADDRESS", "value": "$(LWS_LEADER_ADDRESS)"},
        {"name": "NODE_RANK", "valueFrom": rank},
    ]
    return found


def _ranked(pool: Pool, *, leader: bool) -> str:
    """The line of a member; a worker's ranks follow from its index."""
    if leader:
        return "exec " + shell_line(pool.processes[0].argv)
    words = list(pool.processes[1].argv)
    line = shell_line(words)
    for flag, step in (("--node-rank", 1), ("--data-parallel-start-rank", _local_ranks(pool))):
        if flag in words:
            first = words[words.index(flag) + 1]
            counted = '"$NODE_RANK"' if step == 1 else f'"$((NODE_RANK * {step}))"'
            line = line.replace(f"{flag} {first}", f"{flag} {counted}")
    return "exec " + line


def _local_ranks(pool: Pool) -> int:
    return max(1, pool.setup.layout.dp // pool.setup.nodes)


def _ray_line(pool: Pool, *, leader: bool) -> str:
    """Before 0.11, vLLM spans hosts by Ray; its image brings the script that forms the cluster."""
    helper = "bash /vllm-workspace/examples/online_serving/multi-node-serving.sh"
    if not leader:
        return f'{helper} worker --ray_address="$HEAD_ADDRESS"'
    return f'{helper} leader --ray_cluster_size="$LWS_GROUP_SIZE" && exec {shell_line(pool.processes[0].argv)}'


def nixl_ports() -> list[Manifest]:
    """Where vLLM's cache connectors meet."""
    return [{"name": "nixl", "containerPort": vllm.NIXL_PORT}]
