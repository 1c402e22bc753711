"""A measurement of answer quality: one benchmark before and after one change, in percent of its full score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from drivetrain.catalogue.fact import Fact


@dataclass(frozen=True, slots=True)
class Quality:
    """One benchmark before and after one change.

    ``model`` is a catalogue name; where the measured model is not catalogued, ``family`` and ``params`` (total) say
    what it is like and ``checkpoint`` names it. None of them means every model: equal by construction. ``stand_in`` is
    the other model, by any of its spellings, whose score is ``after`` (sibling, pruned, distilled). ``facts`` hold
    ``before`` and ``after`` in percent, or ``recovery`` in percent where the source states only that. ``baseline`` is
    the precision of ``before``, normally the one the model ships in.
    """

    name: str
    aliases: tuple[str, ...]
    technique: str
    model: str
    family: str
    params: float | None
    checkpoint: str
    stand_in: str
    benchmark: str
    baseline: str
    facts: Mapping[str, Fact]
    notes: str = ""

    @property
    def before(self) -> float | None:
        """Score without the technique, in percent."""
        return self.facts["before"].value if "before" in self.facts else None

    @property
    def after(self) -> float | None:
        """Score with it, in percent."""
        return self.facts["after"].value if "after" in self.facts else None

    @property
    def recovery(self) -> float:
        """Share of the score that is left: after / before."""
        if "recovery" in self.facts:
            return self.facts["recovery"].value / 100.0
        return self.facts["after"].value / self.facts["before"].value

    @property
    def delta(self) -> float | None:
        """Change in points (percent of full score): after - before; None where only the recovery is stated."""
        if self.before is None or self.after is None:
            return 0.0 if self.recovery == 1.0 else None
        return self.after - self.before

    @property
    def evidence(self) -> Fact:
        """The fact that names source, date and kind."""
        return self.facts["recovery"] if "recovery" in self.facts else self.facts["after"]
