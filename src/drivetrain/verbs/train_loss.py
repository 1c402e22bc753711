"""The loss that a run reaches: under the law asked for, with the architecture's gain, and how wide that is."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from drivetrain.catalogue import scaling
from drivetrain.catalogue.scaling import MIXTURE
from drivetrain.training.scaling.uncertainty import Estimate, estimated_loss, notes
from drivetrain.verbs.train_resolve import Asked, law_with
from drivetrain.verbs.train_run import Run


@dataclass(frozen=True, slots=True)
class Loss:
    """Nats per token of the law's text; 80 % between ``p10`` and ``p90`` (None where the law tells no spread).

    ``compute_gain`` with its own range is what the architecture counts for; None under a law of mixtures; all None for
    adapters.
    """

    value: float | None
    p10: float | None
    p90: float | None
    law: str | None
    data: str | None
    compute_gain: float | None = None
    compute_gain_p10: float | None = None
    compute_gain_p90: float | None = None

    def fields(self) -> dict[str, Any]:
        """As an answer has it."""
        return asdict(self)


def loss_of(asked: Asked, run: Run) -> tuple[Loss, tuple[str, ...]]:
    """The loss of a run, and what to tell of it.

    A gain g counts as ``g`` times the compute at the same ratio of tokens to parameters; how unsure g is widens the
    range (in quadrature with the law's own, which holds coefficients, single runs and the form beyond the fit).
    """
    if run.job.lora_rank:
        return Loss(None, None, None, None, None), ("scaling laws say nothing of adapters: no loss",)
    entry, gain = scaling.law(asked.scenario.law), asked.gain
    if entry.form == MIXTURE:
        value = float(law_with(entry.name, gain).loss(run.active, run.tokens))
        return Loss(value, None, None, entry.name, entry.data), notes(entry, run.active, run.tokens)
    found = _counted(run, gain.value, entry.name)
    low, high = _ends(found)
    if low is not None and high is not None:
        low = found.value - math.hypot(found.value - low, found.value - _counted(run, gain.p90, entry.name).value)
        high = found.value + math.hypot(high - found.value, _counted(run, gain.p10, entry.name).value - found.value)
    told = list(notes(entry, run.active, run.tokens))
    if gain.note:
        told.append(gain.note)
    return Loss(
        found.value, low, high, entry.name, entry.data, gain.value, gain.p10, gain.p90
    ), tuple(told)  # fmt: skip


def _counted(run: Run, gain: float, law: str) -> Estimate:
    each = math.sqrt(gain)
    return estimated_loss(run.active * each, run.tokens * each, law)


def _ends(found: Estimate) -> tuple[float | None, float | None]:
    if found.wide_p10 is not None and found.wide_p90 is not None:
        return found.wide_p10, found.wide_p90
    return found.p10, found.p90
