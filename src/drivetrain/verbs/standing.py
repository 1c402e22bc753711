"""Where a plan stands, and what pulling levers there gives.

The accelerator, what is bought and the requests stay; batch limits are chosen again. The layout stays too, unless a
lever makes one better that would not pay without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from drivetrain.arch.layout import Layout
from drivetrain.serving.search import layouts
from drivetrain.serving.slo import Target
from drivetrain.serving.startable import features_of, support
from drivetrain.verbs.kept import stand_in_key
from drivetrain.verbs.ranking import Chosen
from drivetrain.verbs.resolve import Resolved
from drivetrain.verbs.setting import JOULES, PROVISIONED, USD, Counter, FullLoad, Lever, Missing, Setting, at_full_load

_SAME = 1e-3  # costs closer than this are the same


@dataclass(frozen=True, slots=True)
class Pull:
    """A lever, or several together, as evaluated: ``gain`` is the relative fall of ``metric``.

    ``unverified`` says what is not known to start.
    """

    levers: tuple[Lever, ...]
    metric: str
    gain: float
    found: FullLoad
    setting: Setting
    unverified: str = ""

    @property
    def name(self) -> str:
        """As it is listed."""
        return " + ".join(lever.name for lever in self.levers)

    @property
    def layout(self) -> Layout:
        """The layout that it is best with."""
        return self.found.job.deployment.cut.layout


class Standing:
    """A plan as the setting that levers change."""

    def __init__(self, resolved: Resolved, targets: tuple[Target, ...], chosen: Chosen) -> None:
        cut, engine = chosen.job.deployment.cut, chosen.job.deployment.engine
        self.resolved, self.counter = resolved, Counter()
        self.offer, self.layout = chosen.job.offer, cut.layout
        by_objective = {"energy": JOULES, "carbon": JOULES, "tokens-per-megawatt": PROVISIONED}
        self.metric = by_objective.get(resolved.scenario.objective, USD)
        stand_in = stand_in_key(resolved.model, cut.model, cut.checkpoint)
        self.setting = Setting(cut.model, cut.checkpoint, cut.kv_dtype, cut.techniques.choice, (engine,),
                               (cut.layout,), resolved.lengths, targets, stand_in)  # fmt: skip
        domain = self.offer.hardware.topology.domain
        self.layouts = resolved.layouts or tuple(dict.fromkeys((*layouts(cut.model, domain), cut.layout)))
        self._base: dict[Layout, FullLoad] | None = None

    def base(self) -> dict[Layout, FullLoad]:
        """The plan's own setting at full load, by layout."""
        if self._base is None:
            found = self._evaluate(replace(self.setting, layouts=self.layouts), unverified=True)
            self._base = {} if isinstance(found, Missing) else found
        return self._base

    def after(self, levers: Sequence[Lever]) -> Setting:
        """The plan's setting with ``levers`` pulled."""
        setting = self.setting
        for lever in levers:
            setting = lever.on(setting)
        return setting

    def pull(self, *levers: Lever) -> Pull | Missing:
        """What ``levers`` together give, on the plan's engine if it runs them, else on another of the search.

        Another engine must gain more than it does without them, or it is no merit of the levers.
        """
        metric = next((lever.metric for lever in levers if lever.metric), self.metric)
        base = self.base().get(self.layout)
        if base is None:
            return Missing("the plan itself has no full load within the targets.")
        setting = self.after(levers)
        rechosen = any(lever.frees_memory for lever in levers) and setting.layouts == (self.layout,)
        if rechosen:
            setting = replace(setting, layouts=self.layouts)
        reason = ""
        for tried, unverified in self._tries(setting):
            found = self._evaluate(tried, unverified=unverified)
            if isinstance(found, Missing):
                reason = reason or found.reason
                continue
            best = self._best(found, metric) if rechosen else min(found.values(), key=_by(metric))
            if best is None:
                reason = reason or "no layout that it makes possible is better."
                continue
            pull = Pull(levers, metric, 1.0 - best.cost[metric] / base.cost[metric], best, tried,
                        doubt(best) if unverified else "")  # fmt: skip
            if best.job.deployment.engine in setting.engines or pull.gain > self._elsewhere(best, metric):
                return pull
            aside = f" {best.job.deployment.engine.name} runs it, and gains no more than without."
            reason += "" if aside in reason else aside
        return Missing(reason.strip())

    def _elsewhere(self, found: FullLoad, metric: str) -> float:
        """What the engine of ``found`` gains without the levers, at least nothing."""
        engine = found.job.deployment.engine
        plain = self._evaluate(replace(self.setting, engines=(engine,)), unverified=True)
        if isinstance(plain, Missing):
            return _SAME
        here = self.base()[self.layout].cost[metric]
        return max(1.0 - min(one.cost[metric] for one in plain.values()) / here, 0.0) + _SAME

    def _tries(self, setting: Setting) -> Iterator[tuple[Setting, bool]]:
        """The plan's engine, then the others; what is known to start before what nobody knows."""
        others = tuple(e for e in self.resolved.engines if e not in setting.engines)
        pinned = setting.engines == self.setting.engines
        for unverified in (False, True):
            yield setting, unverified
            if others and pinned:
                yield replace(setting, engines=others), unverified

    def _best(self, found: dict[Layout, FullLoad], metric: str) -> FullLoad | None:
        """The plan's layout, or a better one that would not pay without the levers."""
        plain = self.base()
        here = plain[self.layout].cost[metric]
        usable = [
            one for layout, one in found.items()
            if layout == self.layout or layout not in plain or plain[layout].cost[metric] >= here * (1.0 - _SAME)
        ]  # fmt: skip
        stays = found.get(self.layout)
        best = min(usable, key=_by(metric), default=None)
        if best is None or (stays is not None and best.cost[metric] >= stays.cost[metric] * (1.0 - _SAME)):
            return stays
        return best

    def _evaluate(self, setting: Setting, *, unverified: bool) -> dict[Layout, FullLoad] | Missing:
        return at_full_load(self.resolved, self.offer, setting, self.metric, self.counter, unverified=unverified)


def doubt(found: FullLoad) -> str:
    """The first thing that is not known about whether it starts."""
    d = found.job.deployment
    needs = features_of(d.cut.layout, d.cut.techniques.choice)
    answer = support(d.engine, found.job.offer.accelerator, d.cut.model, d.cut.checkpoint, d.cut.kv_dtype, needs)
    return answer.reasons[0] if answer.reasons else ""


def _by(metric: str) -> Callable[[FullLoad], float]:
    return lambda found: found.cost[metric]
