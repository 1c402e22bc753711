"""The loss that a run reaches: under the law asked for, with the architecture's gain, and how wide that is."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from drivetrain.catalogue import scaling
from drivetrain.catalogue.scaling import MIXTURE
from drivetrain.training.scaling.gain import Gain
from drivetrain.training.scaling.uncertainty import Estimate, estimated_loss, notes, spread_alone
from drivetrain.verbs.train_data import counted, data_note
from drivetrain.verbs.train_resolve import Asked, law_with
from drivetrain.verbs.train_run import Run


@dataclass(frozen=True, slots=True)
class Loss:
    """Nats per token of the law's text; 80 % between ``p10`` and ``p90`` (None where the law tells no spread).

    The law counts ``counted_params`` and ``counted_tokens``: those of the run, fewer where tokens are seen again.
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
    counted_params: float | None = None
    counted_tokens: float | None = None

    def fields(self) -> dict[str, Any]:
        """As an answer has it."""
        return asdict(self)


def loss_of(asked: Asked, run: Run) -> tuple[Loss, tuple[str, ...]]:
    """The loss of a run, and what to tell of it."""
    if run.job.lora_rank:
        return Loss(None, None, None, None, None), ("scaling laws say nothing of adapters: no loss",)
    return loss_under(asked.scenario.law, asked.gain, run.active, run.tokens, asked.scenario.unique_tokens)


def loss_under(
    name: str, gain: Gain, params: float, tokens: float, unique: float | None = None
) -> tuple[Loss, tuple[str, ...]]:
    """The loss of ``params`` active parameters on ``tokens`` tokens under the law ``name``, and what to tell of it.

    A gain g counts as ``g`` times the compute at the same ratio of tokens to parameters; how unsure g is widens the
    range (in quadrature with the law's own, which holds coefficients, single runs and the form beyond the fit).
    """
    entry, law = scaling.law(name), law_with(name, gain)
    if entry.form == MIXTURE:
        value = float(law.loss(params, tokens))
        wide = spread_alone(entry, value, params, tokens)
        found = Loss(value, wide.wide_p10, wide.wide_p90, entry.name, entry.data, counted_params=params,
                     counted_tokens=tokens)  # fmt: skip
        return found, notes(entry, params, tokens)
    size, data = counted(law, unique, params, tokens)

    def at(worth: float) -> Estimate:
        each = math.sqrt(worth)
        return estimated_loss(size * each, data * each, entry.name)

    best = at(gain.value)
    low, high = _ends(best)
    if low is not None and high is not None:
        low = best.value - math.hypot(best.value - low, best.value - at(gain.p90).value)
        high = best.value + math.hypot(high - best.value, at(gain.p10).value - best.value)
    repeats = data_note(law, unique, params, tokens)
    told = [*notes(entry, params, tokens), *([repeats] if repeats else []), *([gain.note] if gain.note else [])]
    return Loss(
        best.value, low, high, entry.name, entry.data, gain.value, gain.p10, gain.p90, size, data
    ), tuple(told)  # fmt: skip


def _ends(found: Estimate) -> tuple[float | None, float | None]:
    if found.wide_p10 is not None and found.wide_p90 is not None:
        return found.wide_p10, found.wide_p90
    return found.p10, found.p90
