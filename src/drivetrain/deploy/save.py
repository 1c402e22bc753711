"""Save a plan as a folder that can be deployed, all of it or nothing."""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivetrain.catalogue import loader
from drivetrain.catalogue.model import Model
from drivetrain.catalogue.quality_keys import SIBLING
from drivetrain.catalogue.read_workload import fixed
from drivetrain.catalogue.workload import Workload
from drivetrain.deploy.disaggregated import dynamo_graph, llm_d_values
from drivetrain.deploy.folder import manifest_notes, readme
from drivetrain.deploy.launch import Pool, launch
from drivetrain.deploy.manifests import as_yaml, kubernetes
from drivetrain.deploy.shell import script
from drivetrain.errors import FileError, InfeasibleError, UnsupportedError

_ROUND = 1024  # tokens: the longest request's length is rounded up to a multiple
_EXECUTABLE = ("launch.sh",)


@dataclass(frozen=True, slots=True)
class Deployable:
    """The text of every file of a folder, by name."""

    files: Mapping[str, str]
    pools: tuple[Pool, ...]


def save_plan(answer: Mapping[str, Any], folder: str | Path) -> Path:
    """Write a plan's answer, its launch script, the engine's options and Kubernetes manifests to a new ``folder``.

    The folder appears whole or not at all. Raises FileError where it exists with something in it or cannot be
    written, InfeasibleError where the answer holds no plan, UnsupportedError where no engine can be told it.
    """
    target = check_folder(folder)
    written = deployable(answer)
    _write(target, written.files)
    return target


def check_folder(folder: str | Path) -> Path:
    """The folder as a path, if a plan could be saved there; nothing is written."""
    if not str(folder).strip():
        raise FileError("say which folder to save in: --save FOLDER.")
    target = Path(folder).absolute()
    if target.is_dir() and not target.is_symlink():
        if any(target.iterdir()):
            raise FileError(f"{folder}: exists already and is not empty. Choose another folder, or move it away first.")
    elif os.path.lexists(target):
        raise FileError(f"{folder}: exists already and is no folder. Choose another name.")
    if not target.parent.is_dir():
        raise FileError(f"{folder}: the folder {target.parent} does not exist. Create it first.")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise FileError(f"{folder}: {target.parent} cannot be written to. Choose another place.")
    return target


def deployable(answer: Mapping[str, Any]) -> Deployable:
    """All files of a plan as text; nothing is written."""
    best, scenario = answer["best"], answer["scenario"]
    if best is None:
        raise InfeasibleError("there is no plan to save: nothing meets what was asked. Relax it and plan again.")
    best = dict(best) | {"memory_frac": best.get("memory_frac") or scenario.get("memory_frac")}
    best["techniques"] = best.get("techniques") or scenario.get("techniques")
    served = served_model(best, scenario)
    model: Model = loader.load("models", served)
    workload = _workload(scenario)
    length = max_model_len(workload, model)
    pools = launch(best, served, max_model_len=length, prefix_caching=_prefix_caching(scenario, workload))
    files = {"plan.json": json.dumps(answer, indent=2, allow_nan=False, default=str) + "\n"}
    files["launch.sh"] = script(pools, f"{model.name}: {answer['verdict']}")
    files |= {pool.options_file: as_yaml([pool.options]) for pool in pools if pool.options}
    name, kind, text = manifests(pools, model.name)
    notes: list[str] = []
    if text:
        files[name] = text
        notes = manifest_notes(pools, kind)
    else:
        notes = [kind]
    if any(p.setup.nodes > 1 and "--hostfile" in p.processes[0].argv for p in pools):
        files["hosts"] = _hosts(pools)
    what = {
        "plan.json": "the plan, as `drivetrain plan serve --format json` prints it",
        "launch.sh": f"how to start the engine; requests up to {length:,} tokens, prompt and answer together",
        **{pool.options_file: "options of the engine that have no flag" for pool in pools if pool.options},
        "hosts": "for mpirun: put the addresses of the replica's hosts in",
        name: "the same on Kubernetes",
    }
    files["README.md"] = readme(answer, pools, {key: what[key] for key in files}, notes)
    return Deployable(files, pools)


def served_model(best: Mapping[str, Any], scenario: Mapping[str, Any]) -> str:
    """The model to load by the name the user gave it, or the one that stands in for it."""
    stands_in = any(str(change).startswith(SIBLING) for change in best.get("output_changes") or ())
    return str(best["model"] if stands_in else scenario["model"])


def manifests(pools: Sequence[Pool], model: str) -> tuple[str, str, str]:
    """(file name, kind, text) of what puts the pools on Kubernetes; no text and the reason where nothing can."""
    family = pools[0].setup.engine.family
    spans = any(pool.setup.nodes > 1 for pool in pools)
    try:
        if len(pools) > 1 and family == "vllm" and not spans:
            comment = "Values for the Helm chart llm-d-modelservice: prefill and decode apart."
            return "llm-d-values.yaml", "llm-d", as_yaml([llm_d_values(pools)], comment)
        if len(pools) > 1 or (family == "trtllm" and spans):
            return "kubernetes.yaml", "dynamo", as_yaml(dynamo_graph(pools, model), "For NVIDIA Dynamo's operator.")
        comment = "For LeaderWorkerSet (lws.sigs.k8s.io)." if spans else ""
        return "kubernetes.yaml", "kubernetes", as_yaml(kubernetes(pools, model), comment)
    except UnsupportedError as error:
        return "", f"No Kubernetes manifest: {error.args[0]}", ""


def max_model_len(workload: Workload, model: Model) -> int:
    """Context to reserve: the workload's longest request, rounded up, within what the model has."""
    longest = max(one.isl + one.osl for one in workload.classes)
    return min(math.ceil(longest / _ROUND) * _ROUND, model.max_context)


def _workload(scenario: Mapping[str, Any]) -> Workload:
    if scenario["workload"]:
        found: Workload = loader.load("workloads", scenario["workload"])
        return found
    return fixed(scenario["isl"], scenario["osl"])


def _prefix_caching(scenario: Mapping[str, Any], workload: Workload) -> bool | None:
    """On where the plan counts on hits, off where the person said there are none, else as the engine does."""
    if scenario["prefix_hit"] is not None:
        return bool(scenario["prefix_hit"] > 0)
    return True if workload.prefix_hit_frac > 0 else None


def _hosts(pools: Sequence[Pool]) -> str:
    setup = next(pool.setup for pool in pools if pool.setup.nodes > 1)
    return "".join(f"host-{node} slots={setup.per_node}\n" for node in range(setup.nodes))


def _write(target: Path, files: Mapping[str, str]) -> None:
    """Write all files beside ``target``, then let them appear there at once."""
    try:
        part = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            for name, text in files.items():
                (part / name).write_text(text, encoding="utf-8", newline="")
                (part / name).chmod(0o755 if name in _EXECUTABLE else 0o644)
            part.chmod(0o755)
            part.rename(target)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
    except OSError as error:
        raise FileError(f"cannot write {target}: {error.strerror or error}. Choose another place.") from None
