"""The options of ``drivetrain simulate``: texts that :mod:`drivetrain.verbs.simulate_choices` reads, in panels."""

from __future__ import annotations

from typing import Annotated, Any

import typer

_WHAT, _TRAFFIC, _FLEET, _POLICIES = "What serves", "Traffic", "Fleet", "Policies"
_WRONG, _RUN, _SHOW = "What goes wrong", "Run", "Output"

_LAYOUT = 'e.g. tp4, dp8ep8; pools "prefill: tp4 x2, decode: tp8 x1". Default: the smallest that fits.'
_TRACE = "Replay this file: Azure CSV, Mooncake JSONL, BurstGPT CSV, vLLM bench datasets, own CSV or Parquet."
_RATE = "Mean requests per second, e.g. 5 or '300 req/min'; scales a trace without changing its bursts."
_LENGTHS = "Lengths of ServeGen's clients, where --trace holds their rates."
_SESSIONS = 'Tasks of several calls with growing prompts, e.g. "calls=20,gap=2s"; each call adds --isl tokens.'
_POOL = 'One more pool, repeatable: "big: model=llama-3.1-70b, layout=tp4, replicas=2, region=eu".'
_NETWORK = 'One-way delays, e.g. "access=10ms,us-eu=45ms". Default: the catalogue\'s between regions.'
_CACHE = "Prefix cache: none, lru, or with host memory per accelerator lru,host=64GB. Default: the engine's."
_FAULTS = 'Failures: on (rate from the catalogue), or e.g. "mtbf=50000h,repair=1h,detect=10s".'
_SPOT = 'Reclaimed capacity, e.g. "rate=0.05,notice=120s,back=30min" per replica-hour.'
_SLOW = 'Slow replica, repeatable: "replica 3 x2 from 60s to 120s".'
_PARTITION = 'Regions that do not reach each other, repeatable: "us-eu from 100s to 160s".'
_HASH_TOKENS = "Tokens of a named prefix block: merges a trace's (default: as they are), names drawn ones (64)."
_FILE_HASH_TOKENS = "Tokens that a name in the trace stands for (default: told from the prompts' lengths)."
_SLO = 'Targets, e.g. "ttft_p95=2s,tpot_p95=50ms"; goodput holds every request to their limits.'
_COMPARE = 'Same traffic, several choices side by side: "route=round-robin,prefix-aware"; "a=1,2;b=3,4" combines.'
_REPLICATIONS = "Runs with seeds of their own, for confidence intervals."
_OUT = "Write one row per request to this .parquet or .csv file."
_TIMELINE = "Write steps and requests as a Chrome trace (.json) for ui.perfetto.dev."
_SCENARIO = "Read choices from this .toml or .json file, saved answer or saved plan; options given beside it win."


def _option(help: str, panel: str, *names: str, metavar: str | None = None) -> Any:  # noqa: ANN401, A002 - typer's own
    return typer.Option(*names, help=help, rich_help_panel=panel, metavar=metavar, show_default=False)


