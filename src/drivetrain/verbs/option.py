"""How the command line asks for a lever: the options that take a plan from where it stands to where the lever leads."""

from __future__ import annotations

from drivetrain.techniques import spelled
from drivetrain.verbs.setting import Lever
from drivetrain.verbs.standing import Pull, Standing

_ALLOWED_KINDS = {
    "weights": "weights", "kv": "kv", "kv-compression": "kv-compression", "sparsity": "sparsity",
    "speculative": "speculative", "chunked-prefill": "chunked-prefill", "two-batch-overlap": "two-batch-overlap",
    "redundant-experts": "redundant-experts", "kv-offload": "kv-offload", "power-cap": "power-cap", "model": "",
}  # fmt: skip


def option_of(standing: Standing, pull: Pull) -> str:
    """Options to add to the plan's own command; ``--with`` holds all techniques, those it had before too."""
    before, after = standing.setting, pull.setting
    d = pull.found.job.deployment
    found = []
    if after.model is not before.model:
        found.append(f"--model {after.model.name}")
    elif after.checkpoint is not before.checkpoint:
        found.append(f"--weights {after.checkpoint.weight_dtype}")
        alike = (c for c in after.model.checkpoints if c.weight_dtype == after.checkpoint.weight_dtype)
        if after.kv_dtype == before.kv_dtype and any(c.kv_dtype != after.kv_dtype for c in alike):
            found.append(f"--kv {after.kv_dtype}")
    if after.kv_dtype != before.kv_dtype and after.model is before.model:
        found.append(f"--kv {after.kv_dtype}")
    if after.techniques != before.techniques:
        found.append(f"--with {spelled(after.techniques)}" if after.techniques.chosen else "without --with")
    if d.cut.layout != standing.layout:
        found.append(f"--layouts {d.cut.layout}")
    if d.engine not in before.engines:
        found.append(f"--engines {d.engine.name}")
    found += [lever.option for lever in pull.levers if lever.option]
    if pull.unverified:
        found.append("--allow-unverified")
    return " ".join(found)


def allow_term(lever: Lever) -> str:
    """The term of ``--allow`` that lets the search pull the lever itself; empty where there is none."""
    if lever.kind not in _ALLOWED_KINDS:
        return ""
    value = lever.name.partition(",")[0].partition("=")[2]
    head = lever.name.partition("=")[0] if lever.kind == "model" else _ALLOWED_KINDS[lever.kind]
    return f"{head}={value}"
