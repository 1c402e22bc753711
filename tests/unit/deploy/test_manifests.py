"""Kubernetes manifests: valid YAML, and exactly the accelerators that the plan bought."""

import shlex

import pytest
import yaml
from deployable_plans import DENSE, EXPERTS, plan_of, plans
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.catalogue import loader
from drivetrain.deploy.cluster import resource_name
from drivetrain.deploy.launch import launch
from drivetrain.deploy.manifests import as_yaml, resource_label
from drivetrain.deploy.read_args import scenario_from_args
from drivetrain.deploy.save import manifests
from drivetrain.errors import UnsupportedError


def documents(best, model):
    pools = launch(best, model, max_model_len=8192, prefix_caching=True)
    name, kind, text = manifests(pools, model)
    return name, kind, list(yaml.safe_load_all(text))


def limits(container):
    """Devices one container asks for; requests say the same."""
    asked = container["resources"]
    assert asked.get("requests", asked["limits"]) == asked["limits"]
    (count,) = asked["limits"].values()
    return int(count)


def accelerators(docs):
    """All devices that a set of documents asks for."""
    total = 0
    for doc in docs:
        kind = doc.get("kind")
        if kind == "Deployment":
            spec = doc["spec"]
            total += spec["replicas"] * limits(spec["template"]["spec"]["containers"][0])
        elif kind == "LeaderWorkerSet":
            spec = doc["spec"]
            group = spec["leaderWorkerTemplate"]
            leader, worker = (
                limits(group[f"{part}Template"]["spec"]["containers"][0]) for part in ("leader", "worker")
            )
            total += spec["replicas"] * (leader + (group["size"] - 1) * worker)
        elif kind == "DynamoGraphDeployment":
            for service in doc["spec"]["services"].values():
                if service["componentType"] == "worker":
                    nodes = service.get("multinode", {}).get("nodeCount", 1)
                    total += service["replicas"] * nodes * int(service["resources"]["limits"]["gpu"])
        elif kind is None:  # values of a chart
            for role in ("prefill", "decode"):
                total += doc[role]["replicas"] * limits(doc[role]["containers"][0])
    return total


@given(plans(), st.integers(1, 9))
@settings(max_examples=80, deadline=None)
def test_limits_sum_to_the_accelerators_that_serve(case, replicas):
    best, model = case
    best |= {"replicas": replicas}
    (pool,) = launch(best, model)
    _, _, docs = documents(best, model)
    assert accelerators(docs) == replicas * pool.setup.layout.n_accelerators


@given(
    st.sampled_from(["vllm-0.19", "sglang-0.5", "trtllm-1.2"]),
    st.sampled_from(["tp1", "tp4", "tp8", "tp8pp2"]),
    st.sampled_from(["tp2", "tp8", "tp16"]),
    st.integers(1, 5),
    st.integers(1, 5),
)
@settings(max_examples=40, deadline=None)
def test_pools_apart_sum_too(engine, prefill, decode, n_prefill, n_decode):
    layout = {
        "prefill": {"layout": prefill, "replicas": n_prefill}, "decode": {"layout": decode, "replicas": n_decode},
    }  # fmt: skip
    best = plan_of(layout=layout, engine=engine)
    pools = launch(best, "llama-3.1-70b")
    name, kind, docs = documents(best, "llama-3.1-70b")
    assert accelerators(docs) == sum(p.setup.replicas * p.setup.layout.n_accelerators for p in pools)
    within = all(p.setup.nodes == 1 for p in pools)
    assert kind == ("llm-d" if engine.startswith("vllm") and within else "dynamo")
    assert name == ("llm-d-values.yaml" if kind == "llm-d" else "kubernetes.yaml")


