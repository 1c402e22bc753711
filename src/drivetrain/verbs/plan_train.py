"""``plan train``: from FLOPs, dollars, days, megawatts or a target loss to a model, a cluster and a date."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from drivetrain.errors import BadInputError, DoesNotFitError, InfeasibleError, LayoutError, UnsupportedError
from drivetrain.training_scenario import TrainScenario, train_scenario
from drivetrain.units import SECONDS_PER_DAY, number, show
from drivetrain.verbs.assumption import Assumption
from drivetrain.verbs.predict_train import add_schedules, finished
from drivetrain.verbs.train_describe import assumptions, described, front_rows, layout_rows, sources
from drivetrain.verbs.train_fabrics import FABRICS, Tell, compared, sizes_of
from drivetrain.verbs.train_resolve import Asked, resolve
from drivetrain.verbs.train_run import Run, known_of
from drivetrain.verbs.train_size import Size, fixed_size
from drivetrain.verbs.train_solve import DEFAULT_DAYS, show_days, show_usd, solve
from drivetrain.verbs.train_words import RESOURCE, laid_out

_NOT_POSSIBLE = (InfeasibleError, DoesNotFitError, LayoutError, UnsupportedError)
_GOALS = ("flops", "tokens", "budget_usd", "days", "power_w", "target_loss", "n")
_CONTRACT = ("params", "active_params", "tokens", "loss", "layout", "step_time_s", "mfu", "hfu", "effective_time_frac",
             "days", "usd", "energy_j", "carbon_kg", "memory_bytes", "breakdown_s")  # fmt: skip
_ROW = (
    "accelerator", "n_accelerators", "fabric", "model", "params", "active_params", "tokens", "loss", "layout",
    "recompute", "global_batch", "step_time_s", "tokens_per_s_per_accel", "mfu", "hfu", "effective_time_frac", "days",
    "usd", "usd_per_hour", "power_w", "provisioned_w", "energy_j", "carbon_kg", "waiting_frac", "bottleneck", "tier",
)  # fmt: skip


def plan_train(*, compare_fabrics: bool = False, **choices: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of TrainScenario
    """Plan a training run; keywords are the fields of :class:`~drivetrain.training_scenario.TrainScenario`.

    Any of ``flops``, ``tokens``, ``budget`` (dollars), ``days``, ``power``, ``n`` and ``target_loss`` may be given, and
    a ``model`` or none. Returns the object of the contract; ``feasible`` is false where nothing will do.

    >>> plan = plan_train(flops=5.76e23, accelerator="h100-sxm", n=2048, fabric="ib-ndr")
    >>> plan["feasible"], round(plan["params"] / 1e9), 0.3 < plan["mfu"] < 0.6
    (True, 73, True)
    """
    return plan(train_scenario(choices), compare_fabrics=compare_fabrics)


def plan(
    scenario: TrainScenario, *, compare_fabrics: bool = False, tell: Tell = lambda _a, _b, _c: None
) -> dict[str, Any]:
    """Answer one :class:`TrainScenario`."""
    started = time.perf_counter()
    _check(scenario)
    sizes_of(scenario)  # a list that cannot be read is told before anything is searched
    asked = resolve(scenario)
    reasons: dict[str, str] = {}
    runs: list[Run] = []
    seen = [0]
    try:
        fixed = fixed_size(asked)
    except InfeasibleError as error:
        return finished(_infeasible(asked, {"": str(error.args[0])}), scenario, started)
    for i, part in enumerate(asked.parts):
        try:
            runs.append(solve(asked, part, fixed, lambda run: seen.__setitem__(0, seen[0] + _tried(run))))
        except _NOT_POSSIBLE as error:
            reasons[part.name] = str(error.args[0])
        tell("accelerators", i + 1, len(asked.parts))
    if not runs:
        return finished(_infeasible(asked, reasons), scenario, started)
    ranked = sorted(runs, key=lambda run: _rank(asked, run, fixed))
    best = ranked[0]
    fields = described(asked, best)
    answer: dict[str, Any] = {"feasible": True, "verdict": _verdict(asked, best, fields), **fields}
    answer["limited_by"] = _limited_by(asked, best, fixed)
    answer["layouts"], answer["layout_front"] = layout_rows(best), front_rows(best)
    add_schedules(answer, best, known_of(asked))
    rows = [_row(asked, run) for run in ranked]
    answer["by_accelerator"] = [row for row in rows if row["usd"] is not None]
    answer["unpriced"] = [row for row in rows if row["usd"] is None]
    answer["not_possible"] = reasons
    if compare_fabrics or len(scenario.fabric) > 1 or scenario.sizes:
        names = (
            scenario.fabric if len(scenario.fabric) > 1 else FABRICS if compare_fabrics else (best.part.network_name,)
        )
        answer["fabrics"] = compared(asked, best, names, sizes_of(scenario), tell)
    answer["n_layouts"] = seen[0]
    answer["assumptions"] = assumptions(asked, best, best.part, _taken(asked, fixed))
    answer["sources"] = sources(asked, best)
    return finished(answer, scenario, started)


def _check(scenario: TrainScenario) -> None:
    if not scenario.model and not any(getattr(scenario, name) is not None for name in _GOALS):
        raise BadInputError(
            "say what there is to spend or to reach: --flops, --budget, --days, --power, --n, --tokens, --target-loss, "
            "or a --model."
        )
    if scenario.served_tokens and (scenario.model or scenario.target_loss is None):
        raise BadInputError("--served-tokens chooses a size for a target loss: give --target-loss and no --model.")
    if scenario.layout and not scenario.model:
        raise BadInputError("a --layout is of a model: give --model too, or leave the layout to the plan.")


def _rank(asked: Asked, run: Run, fixed: Size | None) -> tuple[float, ...]:
    """Smallest first: without a price last; the lowest loss where a limit decides how much is trained."""
    objective = asked.scenario.objective
    usd = math.inf if run.usd is None else run.usd
    goal = {"cost": usd, "days": run.seconds, "energy": run.energy_j, "carbon": run.energy_j}[objective]
    if fixed is None:
        unpriced = objective == "cost" and run.usd is None
        return (float(unpriced), -run.flops if asked.model is None else -run.tokens, goal)
    return (goal, run.seconds)


def _verdict(asked: Asked, run: Run, f: Mapping[str, Any]) -> str:
    loss, money = f["loss"], "at no known price" if run.usd is None else f"for {show_usd(run.usd)}"
    reached = ""
    if loss["value"] is not None:
        known = f" ({loss['p10']:.3g}–{loss['p90']:.3g})" if loss["p10"] is not None else ""
        reached = f" to a loss of {loss['value']:.4g}{known}"
    what = _kind(f) if asked.model is None else f["model"]
    ends = [show_days(f["ranges"]["days"][end] * SECONDS_PER_DAY) for end in ("p10", "p90")]
    units = {end.split()[-1] for end in ends}
    between = "–".join(end.split()[0] for end in ends) if len(units) == 1 else "–".join(ends)
    return (
        f"{run.n:,}x {run.part.name} train {what} on {show(run.tokens, 'params')} tokens in {show_days(run.seconds)} "
        f"({between}) {money}{reached}: {number(100 * run.step.mfu, 2)} % MFU "
        f"as {laid_out(f['layout'], f['schedule'])}, limited by {RESOURCE[f['bottleneck']]}."
    )


def _kind(f: Mapping[str, Any]) -> str:
    """A model whose size was free, in a few words."""
    size = show(f["params"], "params")
    if f["active_params"] == f["params"]:
        return f"a {size} dense model"
    return f"a mixture of {size} parameters ({show(f['active_params'], 'params')} active)"


def _limited_by(asked: Asked, run: Run, fixed: Size | None) -> str:
    """Which limit of the question ends the run; what is trained ends it where that is fixed."""
    s = asked.scenario
    if fixed is not None:
        given = [name for name in ("flops", "tokens", "target_loss") if getattr(s, name) is not None]
        return given[0] if given else "model"
    if s.budget_usd is not None and run.usd is not None and run.usd >= s.budget_usd * (1 - 1e-6):
        return "budget_usd"
    return "days"


def _taken(asked: Asked, fixed: Size | None) -> tuple[Assumption, ...]:
    """Limits and sizes that nobody gave."""
    s, found = asked.scenario, []
    timed = s.days is not None or (s.n is not None and (fixed is not None or s.budget_usd is not None))
    if not timed and not (fixed is not None and s.power_w is not None) and "dp" not in s.layout:
        found.append(Assumption("days at most", DEFAULT_DAYS, "assumed: give --days"))
    if fixed is not None and s.model and not any(getattr(s, name) for name in ("flops", "tokens", "target_loss")):
        found.append(Assumption("tokens", float(f"{fixed.tokens:.4g}"), "compute-optimal for the model's active size"))
    if s.served_tokens:
        found.append(Assumption("tokens served later", s.served_tokens, "your choice: at the price of training FLOPs"))
    if s.power_w is not None:
        found.append(Assumption("power limit, W", s.power_w, "your choice: nameplate of accelerators and hosts"))
    return tuple(found)


def _infeasible(asked: Asked, reasons: Mapping[str, str]) -> dict[str, Any]:
    """Nothing will do: every field of the contract, empty, and why."""
    told = next(iter(reasons.values()), "the catalogue has no accelerator for it.")
    more = f" ({len(reasons) - 1} more accelerators will not do either)" if len(reasons) > 1 else ""
    part = asked.parts[0] if asked.parts else None
    return {
        "feasible": False, "verdict": f"Not possible: {told}{more}", **dict.fromkeys(_CONTRACT),
        "layouts": [], "layout_front": [], "schedules": [], "by_accelerator": [], "unpriced": [],
        "not_possible": dict(reasons), "n_layouts": 0,
        "assumptions": assumptions(asked, None, part, ()) if part else [], "sources": [],
    }  # fmt: skip


def _row(asked: Asked, run: Run) -> dict[str, Any]:
    fields = described(asked, run)
    return {name: fields[name] for name in _ROW}


def _tried(run: Run) -> int:
    return run.searched.n_valid if run.searched else 1
