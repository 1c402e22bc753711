"""What a saved plan's folder says of itself: README.md."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from drivetrain.deploy.cluster import dynamo_image, image, resource_name
from drivetrain.deploy.launch import Pool
from drivetrain.deploy.setup import EAGLE_PLACEHOLDER, techniques_of
from drivetrain.deploy.shell import name_of, needed, shell_line
from drivetrain.deploy.summary import figure_lines, next_best, status_lines
from drivetrain.units import number

_ROUTERS = {
    "vllm": "vLLM brings an example (examples/online_serving/disaggregated_serving); llm-d's chart has one of its own.",
    "sglang": "`python3 -m sglang_router.launch_router --pd-disaggregation --prefill URL --decode URL` is SGLang's.",
    "trtllm": "`trtllm-serve disaggregated -c FILE` is TensorRT-LLM's; FILE names the addresses of both pools.",
}


def readme(
    answer: Mapping[str, Any], pools: Sequence[Pool], files: Mapping[str, str], manifest_unverified: Sequence[str]
) -> str:
    """The folder's README: what it is, what was assumed, what could not be checked, how to start and to check it."""
    parts = [
        f"# {answer['scenario']['model']}: a serving plan",
        answer["verdict"],
        "## Load and figures",
        "\n".join(f"- {line}" for line in figure_lines(answer)),
        "## Files",
        "\n".join(f"- `{name}`: {what}" for name, what in files.items()),
        "## Start",
        _start(pools, files),
        "## Check",
        _check(answer, pools),
        "## What was assumed",
        "\n".join(f"- {_assumption(item)}" for item in answer.get("assumptions", ())),
        "## What is left to do or could not be checked",
        "\n".join(
            f"- {text}" for text in [*unverified(pools), *_by_hand(answer), *manifest_unverified, *status_lines(answer)]
        ),
        "## What to try next",
        next_best(answer),
    ]
    return "\n\n".join(parts) + "\n"


def unverified(pools: Sequence[Pool]) -> list[str]:
    """What about the launch lines nobody could check, and what the person must fill in."""
    first = pools[0]
    known, setup = first.arguments, first.setup
    found = [
        "The lines parse against the engine's own arguments; nobody started them on this hardware.",
        f"Arguments are those of {known.family} {known.release} ({known.source})"
        + (": a snapshot, not this very release." if known.unverified else "."),
    ]
    image_name = image(setup.engine.family, known.release, setup.accelerator)
    if image_name.unverified:
        found.append(f"Image `{image_name.name}`: {image_name.note or 'the tag could not be checked'}.")
    if any(EAGLE_PLACEHOLDER in word for p in pools for process in p.processes for word in process.argv):
        found.append(f"Put the repository of an EAGLE head for this model where `{EAGLE_PLACEHOLDER}` stands.")
    if "/" not in setup.model:
        found.append(f"`{setup.model}` names no repository: put the path of the weights in its place.")
    if setup.nodes > 1:
        found.append(f"Hosts are taken to hold {setup.per_node} of the replica's accelerators each.")
    return found


def manifest_notes(pools: Sequence[Pool], kind: str) -> list[str]:
    """What about the manifests nobody could check."""
    setup = pools[0].setup
    found = ["Manifests ask for accelerators by count: add a nodeSelector where a cluster has several types."]
    resource = resource_name(setup.accelerator)
    if resource.unverified:
        found.append(f"Kubernetes counts these devices as `{resource.name}` if the vendor's plug-in is installed so.")
    if kind == "dynamo":
        found.append(f"Image `{dynamo_image(setup.engine.family).name}`: {dynamo_image(setup.engine.family).note}.")
    if kind in ("dynamo", "llm-d"):
        found.append("Written after that project's published examples; check the fields against the version you run.")
    return found


