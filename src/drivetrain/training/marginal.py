"""What more of each resource would save of a step, layout kept: which one limits it first.

``gain = t / t' - 1`` with one resource :data:`BETTER` times as fast: matrix and attention units, memory bandwidth,
exchanges that stay inside a scale-up domain, and exchanges that cross the network (rate and latency both). Kernels
keep their shares of the rates, and what hides behind compute hides less when compute is faster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from drivetrain.arch.training import TrainingCounts
from drivetrain.training.cases import Cases, Cluster, Job, lay_out
from drivetrain.training.coefficients import Coefficients
from drivetrain.training.layout import TrainingLayout, side_by_side
from drivetrain.training.links import Lines, Links, inner_ranks
from drivetrain.training.timing import step_times

BETTER = 2.0
RESOURCES = ("compute", "hbm_bandwidth", "scale_up_links", "network")


def gains(
    model: TrainingCounts, job: Job, cluster: Cluster, layout: TrainingLayout, rates: Coefficients
) -> dict[str, float]:
    """Relative speed-up of a step by resource when it is twice as fast, largest first."""
    cases = lay_out(model, job, cluster, side_by_side([layout]), rates)
    now = float(step_times(cases).total[0])
    crossing = crosses(layout, cluster.domain)
    machines = cases.machines
    better = {
        "compute": replace(cases, machines=replace(
            machines, peak=machines.peak * BETTER, peak_wide=machines.peak_wide * BETTER)),
        "hbm_bandwidth": replace(cases, machines=replace(machines, hbm_bytes_per_s=machines.hbm_bytes_per_s * BETTER)),
        "scale_up_links": _faster(cases, {name for name, far in crossing.items() if not far}),
        "network": _faster(cases, {name for name, far in crossing.items() if far}),
    }  # fmt: skip
    found = {name: now / float(step_times(better[name]).total[0]) - 1.0 for name in RESOURCES}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def first_limit(found: Mapping[str, float]) -> str:
    """The resource that more of would help most.

    >>> first_limit({"compute": 0.3, "network": 0.4})
    'network'
    """
    return max(found, key=lambda name: found[name])


def crosses(layout: TrainingLayout, domain: int) -> dict[str, bool]:
    """Which exchanges of a layout leave a scale-up domain, by field of :class:`Links`.

    >>> found = crosses(TrainingLayout(tp=8, pp=2, dp=4), 8)
    >>> found["tp_gather"], found["shard_gather"], found["pp_send"]
    (False, True, True)
    """
    stage, data = layout.tp * layout.cp * layout.dp, layout.dp * layout.cp
    shard, slices = layout.shard or data, layout.ep * layout.etp
    groups = {
        "tp_gather": (layout.tp, 1), "tp_scatter": (layout.tp, 1), "cp_gather": (layout.cp, layout.tp),
        "ep_exchange": (layout.ep, layout.etp), "pp_send": (2 if layout.pp > 1 else 1, stage),
        "shard_gather": (shard, layout.tp), "shard_scatter": (shard, layout.tp),
        "replica": (data // shard, layout.tp * shard),
        "expert_gather": (stage // slices, slices), "expert_scatter": (stage // slices, slices),
    }  # fmt: skip
    return {name: inner_ranks(n, stride, domain) < n for name, (n, stride) in groups.items()}


def _faster(cases: Cases, names: set[str]) -> Cases:
    """``cases`` with some exchanges twice as fast."""
    changed = {}
    for name in names:
        lines: Lines = getattr(cases.links, name)
        changed[name] = Lines(lines.alpha / BETTER, lines.beta / BETTER)
    links: Links = replace(cases.links, **changed)
    return replace(cases, links=links)
