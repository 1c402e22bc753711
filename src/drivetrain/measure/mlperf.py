"""MLPerf Inference results: the most tokens per second that any layout gives within the limits.

Offline is the stable capacity without limits; Server and Interactive the capacity with 99th percentiles of TTFT and
TPOT within the benchmark's. Submissions tune layout and batch; so the best over layouts is taken, one node at a time.
Submissions are tuned by hand, and one host feeds a node: ``[tuning]`` of ``calibration/mlperf.toml`` says what that
does to speed, fitted by :mod:`drivetrain.measure.mlperf_fit`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from drivetrain.catalogue import loader
from drivetrain.cost.efficiency import Efficiency, calibration, collective_coefficients, efficiency
from drivetrain.cost.hardware import hardware_of
from drivetrain.errors import BadInputError, DrivetrainError, LayoutError, UnsupportedError
from drivetrain.measure.benchmarks import Benchmark, find_benchmark, request_lengths
from drivetrain.measure.names import find_accelerator, find_checkpoint, find_dtype, find_engine, find_model
from drivetrain.measure.outcome import Outcome, Progress, predict_each, quiet, summarise
from drivetrain.measure.score import Pair
from drivetrain.measure.serving import cut_of, default_kv
from drivetrain.measure.spread import interval
from drivetrain.measure.table import Raw, Table
from drivetrain.serving.deployment import deploy
from drivetrain.serving.search import layouts
from drivetrain.serving.slo import Target
from drivetrain.serving.steady import max_rate, prepare

REQUIRED: tuple[str | tuple[str, ...], ...] = (
    "row_id", "benchmark", "scenario", "accelerator", "n_accelerators", "weight_dtype",
)  # fmt: skip
METRICS = ("output_tokens_per_s",)
GROUPS = ("scenario", "benchmark", "accelerator", "engine")
COLUMNS = ("output_tokens_per_s", "output_tokens_per_s_p10", "output_tokens_per_s_p90", "layout", "replicas", "tier")
SCENARIOS = ("Offline", "Server", "Interactive")
_TUNED = ("narrow_compute", "attention_compute")
_DIGITS = 3  # of mean outputs, so that runs of one benchmark share predictions


@dataclass(frozen=True, slots=True)
class Case:
    """What a row asks of one node: ``n`` accelerators that serve ``osl`` tokens a request within ``limits``."""

    benchmark: Benchmark
    scenario: str
    accelerator: str
    dtype: str
    engine_family: str
    n: int
    isl: float
    osl: float
    limits: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class Tuning:
    """What hand-built submissions do to speed.

    ``compute``: by engine family, a factor on the compute shares of weights in 8 and 4 bits and of attention.
    ``host_requests_per_s``: what the host of a node feeds its accelerators at most. ``kept``: by scenario, the share
    of the capacity within the limits that submitters dare to claim.
    """

    compute: Mapping[str, float]
    host_requests_per_s: float = math.inf
    kept: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Capacity:
    """Tokens per second of ``replicas`` replicas cut as ``layout``; nothing where ``why`` says why."""

    tokens_per_s: float
    layout: str = ""
    replicas: int = 0
    tier: str = ""
    why: str = ""


def outcomes(table: Table, progress: Progress = quiet) -> list[Outcome]:
    """Predict and pair every row. Open-division rows and second filings of one run are predicted, not scored."""
    return predict_each(table.rows, _outcome, progress, is_clean)


def summary(table: Table, found: Sequence[Outcome]) -> dict[str, Any]:  # noqa: ARG001 - as the other kinds
    """The JSON object of ``validate mlperf``."""
    return summarise("mlperf", found, METRICS, GROUPS)


def is_clean(raw: Raw) -> bool:
    """Whether a row is of the closed division and not a second filing of the same run."""
    return raw.text("division") in ("", "closed") and raw.text("duplicate_of_other_accuracy_target") != "True"


def _outcome(raw: Raw) -> Outcome:
    notes: list[str] = []
    case, nodes = read_case(raw, notes)
    best = predicted(case, tuning())
    if best.why:
        raise UnsupportedError(best.why)
    rate = best.tokens_per_s * nodes
    low, high = interval(rate, _sigma(case.scenario))
    values = {"output_tokens_per_s": f"{rate:.6g}", "output_tokens_per_s_p10": f"{low:.6g}",
              "output_tokens_per_s_p90": f"{high:.6g}", "layout": best.layout,
              "replicas": round(best.replicas * nodes), "tier": best.tier}  # fmt: skip
    keys = {"scenario": case.scenario, "benchmark": case.benchmark.name, "accelerator": case.accelerator,
            "engine": case.engine_family}  # fmt: skip
    clean, pairs, unscored = is_clean(raw), {}, ""
    if clean and raw.text("result"):
        try:
            pairs = {"output_tokens_per_s": Pair(rate, raw.need("result"), low, high)}
        except DrivetrainError as error:
            unscored = str(error.args[0])
    return Outcome(raw.row_id, values, pairs, keys, unscored=unscored, note="; ".join(notes), clean=clean)


def read_case(raw: Raw, notes: list[str]) -> tuple[Case, float]:
    """What a row asks of one node, and how many nodes there are; ``notes`` receives every liberty taken."""
    if raw.problem:
        raise BadInputError(raw.problem)
    benchmark = find_benchmark(raw.text("benchmark"))
    if not raw.text("accelerator"):
        raise UnsupportedError("no accelerator named (a CPU result): only accelerators are modelled.")
    accelerator = find_accelerator(raw.text("accelerator"))
    model = find_model(benchmark.model, notes)
    if raw.text("weight_dtype").lower() in ("", "unset"):
        raise BadInputError("weight_dtype is not set.")
    dtype = find_dtype(raw.text("weight_dtype"), model, accelerator.vendor)
    engine = find_engine(_software(raw.text("software")), "", notes)
    n = raw.whole("n_accelerators")
    if n is None:
        raise BadInputError("n_accelerators is blank.")
    node = min(raw.whole("accelerators_per_node") or n, n)
    per_card = 2 if "dual" in raw.text("accelerator").lower() else 1
    if per_card > 1:
        notes.append("cards of two accelerators")
    scenario = raw.text("scenario")
    limits: tuple[Target, ...] = ()
    if scenario in ("Server", "Interactive"):
        limits = tuple(Target(m, "p99", raw.need(f"{m}_limit_s")) for m in ("ttft", "tpot") if raw.text(f"{m}_limit_s"))
    elif scenario != "Offline":
        raise BadInputError(f"unknown scenario '{scenario}'. Known: {', '.join(SCENARIOS)}.")
    isl = raw.number("mean_input_tokens_per_request") or benchmark.isl
    osl = raw.number("mean_output_tokens_per_request") or benchmark.osl
    return Case(
        benchmark=benchmark, scenario=scenario, accelerator=accelerator.name, dtype=dtype, engine_family=engine.family,
        n=node * per_card, isl=isl, osl=_rounded(osl), limits=limits,
    ), n / node  # fmt: skip


def predicted(case: Case, tuned: Tuning) -> Capacity:
    """The capacity that a submission of ``case`` reaches."""
    best = capacity(case, tuned.compute.get(case.engine_family, 1.0))
    kept = (tuned.kept or {}).get(case.scenario, 1.0)
    return replace(best, tokens_per_s=min(best.tokens_per_s * kept, tuned.host_requests_per_s * case.osl))


@lru_cache(maxsize=4096)
def capacity(case: Case, compute: float = 1.0) -> Capacity:
    """The best layout on one node; compute shares of narrow weights and attention are ``compute`` times the fitted."""
    model, engine = loader.load("models", case.benchmark.model), loader.load("engines", case.engine_family)
    part = find_accelerator(case.accelerator)
    hardware = hardware_of(part)
    eff = tuned_efficiency(case.engine_family, hardware.generation, compute)
    links = collective_coefficients(engine.family)
    budget, seqs = engine.limits_on(part.name, part.usable_bytes)
    lengths = request_lengths(case.benchmark, case.isl, case.osl)
    kv_dtype = default_kv(case.dtype, engine.family)
    find_checkpoint(model.name, case.dtype)  # says which precisions there are, where there is none
    best, fitted = Capacity(0.0), False
    for layout in layouts(model, min(case.n, max(hardware.topology.domain, 1)), case.n):
        try:
            piece = cut_of(model.name, case.dtype, layout, kv_dtype)
            prepared = prepare(deploy(piece, hardware, engine, eff, links), lengths, float(budget), float(seqs or 1e9))
        except LayoutError:
            continue
        if prepared.memory.fits < 1:
            continue
        fitted = True
        replicas = case.n // layout.n_accelerators
        tokens = max_rate(prepared, case.limits) * case.osl * replicas
        if tokens > best.tokens_per_s:
            best = Capacity(tokens, str(layout), replicas, eff.tier)
    if best.tokens_per_s > 0:
        return best
    why = "no layout meets the latency limits" if fitted else "no layout fits the memory"
    return Capacity(0.0, why=f"{why} on {case.n} x {part.name} with {case.dtype} weights.")


def tuned_efficiency(engine_family: str, generation: str, compute: float) -> Efficiency:
    """Coefficients of the serving calibration with the tuned compute shares, at most 1."""
    eff = efficiency(engine_family, generation)
    return replace(eff, **{name: min(getattr(eff, name) * compute, 1.0) for name in _TUNED})


def tuning() -> Tuning:
    """As fitted: ``[tuning]`` of the calibration."""
    raw = calibration("mlperf")["tuning"]
    return Tuning(raw["compute"], float(raw.get("host_requests_per_s", math.inf)), raw.get("kept"))


def _sigma(scenario: str) -> float:
    return float(calibration("mlperf")["spread"][scenario.lower()])


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _software(text: str) -> str:
    """Engine family of a software string; submissions that do not name one are mostly vLLM builds."""
    folded = text.lower()
    return "trtllm" if "tensorrt" in folded else "sglang" if "sglang" in folded else "vllm"