Model = Annotated[
    str | None, _option("Catalogue name, or the path of a config.json or model TOML.", _WHAT, "--model", "-m")
]
Accelerator = Annotated[str | None, _option("Catalogue name.", _WHAT, "--accelerator", "-a")]
Layout = Annotated[str | None, _option(_LAYOUT, _WHAT, "--layout", "-l")]
Engine = Annotated[str | None, _option("Engine by name or family. Default: the newest vllm.", _WHAT, "--engine", "-e")]
Weights = Annotated[
    str | None, _option("shipped (default) or a precision with a published checkpoint.", _WHAT, "--weights")
]
Kv = Annotated[str | None, _option("KV-cache precision: shipped (default), bf16 or fp8.", _WHAT, "--kv")]
Techniques = Annotated[str | None, _option('Techniques, e.g. "speculative=mtp,power-cap=0.7".', _WHAT, "--with")]
MaxBatchedTokens = Annotated[float | None, _option("Token budget of one step.", _WHAT, "--max-batched-tokens")]
MaxNumSeqs = Annotated[float | None, _option("Sequences a replica may run at once.", _WHAT, "--max-num-seqs")]
AllowUnverified = Annotated[bool | None, _option("Also what nobody knows to start.", _WHAT, "--allow-unverified")]
Trace = Annotated[str | None, _option(_TRACE, _TRAFFIC, "--trace", "-t", metavar="FILE")]
Workload = Annotated[
    str | None, _option("Profile to draw requests from (drivetrain list workloads).", _TRAFFIC, "--workload", "-w")
]
Isl = Annotated[str | None, _option("Input tokens of every request.", _TRAFFIC, "--isl")]
Osl = Annotated[
    str | None, _option("Output tokens of every request, also of a trace that states none.", _TRAFFIC, "--osl")
]
LengthRange = Annotated[
    float | None, _option("Draw lengths from so much below: 0.2 is 80 to 100 %.", _TRAFFIC, "--length-range")
]
RateText = Annotated[str | None, _option(_RATE, _TRAFFIC, "--rate", "-r")]
Concurrency = Annotated[float | None, _option("Closed loop: so many in flight.", _TRAFFIC, "--concurrency", "-c")]
Think = Annotated[str | None, _option("Pause after an answer in a closed loop.", _TRAFFIC, "--think")]
Requests = Annotated[str | None, _option("How many to draw (default 10000).", _TRAFFIC, "--requests", "-n")]
Duration = Annotated[str | None, _option("For how long requests come, e.g. 10min.", _TRAFFIC, "--duration")]
Arrivals = Annotated[
    str | None, _option("Law of the time between arrivals: gamma (default), weibull, poisson.", _TRAFFIC, "--arrivals")
]
Burstiness = Annotated[
    float | None, _option("Its coefficient of variation. Default: the workload's, else 1.", _TRAFFIC, "--burstiness")
]
Day = Annotated[str | None, _option("Rate over the day: flat (default), profile or sine.", _TRAFFIC, "--day")]
PeakToMean = Annotated[float | None, _option("Of a sine day.", _TRAFFIC, "--peak-to-mean")]
DayLength = Annotated[
    str | None, _option("Length of a day (default 24h): a short one tries out scaling.", _TRAFFIC, "--day-length")
]
Start = Annotated[str | None, _option("Time of the day at which traffic begins, e.g. 9h.", _TRAFFIC, "--start")]
Sessions = Annotated[str | None, _option(_SESSIONS, _TRAFFIC, "--sessions")]
PrefixHit = Annotated[
    float | None, _option("Share of input that an endless prefix cache would find.", _TRAFFIC, "--prefix-hit")
]
Origins = Annotated[str | None, _option('Where requests come from, e.g. "us=0.7,eu=0.3".', _TRAFFIC, "--origins")]
Priorities = Annotated[str | None, _option('Shares of priority classes, e.g. "0.9,0.1".', _TRAFFIC, "--priorities")]
Speedup = Annotated[float | None, _option("Replay a trace so many times faster.", _TRAFFIC, "--speedup")]
Limit = Annotated[str | None, _option("Only the first rows of a trace.", _TRAFFIC, "--limit")]
TooLong = Annotated[
    str | None, _option("What is longer than that: error (default), drop or truncate.", _TRAFFIC, "--too-long")
]
MaxContext = Annotated[
    str | None, _option("Longest request, tokens in and out (default: the model's context).", _TRAFFIC, "--max-context")
]
BadRows = Annotated[str | None, _option("Rows that make no sense: error (default) or drop.", _TRAFFIC, "--bad-rows")]
Jitter = Annotated[
    str | None,
    _option("Move each arrival by up to so much; auto (default): a coarse clock's tick.", _TRAFFIC, "--jitter"),
]
Hashes = Annotated[
    str | None, _option("A trace's names of prefix blocks: keep (default) or drop.", _TRAFFIC, "--hashes")
]
HashTokens = Annotated[str | None, _option(_HASH_TOKENS, _TRAFFIC, "--hash-tokens")]
FileHashTokens = Annotated[str | None, _option(_FILE_HASH_TOKENS, _TRAFFIC, "--file-hash-tokens")]
CharsPerToken = Annotated[
    float | None, _option("Where a trace has text: characters of a token (default 4).", _TRAFFIC, "--chars-per-token")
]
Stream = Annotated[
    bool | None,
    typer.Option(
        "--stream/--no-stream",
        help="Play a trace in parts, in bounded memory (default: where it is large); percentiles within 0.5 %.",
        rich_help_panel=_TRAFFIC,
        show_default=False,
    ),
]
Lengths = Annotated[str | None, _option(_LENGTHS, _TRAFFIC, "--lengths", metavar="FILE")]
Servegen = Annotated[
    str | None, _option("Which of ServeGen's categories, e.g. language/m-large.", _TRAFFIC, "--servegen")
]
Slo = Annotated[str | None, _option(_SLO, _TRAFFIC, "--slo")]
Replicas = Annotated[int | None, _option("Copies that serve (default 1).", _FLEET, "--replicas")]
MaxReplicas = Annotated[int | None, _option("Up to how many a scale policy may go.", _FLEET, "--max-replicas")]
Pools = Annotated[list[str] | None, _option(_POOL, _FLEET, "--pool")]
Region = Annotated[
    str | None, _option("Grid, prices and place of the main pool (drivetrain list regions).", _FLEET, "--region")
]
Network = Annotated[str | None, _option(_NETWORK, _FLEET, "--network")]
Pricing = Annotated[
    str | None, _option("reserved (default), on-demand, hyperscaler, neocloud or own.", _FLEET, "--pricing")
]
Cache = Annotated[str | None, _option(_CACHE, _FLEET, "--cache")]
Route = Annotated[
    str | None, _option("To which replica (default least-loaded; drivetrain list policies).", _POLICIES, "--route")
]
Admit = Annotated[
    str | None, _option("Whether at all: always (default), token-bucket, slo-aware.", _POLICIES, "--admit")
]
Schedule = Annotated[
    str | None, _option("In which order: fcfs (default), priority, shortest.", _POLICIES, "--schedule")
]
Select = Annotated[
    str | None, _option("By which model: one-model (default), by-difficulty, cascade.", _POLICIES, "--select")
]
Scale = Annotated[
    str | None,
    _option("How many: fixed (default), target-concurrency, target-queue, predictive.", _POLICIES, "--scale"),
]
ScaleEvery = Annotated[str | None, _option("Time between its decisions (default 15s).", _POLICIES, "--scale-every")]
PolicyFile = Annotated[
    str | None, _option("Python file with policies of your own.", _POLICIES, "--policy-file", metavar="FILE")
]
Scrape = Annotated[
    str | None,
    _option("Time between readings of engine metrics (default 50ms; 0: at each use).", _POLICIES, "--scrape"),
]
EventLag = Annotated[
    str | None, _option("How late cache events reach the router (default 10ms).", _POLICIES, "--event-lag")
]
Faults = Annotated[str | None, _option(_FAULTS, _WRONG, "--faults")]
Spot = Annotated[str | None, _option(_SPOT, _WRONG, "--spot")]
Slow = Annotated[list[str] | None, _option(_SLOW, _WRONG, "--slow")]
Partition = Annotated[list[str] | None, _option(_PARTITION, _WRONG, "--partition")]
Retry = Annotated[str | None, _option("Pause before a lost request is sent again (default 1s).", _WRONG, "--retry")]
MaxRetries = Annotated[int | None, _option("How often at most (default 2).", _WRONG, "--max-retries")]
Seed = Annotated[int | None, _option("Same seed, same bytes (default 1).", _RUN, "--seed")]
Replications = Annotated[int | None, _option(_REPLICATIONS, _RUN, "--replications")]
Compare = Annotated[str | None, _option(_COMPARE, _RUN, "--compare")]
Horizon = Annotated[
    str | None, _option("End there whatever is under way (default: when all is served).", _RUN, "--horizon")
]
Sample = Annotated[str | None, _option("Time between samples of the series.", _RUN, "--sample")]
ScenarioFile = Annotated[str | None, _option(_SCENARIO, _RUN, "--scenario", metavar="FILE")]
Out = Annotated[str | None, _option(_OUT, _SHOW, "--out", "-o", metavar="FILE")]
Timeline = Annotated[str | None, _option(_TIMELINE, _SHOW, "--timeline", metavar="FILE")]