def _start(pools: Sequence[Pool], files: Mapping[str, str]) -> str:
    starts = [(name_of(pool, process), process) for pool in pools for process in pool.processes]
    variables = sorted({name for _, process in starts for name in needed(process)})
    before = "".join(f"{name}=ADDRESS " for name in variables)
    names = [""] if len(starts) == 1 else [f" {name}" for name, _ in starts]
    lines = [f"{before}./launch.sh{name}" for name in names]
    text = "On the hosts themselves, once for every replica:\n\n```bash\n" + "\n".join(lines) + "\n```"
    if pools[0].setup.per_node < 8 and pools[0].setup.replicas > 1:
        text += (
            "\n\nReplicas that share a host need devices and ports of their own, e.g. CUDA_VISIBLE_DEVICES and --port."
        )
    if len(pools) > 1:
        text += f"\n\nRequests enter through a router. {_ROUTERS[pools[0].setup.engine.family]}"
    for name, command in (("kubernetes.yaml", "kubectl apply -f kubernetes.yaml"),
                          ("llm-d-values.yaml", "helm install NAME llm-d-modelservice/llm-d-modelservice -f "
                                                "llm-d-values.yaml")):  # fmt: skip
        if name in files:
            secret = "kubectl create secret generic hf-token --from-literal=HF_TOKEN=...   # for gated weights"
            text += f"\n\nOn Kubernetes:\n\n```bash\n{secret}\n{command}\n```"
    return text


def _check(answer: Mapping[str, Any], pools: Sequence[Pool]) -> str:
    if len(pools) > 1:
        return "`drivetrain predict serve --from-args` reads the line of one server; it does not put pools together."
    setup, scenario = pools[0].setup, answer["scenario"]
    line = shell_line(pools[0].processes[0].argv)
    load = (
        f"-w {shlex.quote(scenario['workload'])}"
        if scenario["workload"]
        else f"--isl {scenario['isl']:g} --osl {scenario['osl']:g}"
    )
    slo = f" --slo {shlex.quote(scenario['slo'])}" if scenario["slo"] else ""
    rate = f" -r {answer['best']['rate_per_replica']:.4g}" if answer["best"].get("rate_per_replica") else " -c 1"
    command = (
        f"drivetrain predict serve --from-args {shlex.quote(line)} -a {setup.accelerator} -e {setup.engine.name} "
        f"{load}{rate}{slo}"
    )
    return (
        "In this folder; it reads the line back and predicts one replica at its share of the load:\n\n"
        f"```bash\n{command}\n```"
    )


def _assumption(item: Mapping[str, Any]) -> str:
    return f"{item['what']}: {_value(item['value'])} ({item['source']})"


def _value(value: object) -> str:
    """As the terminal shows it: ``1,183 / 200.9``."""
    if isinstance(value, (list, tuple)):
        return " / ".join(_value(one) for one in value)
    return number(value, 4) if isinstance(value, float) else str(value)


def _by_hand(answer: Mapping[str, Any]) -> list[str]:
    """What of the answer no flag of an engine turns on."""
    techniques = techniques_of(answer["best"])
    found = []
    if answer.get("mixed_fleet"):
        found.append("These files are of the single fleet; the mixed one stands in plan.json alone.")
    cap = techniques.get("power_cap")
    if cap and cap < 1:
        found.append(f"Set the power limit of every accelerator to {cap:.0%} of its TDP before starting: "
                     "nvidia-smi --power-limit, rocm-smi --setpoweroverdrive.")  # fmt: skip
    if techniques.get("sparsity") not in (None, "none"):
        found.append(
            f"The plan counts on weights pruned {techniques['sparsity']}; name such a checkpoint in the lines."
        )
    if (techniques.get("kv_compression") or 1.0) < 1.0:
        found.append("The plan counts on a compressed cache, for which this engine has no flag.")
    if techniques.get("lora_adapters"):
        found.append("Name the adapters themselves: --lora-modules, --lora-paths or in the options.")
    return found
