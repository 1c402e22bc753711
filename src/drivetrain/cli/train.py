"""``drivetrain plan train`` and ``drivetrain predict train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from drivetrain.cli import train_options as o
from drivetrain.cli.drawing import save_figure
from drivetrain.cli.files import NoPlotOption, PlotOption, ScenarioOption, plot_target
from drivetrain.cli.options import Format
from drivetrain.cli.progress import stages
from drivetrain.cli.serve import FormatOption

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plan_train_command(
    model: o.Model = None,
    flops: o.Flops = None,
    tokens: o.Tokens = None,
    budget: o.Budget = None,
    days: o.Days = None,
    power: o.Power = None,
    target_loss: o.TargetLoss = None,
    served_tokens: o.ServedTokens = None,
    unique_tokens: o.UniqueTokens = None,
    experts: o.Experts = None,
    compute_gain: o.ComputeGain = None,
    law: o.Law = None,
    objective: o.Objective = None,
    accelerators: o.Accelerators = None,
    n: o.N = None,
    layout: o.Layout = None,
    recompute: o.Recompute = None,
    schedule: o.Schedule = None,
    fabric: o.Fabric = None,
    compare_fabrics: o.CompareFabrics = False,
    sizes: o.Sizes = None,
    seq: o.Seq = None,
    global_batch: o.Batch = None,
    precision: o.Precision = None,
    lora_rank: o.LoraRank = None,
    framework: o.Framework = None,
    pricing: o.Pricing = None,
    price: o.Price = None,
    region: o.Region = None,
    mtbf: o.Mtbf = None,
    detection: o.Detection = None,
    restart: o.Restart = None,
    repair: o.Repair = None,
    spares: o.Spares = None,
    checkpoint: o.Checkpoint = None,
    checkpoint_every: o.CheckpointEvery = None,
    store: o.Store = None,
    scenario_file: ScenarioOption = "",
    plot: PlotOption = "",
    no_plot: NoPlotOption = False,
    output: FormatOption = Format.table,
) -> None:
    """From FLOPs, dollars, days, megawatts or a target loss to a model, a cluster, a loss and a date.

    Give what there is to spend or to reach, a model or none (then its size follows the scaling law), accelerators or
    none (then all are compared). Every valid layout is searched.

    [dim]drivetrain plan train --flops 5.76e23 -a h100-sxm -n 2048 --fabric ib-ndr[/dim]

    [dim]drivetrain plan train --budget 2M --days 30 -a h100-sxm,b200-sxm[/dim]

    [dim]drivetrain plan train -m llama-3.1-70b --tokens 15T --power "10 MW"[/dim]

    [dim]drivetrain plan train --target-loss 2.0 --unique-tokens 300B -a h100-sxm[/dim]

    [dim]drivetrain plan train --flops 1e24 --experts 32 -a h200-sxm -n 1024 --compare-fabrics[/dim]
    """
    given = _given(locals())
    target = plot_target(plot)
    scenario = _scenario(scenario_file, given)
    from drivetrain.verbs.plan_train import plan

    with stages() as tell:
        answer = plan(scenario, compare_fabrics=compare_fabrics, tell=tell)
    if output is Format.table:
        from drivetrain.report.serve import print_assumptions
        from drivetrain.report.train import print_plan

        print_assumptions(answer["assumptions"])
        print_plan(answer, pictures=not no_plot)
    else:
        _emit(answer, _rows(answer, answer["by_accelerator"] + answer["unpriced"]), output)
    _draw(answer, target)
    if not answer["feasible"]:
        raise typer.Exit(1)


def predict_train_command(
    model: o.Model = None,
    accelerator: o.Accelerator = None,
    n: o.N = None,
    layout: o.Layout = None,
    recompute: o.Recompute = None,
    schedule: o.Schedule = None,
    fabric: o.Fabric = None,
    compare_fabrics: o.CompareFabrics = False,
    sizes: o.Sizes = None,
    seq: o.Seq = None,
    global_batch: o.Batch = None,
    precision: o.Precision = None,
    lora_rank: o.LoraRank = None,
    framework: o.Framework = None,
    tokens: o.Tokens = None,
    unique_tokens: o.UniqueTokens = None,
    compute_gain: o.ComputeGain = None,
    law: o.Law = None,
    pricing: o.Pricing = None,
    price: o.Price = None,
    region: o.Region = None,
    mtbf: o.Mtbf = None,
    detection: o.Detection = None,
    restart: o.Restart = None,
    repair: o.Repair = None,
    spares: o.Spares = None,
    checkpoint: o.Checkpoint = None,
    checkpoint_every: o.CheckpointEvery = None,
    store: o.Store = None,
    scenario_file: ScenarioOption = "",
    plot: PlotOption = "",
    no_plot: NoPlotOption = False,
    output: FormatOption = Format.table,
) -> None:
    """Time one training step: tokens/s, MFU, memory, what is waited for, dollars and joules.

    Without --layout the best one is found. Several --fabric names (or --compare-fabrics) show the same job on each.

    [dim]drivetrain predict train -m llama-3.1-70b -a h100-sxm -n 1024 -l tp8pp4dp32 --global-batch 2048[/dim]

    [dim]drivetrain predict train -m deepseek-v3 -a h800-sxm -n 2048 --precision fp8 --seq 4096 --price 2[/dim]

    [dim]drivetrain predict train -m llama-3.1-70b -a h100-sxm -n 16 --lora-rank 16 --tokens 100M[/dim]

    [dim]drivetrain predict train -m llama-3.1-405b -a h100-sxm -n 8192 --fabric nvlink,ib-ndr,roce-400g,efa[/dim]
    """
    given = _given(locals())
    target = plot_target(plot)
    scenario = _scenario(scenario_file, given)
    from drivetrain.verbs.predict_train import predict

    with stages() as tell:
        answer = predict(scenario, tell, compare_fabrics=compare_fabrics)
    if output is Format.table:
        from drivetrain.report.serve import print_assumptions
        from drivetrain.report.train import print_prediction

        print_assumptions(answer["assumptions"])
        print_prediction(answer, pictures=not no_plot)
    else:
        row = {name: value for name, value in answer.items() if name not in _NOT_A_ROW}
        _emit(answer, _rows(answer, [row]), output)
    _draw(answer, target)


def _draw(answer: dict[str, Any], target: Path | None) -> None:
    def figure() -> Figure:
        from drivetrain.report.figures.train import training_figure

        return training_figure(answer)

    save_figure(target, figure)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Choices that the person made, by field or option name."""
    beside = ("compare_fabrics", "scenario_file", "plot", "no_plot", "output")
    return {name: value for name, value in options.items() if name not in beside and value is not None}


def _scenario(file: str, given: dict[str, Any]) -> Any:  # noqa: ANN401 - a TrainScenario, imported when used
    from drivetrain.training_scenario import field_called, train_scenario

    choices: dict[str, object] = {}
    if file:
        from drivetrain.verbs.train_file import read_training

        choices = read_training(file)
    return train_scenario(choices | {field_called(name): value for name, value in given.items()})


def _rows(answer: dict[str, Any], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What CSV shows: the comparison of fabrics where one was asked for."""
    return answer["fabrics"]["rows"] if "fabrics" in answer else rows


def _emit(answer: dict[str, Any], rows: list[dict[str, Any]], output: Format) -> None:
    from drivetrain.report.output import as_csv, as_json

    typer.echo(as_json(answer) if output is Format.json else as_csv(rows), nl=output is Format.json)


_NOT_A_ROW = (
    "assumptions",
    "sources",
    "scenario",
    "meta",
    "layouts",
    "layout_front",
    "schedules",
    "notes",
    "fabrics",
    "price",
    "goodput",
)
