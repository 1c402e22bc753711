"""``drivetrain plan serve`` and ``drivetrain predict serve``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from drivetrain.cli.options import Format, names, rate, tokens

_MODEL = "Catalogue name, or the path of a config.json, its folder, or a model TOML."
_WORKLOAD = "Workload profile (drivetrain list workloads); or give --isl and --osl."
_PREFIX = "Share of input tokens found in a prefix cache (default: the profile's own)."
_ENGINES = "Engines by name or family (default: the newest of each family)."
_WEIGHTS = "shipped, any, or a precision with a published checkpoint."
_PRICING = "reserved, on-demand, hyperscaler, neocloud or own."
_REGION = "Grid for electricity and carbon (drivetrain list regions)."
_TRAFFIC, _SPACE, _MONEY, _SHOW = "Traffic", "What to search", "Money and place", "Output"

Model = Annotated[str, typer.Option("--model", "-m", help=_MODEL)]

MeanRate = Annotated[
    str,
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
    str, typer.Option("--objective", "-o", help="cost, energy, accelerators or latency.", rich_help_panel=_SPACE)
]
Accelerators = Annotated[
    str,
    typer.Option("--accelerators", "-a", help="Only these, by name (default: all that ship).", rich_help_panel=_SPACE),
]
Accelerator = Annotated[str, typer.Option("--accelerator", "-a", help="Catalogue name.", rich_help_panel=_SPACE)]
Layouts = Annotated[str, typer.Option("--layouts", help="Only these, e.g. tp4,tp8.", rich_help_panel=_SPACE)]
LayoutOption = Annotated[str, typer.Option("--layout", "-l", help="e.g. tp4, tp8pp2, dp8ep8.", rich_help_panel=_SPACE)]
Engines = Annotated[str, typer.Option("--engines", "--engine", "-e", help=_ENGINES, rich_help_panel=_SPACE)]
Weights = Annotated[str, typer.Option("--weights", help=_WEIGHTS, rich_help_panel=_SPACE)]
Kv = Annotated[str, typer.Option("--kv", help="KV-cache precision: shipped, bf16 or fp8.", rich_help_panel=_SPACE)]
Budget = Annotated[
    float | None, typer.Option("--max-batched-tokens", help="Token budget of one step.", rich_help_panel=_SPACE)
]
Seqs = Annotated[
    float | None, typer.Option("--max-num-seqs", help="Sequences a replica may run at once.", rich_help_panel=_SPACE)
]
MaxAccelerators = Annotated[
    float, typer.Option("--max-accelerators", help="Of one type, in all replicas.", rich_help_panel=_SPACE)
]

Pricing = Annotated[str, typer.Option("--pricing", help=_PRICING, rich_help_panel=_MONEY)]
RegionOption = Annotated[str, typer.Option("--region", help=_REGION, rich_help_panel=_MONEY)]

Operators = Annotated[bool, typer.Option("--operators", help="List every operator of a step.", rich_help_panel=_SHOW)]
FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How to print the result.", rich_help_panel=_SHOW)]


def plan_serve_command(
    model: Model,
    rate_text: MeanRate,
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
    max_batched_tokens: Budget = None,
    max_num_seqs: Seqs = None,
    max_accelerators: MaxAccelerators = 4096,
    pricing: Pricing = "reserved",
    region: RegionOption = "us",
    output: FormatOption = Format.table,
) -> None:
    """Find the cheapest way to serve a model's traffic within its targets, and what limits it.

    Searches accelerators, layouts, engines, batch limits and replicas. The mean rate is what you give; replicas are
    sized for the profile's busiest hour plus --headroom, cost and energy are averaged over the day.

    [dim]drivetrain plan serve -m llama-3.1-70b -w azure-2023-conv -r 5 --slo "ttft_p95=2s,tpot_p95=50ms"[/dim]
    """
    from drivetrain.scenario import ServeScenario

    scenario = ServeScenario(
        model=model,
        workload=workload,
        isl=_tokens("--isl", isl),
        osl=_tokens("--osl", osl),
        rate=rate(rate_text),
        slo=slo,
        objective=objective,
        accelerators=names(accelerators),
        engines=names(engines),
        layouts=names(layouts),
        weights=weights,
        kv=kv,
        headroom=headroom,
        prefix_hit=prefix_hit,
        pricing=pricing,
        region=region,
        max_accelerators=max_accelerators,
        max_batched_tokens=max_batched_tokens,
        max_num_seqs=max_num_seqs,
    )
    _announce_compile()
    from drivetrain.verbs.plan_serve import plan

    answer = plan(scenario)
    if output is Format.table:
        from drivetrain.report.serve import print_assumptions, print_plan

        print_assumptions(answer["assumptions"])
        print_plan(answer)
    else:
        _emit(answer, answer["by_accelerator"] or [answer["closest_miss"] or {}], output)
    if not answer["feasible"]:
        raise typer.Exit(1)


def predict_serve_command(
    model: Model,
    accelerator: Accelerator,
    layout: LayoutOption,
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
    max_batched_tokens: Budget = None,
    max_num_seqs: Seqs = None,
    pricing: Pricing = "reserved",
    region: RegionOption = "us",
    operators: Operators = False,
    output: FormatOption = Format.table,
) -> None:
    """Evaluate one configuration: latency, throughput, memory, cost and energy of one replica.

    [dim]drivetrain predict serve -m llama-3.1-8b -a h100-sxm -l tp1 --isl 1024 --osl 256 -c 32[/dim]
    """
    from drivetrain.scenario import ServeScenario

    scenario = ServeScenario(
        model=model,
        workload=workload,
        isl=_tokens("--isl", isl),
        osl=_tokens("--osl", osl),
        rate=rate(rate_text) if rate_text else None,
        concurrency=concurrency,
        slo=slo,
        accelerators=names(accelerator),
        layouts=names(layout),
        engines=names(engines),
        weights=weights,
        kv=kv,
        prefix_hit=prefix_hit,
        pricing=pricing,
        region=region,
        max_batched_tokens=max_batched_tokens,
        max_num_seqs=max_num_seqs,
    )
    _announce_compile()
    from drivetrain.verbs.predict_serve import predict

    fields = predict(scenario, operators=operators)
    if output is Format.table:
        from drivetrain.report.serve import print_assumptions, print_prediction

        print_assumptions(fields["assumptions"])
        print_prediction(fields)
    else:
        _emit(fields, [{k: v for k, v in fields.items() if not isinstance(v, list)}], output)


def _tokens(option: str, text: str) -> float | None:
    return tokens(option, text) if text else None


def _emit(answer: dict[str, Any], rows: list[dict[str, Any]], output: Format) -> None:
    from drivetrain.report.output import as_csv, as_json

    typer.echo(as_json(answer) if output is Format.json else as_csv(rows), nl=output is Format.json)


def _announce_compile() -> None:
    """Say once on a machine why the first answer takes longer."""
    from drivetrain.cost.jit import announce_with

    announce_with(lambda text: typer.echo(text, err=True))
