"""``predict train``: one model on one cluster under one layout, or the best one found."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from drivetrain import __version__
from drivetrain.errors import BadInputError
from drivetrain.training.layout import parse_layout
from drivetrain.training_scenario import TrainScenario, train_scenario
from drivetrain.units import number, show
from drivetrain.verbs.assumption import Assumption
from drivetrain.verbs.plan_serve import CATALOGUE_DATE
from drivetrain.verbs.train_data import check_data
from drivetrain.verbs.train_describe import assumptions, described, front_rows, layout_rows, sources
from drivetrain.verbs.train_fabrics import FABRICS, Tell, compared, sizes_of
from drivetrain.verbs.train_resolve import active_params, resolve
from drivetrain.verbs.train_run import Run, known_of, run_on
from drivetrain.verbs.train_schedules import schedule_note, schedule_rows
from drivetrain.verbs.train_size import optimal_tokens
from drivetrain.verbs.train_words import RESOURCE, laid_out

_ADAPTER_TOKENS = 1e9


def predict_train(*, compare_fabrics: bool = False, **choices: Any) -> dict[str, Any]:  # noqa: ANN401 - the fields of TrainScenario
    """Time a training step and what a run takes; keywords are fields of :class:`TrainScenario`, in any spelling.

    >>> got = predict_train(model="llama-3.1-8b", accelerator="h100-sxm", layout="tp2dp32zero1", global_batch=512)
    >>> got["n_accelerators"], round(sum(got["breakdown"].values()), 6)
    (64, 1.0)
    """
    return predict(train_scenario(choices), compare_fabrics=compare_fabrics)


def predict(
    scenario: TrainScenario, tell: Tell = lambda _a, _b, _c: None, *, compare_fabrics: bool = False
) -> dict[str, Any]:
    """Answer one :class:`TrainScenario` for a single configuration, or for one job on several networks."""
    started = time.perf_counter()
    if not scenario.model:
        raise BadInputError("say which model: --model NAME or the path of a config.json (plan train chooses a size).")
    if len(scenario.accelerators) != 1:
        raise BadInputError("predict times one cluster: give one --accelerator (plan train compares several).")
    sizes_of(scenario)  # a list that cannot be read is told before anything is searched
    asked = resolve(scenario)
    check_data(scenario.law, scenario.unique_tokens, scenario.served_tokens)
    assert asked.model is not None
    n = _n_of(scenario)
    tokens = scenario.tokens
    extra: tuple[Assumption, ...] = ()
    if tokens is None:
        tokens = _ADAPTER_TOKENS if scenario.lora_rank else optimal_tokens(
            asked.law, active_params(asked.model))  # fmt: skip
        source = "assumed" if scenario.lora_rank else "compute-optimal for the model's active size"
        extra = (Assumption("tokens of the whole run", float(f"{tokens:.4g}"), source),)
    run = run_on(asked, asked.parts[0], asked.model, tokens, n)
    answer = described(asked, run)
    answer["layouts"], answer["layout_front"] = layout_rows(run), front_rows(run)
    add_schedules(answer, run, known_of(asked))
    answer["n_layouts"] = run.searched.n_valid if run.searched else 1
    answer["verdict"] = sentence(answer)
    if compare_fabrics or len(scenario.fabric) > 1 or scenario.sizes:
        names = (
            scenario.fabric if len(scenario.fabric) > 1 else FABRICS if compare_fabrics else (run.part.network_name,)
        )
        sizes = sizes_of(scenario) if compare_fabrics or scenario.sizes else (run.n,)
        answer["fabrics"] = compared(asked, run, names, sizes, tell)
    answer["assumptions"] = assumptions(asked, run, run.part, extra)
    answer["sources"] = sources(asked, run)
    return finished(answer, scenario, started)


def add_schedules(answer: dict[str, Any], run: Run, known: Mapping[str, int]) -> None:
    """Every pipeline schedule beside the run's, and a note where one that was not searched is faster."""
    answer["schedules"] = schedule_rows(run, known)
    note = schedule_note(answer["schedules"])
    if note:
        answer["notes"] = [*answer["notes"], note]


def finished(answer: dict[str, Any], scenario: TrainScenario, started: float) -> dict[str, Any]:
    """``answer`` with what every answer says about itself."""
    answer["scenario"] = asdict(scenario)
    answer["elapsed_s"] = time.perf_counter() - started
    answer["meta"] = {"version": __version__, "catalogue": CATALOGUE_DATE,
                      "run": scenario.fingerprint(__version__, CATALOGUE_DATE)}  # fmt: skip
    return answer


def sentence(f: dict[str, Any]) -> str:
    """One sentence of a prediction."""
    low, high = (number(f[f"tokens_per_s_per_accel_{end}"], 2) for end in ("p10", "p90"))
    return (
        f"{f['n_accelerators']:,}x {f['accelerator']} as {laid_out(f['layout'], f['schedule'])} train {f['model']} at "
        f"{number(f['tokens_per_s_per_accel'])} tokens/s each ({low}–{high}), {number(100 * f['mfu'], 2)} % MFU, "
        f"{show(f['step_time_s'], 's')} a step; limited by {RESOURCE[f['bottleneck']]}."
    )


def _n_of(scenario: TrainScenario) -> int:
    if scenario.n is not None:
        return int(scenario.n)
    if scenario.layout:
        return parse_layout(scenario.layout).n_accelerators
    raise BadInputError("say how large the cluster is: --n 1024, or a whole --layout such as tp8pp4dp32.")
