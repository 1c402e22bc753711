"""The same training job on several networks and from few accelerators to many: who waits, and for what.

Each (network, size) gets its own best layout. ``bottleneck`` is the resource that twice as much of would speed the
step up most, layout kept; a link is *first* where that is the network or the links inside the scale-up domain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from drivetrain.errors import BadInputError, DrivetrainError
from drivetrain.training.marginal import first_limit, gains
from drivetrain.training.predict import exposed_share
from drivetrain.training_scenario import MOST_ACCELERATORS, TrainScenario
from drivetrain.verbs.train_describe import waterfall
from drivetrain.verbs.train_resolve import Asked, Part, with_network
from drivetrain.verbs.train_run import Run, run_of

FABRICS = ("nvlink", "ib-ndr", "roce-400g", "roce-400g:ecmp", "efa", "ethernet")
SIZES = tuple(2**k for k in range(3, 15))
LINK_LIMITS = ("network", "scale_up_links")
WAITS = 0.1  # a share of the time that is worth naming
_LOSSES = ("kernels", "recompute", "communication", "bubble", "overhead")

Tell = Callable[[str, int, int], None]


def compared(
    asked: Asked, run: Run, fabrics: Sequence[str], sizes: Sequence[int], tell: Tell = lambda _a, _b, _c: None
) -> dict[str, Any]:
    """``rows`` of every network and size with the batch of ``run``, and what they come to by network."""
    rows: list[dict[str, Any]] = []
    parts = {fabric: with_network(run.part, fabric) for fabric in dict.fromkeys(fabrics)}
    total = len(parts) * len(sizes)
    for fabric, part in parts.items():
        for n in sizes:
            rows.append(_row(asked, run, part, n))
            tell(f"on {fabric}", len(rows), total)
    names = dict.fromkeys(row["fabric"] for row in rows)
    return {
        "model": run.model.name, "global_batch": run.job.global_batch, "seq": int(run.needs.seq),
        "accelerator": run.part.name, "rows": rows,
        "by_fabric": [_summary(name, [row for row in rows if row["fabric"] == name]) for name in names],
    }  # fmt: skip


def sizes_of(scenario: TrainScenario) -> tuple[int, ...]:
    """Numbers of accelerators to compare at: those asked for, else 8 to 16,384."""
    texts = scenario.sizes
    try:
        found = tuple(sorted({int(text) for text in texts}))
    except ValueError:
        told = ",".join(texts)
        raise BadInputError(f"sizes must be whole numbers, not '{told}'. For example --sizes 8,64,512.") from None
    if found and not 1 <= found[0] <= found[-1] <= MOST_ACCELERATORS:
        raise BadInputError(f"sizes must be from 1 to {MOST_ACCELERATORS:,} accelerators.")
    return found or SIZES


def _row(asked: Asked, run: Run, part: Part, n: int) -> dict[str, Any]:
    network = part.network
    assert network is not None
    row: dict[str, Any] = {
        "fabric": network.name, "n_accelerators": n,
        "network_bytes_per_s": None if network.scale_up else network.nic_bytes_per_s,
        "hypothetical": network.scale_up and n > part.hardware.topology.domain,
    }  # fmt: skip
    try:
        found = run_of(_with_batch(asked, run), part, run.model, run.tokens, n)
    except DrivetrainError as error:
        return row | {"feasible": False, "reason": str(error.args[0])}
    step = found.step
    shares = waterfall(step.parts, step.mfu, step.step_s)
    limits = gains(found.needs, found.job, found.cluster, step.layout, part.rates)
    return row | {
        "feasible": True, "layout": str(step.layout), "recompute": step.layout.recompute, "step_time_s": step.step_s,
        "tokens_per_s_per_accel": step.tokens_per_s_per_accelerator, "tokens_per_s_per_accel_p10": step.p10,
        "tokens_per_s_per_accel_p90": step.p90, "mfu": step.mfu, "waiting_frac": exposed_share(step.parts),
        "lost_most_to": max(_LOSSES, key=lambda name: shares[name]),
        "bottleneck": first_limit(limits), "gain_if_doubled": limits, "breakdown": shares,
    }  # fmt: skip


def _with_batch(asked: Asked, run: Run) -> Asked:
    """The question with the batch of ``run`` pinned and no layout: the same job everywhere, its best layout."""
    scenario = replace(asked.scenario, global_batch=float(run.job.global_batch), layout="")
    return replace(asked, scenario=scenario)


def _summary(name: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    ran = [row for row in rows if row["feasible"]]
    if not ran:
        return {"fabric": name} | dict.fromkeys(
            ("fits_from", "largest", "link_first_from", "largest_loss_from", "waits_tenth_from",
             "waiting_frac_smallest", "waiting_frac_largest", "efficiency_frac"))  # fmt: skip
    first = next((row["n_accelerators"] for row in ran if row["bottleneck"] in LINK_LIMITS), None)
    lost = next((row["n_accelerators"] for row in ran if row["lost_most_to"] == "communication"), None)
    waits = next((row["n_accelerators"] for row in ran if row["waiting_frac"] >= WAITS), None)
    return {
        "fabric": name, "fits_from": ran[0]["n_accelerators"], "largest": ran[-1]["n_accelerators"],
        "link_first_from": first, "largest_loss_from": lost, "waits_tenth_from": waits,
        "waiting_frac_smallest": ran[0]["waiting_frac"], "waiting_frac_largest": ran[-1]["waiting_frac"],
        "efficiency_frac": ran[-1]["tokens_per_s_per_accel"] / ran[0]["tokens_per_s_per_accel"],
    }  # fmt: skip
