"""``drivetrain simulate``."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from drivetrain.cli import simulate_options as o
from drivetrain.cli.files import NoPlotOption, PlotOption, draw, plot_target
from drivetrain.cli.options import Format, names, rate, tokens
from drivetrain.cli.progress import announce_compile, stages
from drivetrain.cli.serve import FormatOption
from drivetrain.errors import BadInputError
from drivetrain.units import number, show

if TYPE_CHECKING:
    from drivetrain.report.simulate_requests import RequestFile
    from drivetrain.verbs.simulate_choices import Question
    from drivetrain.verbs.simulate_run import Played, Run


def simulate_command(
    model: o.Model = None,
    accelerator: o.Accelerator = None,
    layout: o.Layout = None,
    engine: o.Engine = None,
    weights: o.Weights = None,
    kv: o.Kv = None,
    techniques: o.Techniques = None,
    max_batched_tokens: o.MaxBatchedTokens = None,
    max_num_seqs: o.MaxNumSeqs = None,
    allow_unverified: o.AllowUnverified = None,
    trace: o.Trace = None,
    workload: o.Workload = None,
    isl: o.Isl = None,
    osl: o.Osl = None,
    length_range: o.LengthRange = None,
    rate_text: o.RateText = None,
    concurrency: o.Concurrency = None,
    think: o.Think = None,
    requests: o.Requests = None,
    duration: o.Duration = None,
    arrivals: o.Arrivals = None,
    burstiness: o.Burstiness = None,
    day: o.Day = None,
    peak_to_mean: o.PeakToMean = None,
    day_length: o.DayLength = None,
    start: o.Start = None,
    sessions: o.Sessions = None,
    prefix_hit: o.PrefixHit = None,
    origins: o.Origins = None,
    priorities: o.Priorities = None,
    speedup: o.Speedup = None,
    limit: o.Limit = None,
    max_context: o.MaxContext = None,
    too_long: o.TooLong = None,
    bad_rows: o.BadRows = None,
    jitter: o.Jitter = None,
    hashes: o.Hashes = None,
    hash_tokens: o.HashTokens = None,
    file_hash_tokens: o.FileHashTokens = None,
    chars_per_token: o.CharsPerToken = None,
    stream: o.Stream = None,
    lengths: o.Lengths = None,
    servegen: o.Servegen = None,
    slo: o.Slo = None,
    replicas: o.Replicas = None,
    max_replicas: o.MaxReplicas = None,
    pools: o.Pools = None,
    region: o.Region = None,
    network: o.Network = None,
    pricing: o.Pricing = None,
    cache: o.Cache = None,
    route: o.Route = None,
    admit: o.Admit = None,
    schedule: o.Schedule = None,
    select: o.Select = None,
    scale: o.Scale = None,
    scale_every: o.ScaleEvery = None,
    policy_file: o.PolicyFile = None,
    scrape: o.Scrape = None,
    event_lag: o.EventLag = None,
    faults: o.Faults = None,
    spot: o.Spot = None,
    slow: o.Slow = None,
    partition: o.Partition = None,
    retry: o.Retry = None,
    max_retries: o.MaxRetries = None,
    seed: o.Seed = None,
    replications: o.Replications = None,
    compare: o.Compare = None,
    horizon: o.Horizon = None,
    sample: o.Sample = None,
    scenario_file: o.ScenarioFile = None,
    out: o.Out = None,
    timeline: o.Timeline = None,
    plot: PlotOption = "",
    no_plot: NoPlotOption = False,
    output: FormatOption = Format.table,
) -> None:  # fmt: skip
    """Play traffic through a fleet, request by request: what users felt, what it cost, what it waits for.

    Traffic is a trace (--trace FILE), or drawn; policies route, admit, schedule, select, scale.

    [dim]drivetrain simulate -m llama-3.1-8b -a h100-sxm -w chat -r 20 --replications 5[/dim]

    [dim]drivetrain simulate -m llama-3.1-8b -a h100-sxm -w chat -r 60 --compare "replicas=2,3,4"[/dim]
    """
    choices: dict[str, Any] = {
        "model": model, "accelerators": _listed(accelerator), "layouts": _listed(layout), "engines": _listed(engine),
        "weights": weights, "kv": kv, "techniques": techniques, "max_batched_tokens": max_batched_tokens,
        "max_num_seqs": max_num_seqs, "allow_unverified": allow_unverified, "trace": trace, "workload": workload,
        "isl": None if isl is None else tokens("--isl", isl), "osl": None if osl is None else tokens("--osl", osl),
        "length_range": length_range, "rate": None if rate_text is None else rate(rate_text),
        "concurrency": concurrency, "think_s": think, "requests": requests, "duration_s": duration,
        "arrivals": arrivals, "burstiness": burstiness, "day": day, "peak_to_mean": peak_to_mean,
        "day_length_s": day_length, "start_s": start,
        "sessions": sessions, "prefix_hit": prefix_hit, "origins": origins, "priorities": priorities,
        "speedup": speedup, "limit": limit, "max_context": max_context, "too_long": too_long,
        "bad_rows": bad_rows, "stream": stream, "jitter_s": jitter, "hashes": hashes, "hash_tokens": hash_tokens,
        "file_hash_tokens": file_hash_tokens,
        "chars_per_token": chars_per_token,
        "lengths": lengths,
        "servegen": servegen, "slo": slo, "replicas": replicas, "max_replicas": max_replicas, "pools": pools or None,
        "region": region, "network": network, "pricing": pricing, "cache": cache, "route": route, "admit": admit,
        "schedule": schedule, "select": select, "scale": scale, "scale_every_s": scale_every,
        "policy_file": policy_file, "scrape_s": scrape, "event_lag_s": event_lag, "faults": faults, "spot": spot,
        "slow": slow or None, "partition": partition or None, "retry_s": retry, "max_retries": max_retries,
        "seed": seed, "replications": replications, "horizon_s": horizon, "sample_s": sample,
    }  # fmt: skip
    given = {name: value for name, value in choices.items() if value is not None}
    files = _checked_files(out, timeline, plot, [trace, lengths, policy_file, scenario_file])
    _play(given, compare or "", scenario_file or "", files, output, pictures=not no_plot)


@dataclass(frozen=True, slots=True)
class _Files:
    """What is written beside the answer."""

    requests: Path | None
    timeline: Path | None
    plot: Path | None


def _checked_files(out: str | None, timeline: str | None, plot: str, read: Sequence[str | None]) -> _Files:
    """Names of files to be written, before anything is computed."""
    from drivetrain.report.simulate_requests import checked_file

    inputs = [name for name in read if name]
    return _Files(
        checked_file("--out", out, (".parquet", ".csv"), inputs) if out else None,
        checked_file("--timeline", timeline, (".json",), inputs) if timeline else None,
        plot_target(plot),
    )


def _play(
    given: dict[str, Any], compare: str, scenario_file: str, files: _Files, output: Format, *, pictures: bool
) -> None:
    from drivetrain.verbs.simulate_choices import question_of
    from drivetrain.verbs.simulate_file import read_simulation

    kept = read_simulation(scenario_file) if scenario_file else {}
    compare = compare or kept.pop("compare", "")  # type: ignore[assignment]
    question = question_of(kept, given)
    if files.timeline and (compare or question.own.replications > 1):
        raise BadInputError("--timeline shows one run: leave out --compare and --replications.")
    if files.timeline and question.own.stream:
        raise BadInputError("--timeline shows a run that is held in memory: leave out --stream.")
    announce_compile()
    try:
        _play_question(question, compare, files, output, pictures=pictures)
    except KeyboardInterrupt:
        typer.echo("interrupted before there was anything to show", err=True)
        raise typer.Exit(130) from None


def _play_question(question: Question, compare: str, files: _Files, output: Format, *, pictures: bool) -> None:
    several = question.own.replications > 1
    with _request_file(files.requests, variants=bool(compare), replications=several) as rows:
        answer, played = _answered(question, compare, rows, log_steps=bool(files.timeline))
        if rows is not None:  # files first: whoever reads the answer may stop in its middle
            typer.echo(f"{rows.write():,} requests written to {files.requests}", err=True)
    if files.timeline and played is not None:
        _write_timeline(played.runs[0], files.timeline)
    draw("simulate", answer, files.plot)
    _print(answer, output, pictures=pictures)
    if answer["meta"]["partial"]:
        raise typer.Exit(130)


def _answered(
    question: Question, compare: str, rows: RequestFile | None, *, log_steps: bool
) -> tuple[dict[str, Any], Played | None]:
    """The answer; and what was played, where that is one question."""
    with stages() as tell:
        if compare:
            from drivetrain.verbs.simulate_compare import compare_variants

            return compare_variants(question, compare, tell=tell, take=rows.of if rows else None).answer, None
        from drivetrain.report.timeline import MOST_STEPS
        from drivetrain.verbs.simulate import answer_of
        from drivetrain.verbs.simulate_run import play

        started = time.perf_counter()
        found = play(question, tell=tell, log_steps=MOST_STEPS if log_steps else 0, take=rows.of() if rows else None)
        return answer_of(found, started), found


@contextmanager
def _request_file(path: Path | None, *, variants: bool, replications: bool) -> Iterator[RequestFile | None]:
    if path is None:
        yield None
        return
    from drivetrain.report.simulate_requests import RequestFile

    with RequestFile(path, variants=variants, replications=replications) as file:
        yield file


def _print(answer: dict[str, Any], output: Format, *, pictures: bool) -> None:
    if output is Format.table:
        from drivetrain.report.serve import print_assumptions

        print_assumptions(answer["assumptions"])
        if "variants" in answer:
            from drivetrain.report.simulate_compare import print_compared

            print_compared(answer, pictures=pictures)
        else:
            from drivetrain.report.simulate import print_simulation

            print_simulation(answer, pictures=pictures)
        meta = answer["meta"]
        speed = f", {number(meta['requests_per_wall_s'])} requests/s" if meta["requests_per_wall_s"] else ""
        typer.echo(f"simulated in {show(meta['elapsed_s'], 's')}{speed}", err=True)
        return
    from drivetrain.report.output import as_csv, as_json

    if output is Format.json:
        typer.echo(as_json(answer))
        return
    rows = answer.get("variants", [answer])
    typer.echo(as_csv([{k: v for k, v in row.items() if k not in _NOT_A_ROW} for row in rows]), nl=False)


def _write_timeline(run: Run, path: Path) -> None:
    from drivetrain.report.output import write_whole
    from drivetrain.report.timeline import MOST_REQUESTS, timeline

    assert run.requests is not None
    write_whole(path, timeline(run.outcome, run.fleet, run.requests))
    logged = int(run.outcome.log[:, -1].sum()) if len(run.outcome.log) else 0
    held = f"{logged:,} of {run.outcome.steps:,} steps, {min(len(run.requests), MOST_REQUESTS):,} requests"
    typer.echo(f"timeline of {held} in {path}: open it in ui.perfetto.dev", err=True)


def _listed(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else names(text)


_NOT_A_ROW = ("series", "distribution", "replicas", "pools", "fleet", "assumptions", "sources", "scenario",
              "replications", "choices", "targets")  # fmt: skip
