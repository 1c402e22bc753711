"""How far a replayed run's figures could be off: it is played again slower and faster.

Everything that the calibration times is made slower or faster by what predictions like it miss by (``sigma``, from
:mod:`drivetrain.measure.uncertainty`), and the links take the slow or the fast end that the record leaves open::

    slow: rates x exp(-1.2816 sigma_tpot), links x low      fast: rates x exp(+1.2816 sigma_tpot), links x high

so that queues of an overload grow and shrink with it. Where nothing queues that is too narrow for TTFT, whose own
log-normal interval then counts. The range of a figure runs from the lower to the higher of what comes out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from drivetrain.cost.efficiency import Efficiency
from drivetrain.measure.recorded import Recorded, Replayed, own_efficiency, replay
from drivetrain.measure.spread import Z80, interval
from drivetrain.measure.uncertainty import Setting, Uncertainty, uncertainty

Figures = Callable[[Replayed], dict[str, float]]
_SECONDS = ("kernel_s", "step_s", "sequence_s", "prefill_kernel_s", "experts_s", "prefill_experts_s", "expanded_s",
            "block_s")  # fmt: skip


def ranges(run: Recorded, played: Replayed, figures: Figures) -> dict[str, list[float]]:
    """The 80 % interval of each of ``figures``, by name."""
    sigma = spread_of(run, played)
    point = figures(played)
    found = [
        point,
        figures(_at(run, math.exp(Z80 * sigma.tpot), run.links.low)),
        figures(_at(run, math.exp(-Z80 * sigma.tpot), run.links.high)),
    ]
    out = {}
    for name in point:
        values = [one[name] for one in found]
        if name.startswith("ttft"):
            values += interval(point[name], sigma.ttft)
        out[name] = [min(values), max(values)]
    return out


def spread_of(run: Recorded, played: Replayed) -> Uncertainty:
    """Standard deviations of predictions like this run's, at its mean lengths and the mean number in flight."""
    eff = own_efficiency(run)
    in_flight = float(np.nansum(played.e2e_s)) / max(played.end_s, 1e-9) / run.replicas
    return uncertainty(Setting(
        model=run.model.name, accelerator=run.accelerator.name, generation=run.accelerator.generation,
        engine=run.family, fitted=eff.tier == "calibrated", released=run.released, weights=run.weight_dtype,
        concurrency=max(in_flight, 1.0), input_tokens=float(run.isl.mean()), output_tokens=float(run.osl.mean()),
        accelerators_per_replica=run.layout.n_accelerators,
    ))  # fmt: skip


def _at(run: Recorded, slower: float, links: float) -> Replayed:
    """The run where everything takes ``slower`` times as long, over links of that rate."""
    changed = replace(run, links=replace(run.links, factor=links), pace=run.pace / slower)
    eff = own_efficiency(run)
    return replay(changed, _slowed(eff, slower))[0]


def _slowed(eff: Efficiency, slower: float) -> Efficiency:
    """Overheads and collectives ``slower`` times as long; rates of the accelerator are :attr:`Recorded.pace`."""
    times = {name: getattr(eff, name) * slower for name in _SECONDS}
    return replace(eff, network=eff.network * slower, **times)
