"""``drivetrain cost``, ``cost published`` and ``cost lifetime``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from drivetrain.cli.files import NoPlotOption, PlotOption, ScenarioOption, chosen, plot_target
from drivetrain.cli.options import Format, names, rate, tokens

cost_app = typer.Typer(invoke_without_command=True)

_PLAN = "A saved plan serve: its plan.json or the folder of --save."
_OPERATOR = "Kinds of owners: hyperscaler, neocloud, enterprise (default: all). The first is looked at closer."
_SET = "Change a term of owning, e.g. --set pue=1.3, --set discount_rate_frac=12%, --set capital_usd=40000. May repeat."
_REGION = "Electricity price and grid of this region (default: the operator's own rate; traffic: us)."
_FLEET, _TERMS, _OUTPUT = "What serves", "Money", "Output"

Plan = Annotated[str, typer.Option("--plan", metavar="FILE", help=_PLAN, rich_help_panel=_FLEET)]
Operator = Annotated[str, typer.Option("--operator", help=_OPERATOR, rich_help_panel=_TERMS)]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help=_SET, rich_help_panel=_TERMS, show_default=False)
]
Region = Annotated[str, typer.Option("--region", help=_REGION, rich_help_panel=_TERMS)]
Model = Annotated[str, typer.Option("--model", "-m", help="Catalogue name or model file.", rich_help_panel=_FLEET)]
Accelerator = Annotated[
    str, typer.Option("--accelerator", "-a", help="Alone: its hour. With a model: one replica.", rich_help_panel=_FLEET)
]
Layout = Annotated[str, typer.Option("--layout", "-l", help="e.g. tp4, tp8pp2.", rich_help_panel=_FLEET)]
Workload = Annotated[str, typer.Option("--workload", "-w", help="Workload profile.", rich_help_panel=_FLEET)]
Isl = Annotated[str, typer.Option("--isl", help="Input tokens of every request.", rich_help_panel=_FLEET)]
Osl = Annotated[str, typer.Option("--osl", help="Output tokens of every request.", rich_help_panel=_FLEET)]
Concurrency = Annotated[
    float | None, typer.Option("--concurrency", "-c", help="Requests in flight.", rich_help_panel=_FLEET)
]
Rate = Annotated[
    str, typer.Option("--rate", "-r", help="Requests per second into the replica.", rich_help_panel=_FLEET)
]
Slo = Annotated[
    str, typer.Option("--slo", help='Targets that set its capacity, "tpot_p95=50ms".', rich_help_panel=_FLEET)
]
Engine = Annotated[str, typer.Option("--engine", "-e", help="Engine by name or family.", rich_help_panel=_FLEET)]
Weights = Annotated[str, typer.Option("--weights", help="shipped or a precision.", rich_help_panel=_FLEET)]
Prefix = Annotated[
    float | None, typer.Option("--prefix-hit", help="Share of input in a prefix cache.", rich_help_panel=_FLEET)
]
FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How to print.", rich_help_panel=_OUTPUT)]


@cost_app.callback()
def cost_command(
    context: typer.Context,
    plan: Plan = "",
    model: Model = "",
    accelerator: Accelerator = "",
    layout: Layout = "",
    workload: Workload = "",
    isl: Isl = "",
    osl: Osl = "",
    rate_text: Rate = "",
    concurrency: Concurrency = None,
    slo: Slo = "",
    engine: Engine = "",
    weights: Weights = "shipped",
    prefix_hit: Prefix = None,
    scenario_file: ScenarioOption = "",
    operator: Operator = "",
    region: Region = "",
    settings: Set = None,
    plot: PlotOption = "",
    no_plot: NoPlotOption = False,
    output: FormatOption = Format.table,
) -> None:
    """What serving costs: own, rent or API side by side, per million input, cached and output tokens.

    With --plan the fleet of a saved plan serve; with a model and a layout one replica, as predict serve; with an
    accelerator alone what its hour costs. Break-even use, sensitivity, energy and carbon beside it.

    Example: `drivetrain cost --plan build/plan.json`

    Example: `drivetrain cost --accelerator h100-sxm --operator neocloud`
    """
    if context.invoked_subcommand is not None:
        return
    from drivetrain.errors import BadInputError

    target = plot_target(plot)
    asked = bool(model or scenario_file)
    if plan and (asked or accelerator):
        raise BadInputError("--plan says what serves: leave out --model, --scenario and --accelerator.")
    if not (plan or asked or accelerator):
        raise BadInputError("say what to price: --plan FILE, a model with its layout and rate, or --accelerator alone.")
    from drivetrain.verbs.cost_owner import settings_of

    terms: dict[str, Any] = {"operators": names(operator), "region": region, "settings": settings_of(settings or [])}
    if plan:
        from drivetrain.verbs.cost_plan_file import is_divided, read_plan

        saved = read_plan(plan)
        if not is_divided(saved):
            _interpreted()
        from drivetrain.verbs.cost import cost_plan

        answer = cost_plan(saved, **terms)
    elif asked:
        scenario = chosen(
            context, scenario_file, model=model, accelerators=names(accelerator), layouts=names(layout),
            workload=workload, isl=tokens("--isl", isl) if isl else None, osl=tokens("--osl", osl) if osl else None,
            rate=rate(rate_text) if rate_text else None, concurrency=concurrency, slo=slo, engines=names(engine),
            weights=weights, prefix_hit=prefix_hit, region=region or "us",
        )  # fmt: skip
        from drivetrain.cli.progress import announce_compile
        from drivetrain.verbs.cost import cost_serve

        announce_compile()
        answer = cost_serve(scenario, **terms)
    else:
        from drivetrain.verbs.cost import cost_hourly

        answer = cost_hourly(accelerator, **terms)
    if target is not None:
        from drivetrain.report.figures.cost import cost_figure

        _draw(cost_figure(answer), target)
    if output is Format.table:
        from drivetrain.report.cost import print_cost

        print_cost(answer, pictures=not no_plot)
    else:
        _emit(answer, answer.get("ways") or answer["operators"], output)


@cost_app.command("published")
def published_command(output: FormatOption = Format.table) -> None:
    """Our cost of owning beside published ones, with one set of terms for each kind of operator."""
    from drivetrain.verbs.cost_published import cost_published

    answer = cost_published()
    if output is Format.table:
        from drivetrain.report.cost_published import print_published

        print_published(answer)
    else:
        _emit(answer, answer["rows"], output)


_TOKENS = "Training tokens: 15T (default: known for deepseek-v3)."
_SERVED = "Tokens served so far: say serving's share of the whole."
_TOTAL = "Compute of the whole development over the final run (default 3.3: final runs are 30 % of it)."


@cost_app.command("lifetime")
def lifetime_command(
    model: Model = "",
    train_tokens: Annotated[str, typer.Option("--tokens", help=_TOKENS)] = "",
    served: Annotated[str, typer.Option("--served", help=_SERVED)] = "",
    accelerator: Annotated[
        str, typer.Option("--accelerator", "-a", help="Trains and serves (default: the plan's, else h100-sxm).")
    ] = "",
    mfu_train: Annotated[float | None, typer.Option("--mfu-train", help="Share of peak in training.")] = None,
    mfu_serve: Annotated[float | None, typer.Option("--mfu-serve", help="Share of peak in serving.")] = None,
    total: Annotated[float | None, typer.Option("--development", help=_TOTAL)] = None,
    pricing: Annotated[str, typer.Option("--pricing", help="Price of an hour, as for plan train.")] = "reserved",
    plan: Plan = "",
    plot: PlotOption = "",
    output: FormatOption = Format.table,
) -> None:
    """Training against serving over a model's life, and from how many tokens served on serving is 80 to 90 % of it.

    With --plan a token served takes what that fleet really takes, idle hours included.

    Example: `drivetrain cost lifetime --model deepseek-v3 --served 100T`
    """
    target = plot_target(plot)
    from drivetrain.verbs.cost_lifetime import LifetimeChoices, cost_lifetime

    answer = cost_lifetime(LifetimeChoices(
        model=model, tokens=_count("--tokens", train_tokens), served=_count("--served", served),
        accelerator=accelerator, mfu_train=mfu_train, mfu_serve=mfu_serve, total_over_final=total, pricing=pricing,
        plan=plan,
    ))  # fmt: skip
    if target is not None:
        from drivetrain.report.figures.cost import lifetime_figure

        _draw(lifetime_figure(answer), target)
    if output is Format.table:
        from drivetrain.report.cost_lifetime import print_lifetime

        print_lifetime(answer)
    else:
        _emit(answer, answer["curve"], output)


def _interpreted() -> None:
    """Run the solver interpreted: for one state that is quicker than loading its machine code."""
    import os
    import sys

    if "numba" not in sys.modules:  # else a program asks, which may want the compiled solver afterwards
        os.environ.setdefault("NUMBA_DISABLE_JIT", "1")


def _count(option: str, text: str) -> float | None:
    """Tokens, with T, B, M or k for their thousands."""
    if not text:
        return None
    from drivetrain import units
    from drivetrain.errors import BadInputError, UnitError

    folded = text.strip().removesuffix("tok").strip()
    if folded[-1:] in ("T", "B", "M", "k"):
        folded = f"{folded[:-1]}{ {'B': 'G'}.get(folded[-1], folded[-1]) }tok"
    try:
        value = units.parse(folded, "tok")
    except UnitError as error:
        raise BadInputError(f"{option} '{text}': {error.args[0]} For example {option} 15T.") from None
    if not value > 0:
        raise BadInputError(f"{option} must be above zero, not {text}.")
    return value


def _draw(figure: Any, target: Any) -> None:  # noqa: ANN401 - matplotlib is imported when used
    from drivetrain.report.figures.save import save

    save(figure, target)
    typer.echo(f"drawn in {target}", err=True)


def _emit(answer: dict[str, Any], rows: list[dict[str, Any]], output: Format) -> None:
    from drivetrain.report.output import as_csv, as_json

    typer.echo(as_json(answer) if output is Format.json else as_csv(rows), nl=output is Format.json)
