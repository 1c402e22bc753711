"""``drivetrain plan serve`` and ``drivetrain predict serve``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from drivetrain.cli.files import NoPlotOption, PlotOption, ScenarioOption, chosen, draw, plot_target
from drivetrain.cli.options import Format, names, rate, tokens
from drivetrain.cli.progress import announce_compile
from drivetrain.cli.purchase import (
    Buy,
    MaxPower,
    MaxRacks,
    Mix,
    Money,
    Provider,
    Quotas,
    RackPower,
    Spares,
    spares_of,
    usd_per_hour,
    watts,
)
from drivetrain.cli.quality import Allow, AllowUnknownQuality, Levers, MinQuality

if TYPE_CHECKING:
    from drivetrain.verbs.from_args import Command

_OBJECTIVE = (
    "cost, energy (tokens-per-joule), carbon, accelerators, latency or tokens-per-megawatt (of provisioned power)."
)
_MODEL = "Catalogue name, or the path of a config.json, its folder, or a model TOML."
_WORKLOAD = "Workload profile (drivetrain list workloads); or give --isl and --osl."
_PREFIX = "Share of input tokens found in a prefix cache (default: the profile's own)."
_ENGINES = "Engines by name or family (default: the newest of each family)."
_WEIGHTS = "shipped, any, or a precision with a published checkpoint."
_UNVERIFIED = "Also combinations of which nobody knows whether they start (drivetrain list support)."
_TECHNIQUES = 'Techniques, e.g. "speculative=mtp,power-cap=0.7" (docs: method, techniques).'
_LAYOUTS = 'Only these, e.g. tp4,tp8; of pools "prefill: tp4, decode: tp8".'
_LAYOUT = 'e.g. tp4, tp8pp2, dp8ep8; of pools "prefill: tp4 x2, decode: tp8 x1".'
_DISAGGREGATE = "Prefill and decode in pools of their own: off, on, or auto where that is better."
_PRICING = "reserved, on-demand, hyperscaler, neocloud or own; for instances reserved, on-demand or spot."
_REGION = "Grid and prices (drivetrain list regions); several, with commas, compare the plan in each."
_TRAFFIC, _SPACE, _MONEY, _SHOW = "Traffic", "What to search", "Money and place", "Output"

Model = Annotated[str, typer.Option("--model", "-m", help=_MODEL)]

MeanRate = Annotated[
    str | None,
    typer.Option(
        "--rate", "-r", help="Mean requests over a day: 5, '5 req/s', '300 req/min'.", rich_help_panel=_TRAFFIC
    ),
]
ReplicaRate = Annotated[
    str, typer.Option("--rate", "-r", help="Requests per second into this replica.", rich_help_panel=_TRAFFIC)
]
Concurrency = Annotated[
    float | None,
    typer.Option("--concurrency", "-c", help="Requests in flight (closed loop).", rich_help_panel=_TRAFFIC),
]
Workload = Annotated[str, typer.Option("--workload", "-w", help=_WORKLOAD, rich_help_panel=_TRAFFIC)]
Isl = Annotated[str, typer.Option("--isl", help="Input tokens of every request.", rich_help_panel=_TRAFFIC)]
Osl = Annotated[str, typer.Option("--osl", help="Output tokens of every request.", rich_help_panel=_TRAFFIC)]
Slo = Annotated[str, typer.Option("--slo", help='Targets, e.g. "ttft_p95=2s,tpot_p95=50ms".', rich_help_panel=_TRAFFIC)]
Headroom = Annotated[
    float, typer.Option("--headroom", help="Kept free above the busiest hour.", rich_help_panel=_TRAFFIC)
]
Prefix = Annotated[float | None, typer.Option("--prefix-hit", help=_PREFIX, rich_help_panel=_TRAFFIC)]

Objective = Annotated[
    str,
    typer.Option("--objective", "-o", help=_OBJECTIVE, rich_help_panel=_SPACE),
]
Accelerators = Annotated[
    str,
    typer.Option("--accelerators", "-a", help="Only these, by name (default: all that ship).", rich_help_panel=_SPACE),
]
Accelerator = Annotated[str, typer.Option("--accelerator", "-a", help="Catalogue name.", rich_help_panel=_SPACE)]
Layouts = Annotated[str, typer.Option("--layouts", help=_LAYOUTS, rich_help_panel=_SPACE)]
LayoutOption = Annotated[str, typer.Option("--layout", "-l", help=_LAYOUT, rich_help_panel=_SPACE)]
Engines = Annotated[str, typer.Option("--engines", "--engine", "-e", help=_ENGINES, rich_help_panel=_SPACE)]
Weights = Annotated[str, typer.Option("--weights", help=_WEIGHTS, rich_help_panel=_SPACE)]
Kv = Annotated[str, typer.Option("--kv", help="KV-cache precision: shipped, bf16 or fp8.", rich_help_panel=_SPACE)]
AllowUnverified = Annotated[bool, typer.Option("--allow-unverified", help=_UNVERIFIED, rich_help_panel=_SPACE)]
With = Annotated[str, typer.Option("--with", help=_TECHNIQUES, rich_help_panel=_SPACE)]
Disaggregate = Annotated[str, typer.Option("--disaggregate", help=_DISAGGREGATE, rich_help_panel=_SPACE)]
Budget = Annotated[
    float | None, typer.Option("--max-batched-tokens", help="Token budget of one step.", rich_help_panel=_SPACE)
]
Seqs = Annotated[
    float | None, typer.Option("--max-num-seqs", help="Sequences a replica may run at once.", rich_help_panel=_SPACE)
]
MaxAccelerators = Annotated[
    float, typer.Option("--max-accelerators", help="All that are bought, spares included.", rich_help_panel=_SPACE)
]

Pricing = Annotated[str, typer.Option("--pricing", help=_PRICING, rich_help_panel=_MONEY)]
RegionOption = Annotated[str, typer.Option("--region", help=_REGION, rich_help_panel=_MONEY)]

_SAVE = "Write the plan, launch lines and Kubernetes manifests to this new folder."
_FROM_ARGS = "The command line that starts the server: vllm serve, sglang.launch_server or trtllm-serve."
_VERIFY = "Play the plan request by request at its peak rate and correct the number of replicas."
_TRACE = "With --verify: requests of this trace, scaled to the peak rate (default: drawn from the workload)."
Verify = Annotated[bool, typer.Option("--verify", help=_VERIFY, rich_help_panel=_SHOW)]
TraceOption = Annotated[str, typer.Option("--trace", help=_TRACE, rich_help_panel=_TRAFFIC, show_default=False)]
SaveOption = Annotated[str | None, typer.Option("--save", help=_SAVE, rich_help_panel=_SHOW)]
FromArgsOption = Annotated[str | None, typer.Option("--from-args", help=_FROM_ARGS, rich_help_panel=_SPACE)]
Operators = Annotated[bool, typer.Option("--operators", help="List every operator of a step.", rich_help_panel=_SHOW)]
FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How to print the result.", rich_help_panel=_SHOW)]


def plan_serve_command(
    context: typer.Context,
    model: Model = "",
    rate_text: MeanRate = None,
    workload: Workload = "",
    isl: Isl = "",
    osl: Osl = "",
    slo: Slo = "",
    headroom: Headroom = 0.1,
    prefix_hit: Prefix = None,
    objective: Objective = "cost",
    accelerators: Accelerators = "",
    layouts: Layouts = "",
    engines: Engines = "",
    weights: Weights = "shipped",
    kv: Kv = "shipped",
    techniques: With = "",
    allow_unverified: AllowUnverified = False,
    allow: Allow = "",
    min_quality: MinQuality = "",
    allow_unknown_quality: AllowUnknownQuality = False,
    levers: Levers = "quick",
    disaggregate: Disaggregate = "off",
    max_batched_tokens: Budget = None,
    max_num_seqs: Seqs = None,
    max_accelerators: MaxAccelerators = 4096,
    buy: Buy = "accelerators",
    provider: Provider = "",
    spares: Spares = "0",
    max: Quotas = None,  # noqa: A002 - the option's own name
    max_power: MaxPower = "",
    max_racks: MaxRacks = None,
    rack_power: RackPower = "",
    budget: Money = "",
    mix: Mix = False,
    pricing: Pricing = "reserved",
    region: RegionOption = "us",
    scenario_file: ScenarioOption = "",
    verify: Verify = False,
    trace: TraceOption = "",
    save: SaveOption = None,
    plot: PlotOption = "",
    no_plot: NoPlotOption = False,
    output: FormatOption = Format.table,
) -> None:
    """Find the cheapest way to serve a model's traffic within its targets, and what limits it.

    Searches accelerators, layouts, engines, batch limits and replicas. The mean rate is what you give; replicas are
    sized for the profile's busiest hour plus --headroom, cost and energy are averaged over the day.

    [dim]drivetrain plan serve -m llama-3.1-70b -w azure-2023-conv -r 5 --slo "ttft_p95=2s,tpot_p95=50ms"[/dim]
    """
    target = plot_target(plot)
    if trace and not verify:
        from drivetrain.errors import BadInputError

        raise BadInputError("--trace says what to verify the plan on: add --verify.")
    if save is not None:
        from drivetrain.deploy.save import check_folder

        check_folder(save)
    scenario = chosen(
        context,
        scenario_file,
        model=model,
        workload=workload,
        isl=_tokens("--isl", isl),
        osl=_tokens("--osl", osl),
        rate=None if rate_text is None else rate(rate_text),
        slo=slo,
        objective=objective,
        accelerators=names(accelerators),
        engines=names(engines),
        layouts=names(layouts),
        weights=weights,
        kv=kv,
        techniques=techniques,
        allow_unverified=allow_unverified,
        allow=names(allow),
        min_quality=min_quality or None,
        allow_unknown_quality=allow_unknown_quality,
        levers=levers,
        disaggregate=disaggregate,
        headroom=headroom,
        prefix_hit=prefix_hit,
        pricing=pricing,
        region=region,
        max_accelerators=max_accelerators,
        max_batched_tokens=max_batched_tokens,
        max_num_seqs=max_num_seqs,
        buy=buy,
        providers=names(provider),
        spares=spares_of(spares),
        max=tuple(max or ()),
        max_power_w=watts("--max-power", max_power),
        max_racks=max_racks,
        rack_power_w=watts("--rack-power", rack_power),
        budget_usd_per_hour=usd_per_hour(budget),
        mix=mix,
    )
    announce_compile()
    from drivetrain.verbs.plan_serve import plan

    answer = plan(scenario)
    if verify and answer["feasible"]:
        answer["verified"] = _verified(answer, trace)
    if output is Format.table:
        from drivetrain.report.serve import print_assumptions, print_plan

        print_assumptions(answer["assumptions"])
        print_plan(answer, pictures=not no_plot, saved=save is not None)
        if "verified" in answer:
            from drivetrain.report.verify import print_verified

            print_verified(answer["verified"])
    else:
        rows = answer["by_instance"] or answer["by_accelerator"] or [answer["closest_miss"] or {}]
        _emit(answer, rows, output)
    draw("plan", answer, target)
    if not answer["feasible"]:
        if save is not None:
            typer.echo(f"nothing is saved in {save}: there is no plan", err=True)
        raise typer.Exit(1)
    if save is not None:
        from drivetrain.deploy.save import save_plan

        typer.echo(f"saved in {save_plan(_as_verified(answer), save)}", err=True)


def predict_serve_command(
    context: typer.Context,
    model: Model = "",
    accelerator: Accelerator = "",
    layout: LayoutOption = "",
    workload: Workload = "",
    isl: Isl = "",
    osl: Osl = "",
    concurrency: Concurrency = None,
    rate_text: ReplicaRate = "",
    slo: Slo = "",
    prefix_hit: Prefix = None,
    engines: Engines = "",
    weights: Weights = "shipped",
    kv: Kv = "shipped",
    techniques: With = "",
    max_batched_tokens: Budget = None,
    max_num_seqs: Seqs = None,
    pricing: Pricing = "reserved",
    region: RegionOption = "us",
    operators: Operators = False,
    from_args: FromArgsOption = None,
    scenario_file: ScenarioOption = "",
    plot: PlotOption = "",
    no_plot: NoPlotOption = False,
    output: FormatOption = Format.table,
) -> None:
    """Evaluate one configuration: latency, throughput, memory, cost and energy of one replica.

    With --from-args the configuration is read from the command line that starts the server; flags that do not count
    are named, and with --rate what the best plan on the same accelerator would change.

    [dim]drivetrain predict serve -m llama-3.1-8b -a h100-sxm -l tp1 --isl 1024 --osl 256 -c 32[/dim]
    """
    target = plot_target(plot)
    flags: dict[str, Any] = {
        "model": model,
        "workload": workload,
        "isl": _tokens("--isl", isl),
        "osl": _tokens("--osl", osl),
        "rate": rate(rate_text) if rate_text else None,
        "concurrency": concurrency,
        "slo": slo,
        "accelerators": names(accelerator),
        "layouts": names(layout),
        "engines": names(engines),
        "weights": weights,
        "kv": kv,
        "techniques": techniques,
        "prefix_hit": prefix_hit,
        "pricing": pricing,
        "region": region,
        "max_batched_tokens": max_batched_tokens,
        "max_num_seqs": max_num_seqs,
    }
    command = None if from_args is None else _read_command(from_args, scenario_file, flags)
    scenario = chosen(context, scenario_file, **flags) if command is None else command.scenario
    announce_compile()
    from drivetrain.verbs.predict_serve import predict

    fields = predict(scenario, operators=operators or target is not None)
    if command is not None:
        from drivetrain.verbs.from_args import account

        fields["from_args"] = account(command)
    draw("predict", fields, target)
    if not operators:
        fields.pop("operators", None)
    if output is Format.table:
        from drivetrain.report.serve import print_assumptions, print_prediction

        print_assumptions(fields["assumptions"])
        print_prediction(fields, pictures=not no_plot)
        if command is not None:
            from drivetrain.report.from_args import print_from_args

            print_from_args(fields["from_args"])
    else:
        _emit(fields, [{k: v for k, v in fields.items() if not isinstance(v, list) and k != "scenario"}], output)


def _verified(answer: dict[str, Any], trace: str) -> dict[str, Any]:
    from drivetrain.cli.progress import stages
    from drivetrain.verbs.verify import verify

    with stages() as tell:
        return verify(answer, trace, tell=tell)


def _as_verified(answer: dict[str, Any]) -> dict[str, Any]:
    """What is saved: the plan as the simulation has it, where it was simulated; says where that is not as planned."""
    if "verified" not in answer:
        return answer
    from drivetrain.verbs.verified_plan import corrected

    found, kept = answer["verified"], corrected(answer, answer["verified"])
    replicas = kept["best"]["replicas"]
    if replicas != found["replicas_planned"]:
        typer.echo(f"with {replicas} replicas, as simulated, instead of {found['replicas_planned']}", err=True)
    elif found["meets_slo"] is False:
        typer.echo("as planned, although the simulation breaks its targets", err=True)
    return kept


def _read_command(line: str, scenario_file: str, flags: dict[str, Any]) -> Command:
    from drivetrain.errors import BadInputError
    from drivetrain.verbs.from_args import read_command

    if scenario_file:
        raise BadInputError("give the configuration once: either --from-args or --scenario.")
    return read_command(line, flags)


def _tokens(option: str, text: str) -> float | None:
    return tokens(option, text) if text else None


def _emit(answer: dict[str, Any], rows: list[dict[str, Any]], output: Format) -> None:
    from drivetrain.report.output import as_csv, as_json

    typer.echo(as_json(answer) if output is Format.json else as_csv(rows), nl=output is Format.json)