def test_a_deployment_starts_what_the_launch_line_says():
    best = plan_of(DENSE, layout="tp4", replicas=3)
    _, _, (deployment, service) = documents(best, "llama-3.1-70b")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["command"] == list(launch(best, "llama-3.1-70b", max_model_len=8192, prefix_caching=True)[0]
                                        .processes[0].argv)  # fmt: skip
    assert container["image"] == "vllm/vllm-openai:v0.19.1"
    assert container["resources"]["limits"] == {"nvidia.com/gpu": "4"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/health", "port": 8000}
    assert container["startupProbe"]["failureThreshold"] > 100  # loading weights takes long
    assert {"name": "shm", "mountPath": "/dev/shm"} in container["volumeMounts"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert service["spec"]["selector"].items() <= labels.items()
    assert service["spec"]["ports"][0]["targetPort"] == container["ports"][0]["containerPort"]


def test_hosts_of_a_replica_form_a_group():
    _, _, (group, service) = documents(plan_of(EXPERTS, layout="dp16ep16"), "deepseek-v3")
    template = group["spec"]["leaderWorkerTemplate"]
    assert template["size"] == 2
    leader, worker = (template[f"{part}Template"]["spec"]["containers"][0] for part in ("leader", "worker"))
    assert '--data-parallel-start-rank "$((NODE_RANK * 8))"' in worker["command"][2]
    assert "readinessProbe" in leader
    assert "readinessProbe" not in worker
    assert service["spec"]["selector"]["role"] == "leader"
    _, _, (group, _) = documents(plan_of(DENSE, layout="tp8pp2", engine="sglang-0.5"), "llama-3.1-70b")
    worker = group["spec"]["leaderWorkerTemplate"]["workerTemplate"]["spec"]["containers"][0]
    assert '--node-rank "$NODE_RANK"' in worker["command"][2]
    assert {"name": "HEAD_ADDRESS", "value": "$(LWS_LEADER_ADDRESS)"} in worker["env"]


@pytest.mark.parametrize("engine", ["vllm-0.19", "sglang-0.5"])
def test_a_leaders_line_reads_back(engine):
    _, _, (group, _) = documents(plan_of(DENSE, layout="tp8pp2", engine=engine), "llama-3.1-70b")
    leader = group["spec"]["leaderWorkerTemplate"]["leaderTemplate"]["spec"]["containers"][0]
    assert scenario_from_args(leader["command"][2]).choices["layouts"] == ("tp8pp2",)


def test_options_are_mounted_where_the_line_looks():
    _, _, (config, deployment, _) = documents(plan_of(DENSE, engine="trtllm-1.2"), "llama-3.1-70b")
    pod = deployment["spec"]["template"]["spec"]
    (name,) = config["data"]
    assert yaml.safe_load(config["data"][name])["kv_cache_config"]["enable_block_reuse"] is True
    command = pod["containers"][0]["command"]
    assert command[command.index("--extra_llm_api_options") + 1] == f"/etc/engine/{name}"
    assert {"name": "options", "configMap": {"name": config["metadata"]["name"]}} in pod["volumes"]


def test_dynamo_workers_keep_the_flags_that_matter():
    layout = {"prefill": {"layout": "tp8pp2", "replicas": 1}, "decode": {"layout": "tp16", "replicas": 2}}
    _, _, (graph,) = documents(plan_of(layout=layout), "llama-3.1-70b")
    prefill = graph["spec"]["services"]["Prefill"]
    words = prefill["extraPodSpec"]["mainContainer"]["args"]
    assert words[:2] == ["--model", "meta-llama/Llama-3.1-70B-Instruct"]
    assert words[-1] == "--is-prefill-worker"
    assert prefill["multinode"] == {"nodeCount": 2}
    assert not {"--host", "--port", "--nnodes", "--headless", "--kv-transfer-config"} & set(words)
    line = "vllm serve " + shlex.join(words[1:-1])
    assert scenario_from_args(line).choices["layouts"] == ("tp8pp2",)
    _, _, docs = documents(plan_of(EXPERTS, layout="dp16ep16", engine="trtllm-1.2"), "deepseek-v3")
    options = yaml.safe_load(next(iter(docs[0]["data"].values())))
    assert options["tensor_parallel_size"] == 16
    assert options["enable_attention_dp"] is True


@pytest.mark.parametrize(
    ("accelerator", "resource"),
    [
        ("h100-sxm-80gb", "nvidia.com/gpu"), ("mi355x", "amd.com/gpu"), ("tpu-v6e", "google.com/tpu"),
        ("trainium2", "aws.amazon.com/neuron"), ("gaudi-3", "habana.ai/gaudi"), ("arc-pro-b60", "gpu.intel.com/xe"),
    ],
)  # fmt: skip
def test_devices_are_counted_under_their_vendors_name(accelerator, resource):
    assert resource_name(accelerator).name == resource
    _, _, docs = documents(plan_of(accelerator=accelerator, layout="tp1"), "llama-3.1-70b")
    limits_of = docs[0]["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits_of == {resource: "1"}


def test_every_accelerator_of_the_catalogue_has_a_resource_or_says_why_not():
    for part in loader.load_all("accelerators").values():
        if part.kind == "cpu":
            with pytest.raises(UnsupportedError):
                resource_name(part.name)
        else:
            assert "/" in resource_name(part.name).name


@given(st.text(min_size=1, max_size=80))
def test_names_are_ones_that_kubernetes_takes(text):
    name = resource_label(text)
    assert 0 < len(name) <= 63
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not name.startswith("-")
    assert not name.endswith("-")


def test_yaml_has_no_anchors_and_reads_back():
    shared = {"a": "1"}
    text = as_yaml([{"x": shared, "y": shared, "text": "two\nlines\n"}], "a comment")
    assert text.startswith("# a comment\n")
    assert "&id" not in text
    assert yaml.safe_load(text) == {"x": shared, "y": shared, "text": "two\nlines\n"}
