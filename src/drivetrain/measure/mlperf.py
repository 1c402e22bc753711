"""MLPerf Inference results: the most tokens per second that any layout gives within the limits.

Offline is the stable capacity without limits; Server and Interactive the capacity with 99th percentiles of TTFT and
TPOT within the benchmark's. Submissions tune layout and batch; so the best over layouts is taken, one node at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from drivetrain.catalogue import loader
from drivetrain.catalogue.read_workload import fixed
from drivetrain.cost.efficiency import collective_coefficients, efficiency
from drivetrain.cost.hardware import hardware_of
from drivetrain.errors import BadInputError, DrivetrainError, LayoutError, UnsupportedError
from drivetrain.measure.names import find_accelerator, find_checkpoint, find_dtype, find_engine, find_model
from drivetrain.measure.outcome import Outcome, Progress, predict_each, quiet, summarise
from drivetrain.measure.score import Pair
from drivetrain.measure.serving import default_kv
from drivetrain.measure.spread import interval
from drivetrain.measure.table import Raw, Table
from drivetrain.serving.deployment import cut, deploy
from drivetrain.serving.lengths import lengths_of
from drivetrain.serving.search import layouts
from drivetrain.serving.slo import Target
from drivetrain.serving.steady import max_rate, prepare

REQUIRED: tuple[str | tuple[str, ...], ...] = (
    "row_id", "benchmark", "scenario", "accelerator", "n_accelerators", "weight_dtype",
)  # fmt: skip
METRICS = ("output_tokens_per_s",)
GROUPS = ("scenario", "benchmark", "accelerator", "engine")
COLUMNS = ("output_tokens_per_s", "output_tokens_per_s_p10", "output_tokens_per_s_p90", "layout", "replicas", "tier")
SIGMA = 0.35  # of log(measured / predicted) over the public v5.1 results: nothing here was fitted on them


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark's model and the mean lengths of its data set.

    Output means are those of the result logs (tokens/s over samples/s); input means are of the data sets as announced
    by MLCommons (mlcommons.org, posts on Inference 4.0, 5.0 and 5.1; logs do not record them) and so assumed.
    """

    model: str
    isl: float
    osl: float


BENCHMARKS = {
    "llama2-70b": Benchmark("llama-2-70b", 294, 293),  # OpenOrca
    "llama3.1-405b": Benchmark("llama-3.1-405b", 9400, 653),  # LongBench, RULER, GovReport summaries
    "llama3.1-8b": Benchmark("llama-3.1-8b", 778, 128),  # CNN/DailyMail, output capped at 128
    "deepseek-r1": Benchmark("deepseek-r1", 800, 3720),  # maths, code and question answering
}


def outcomes(table: Table, progress: Progress = quiet) -> list[Outcome]:
    """Predict and pair every row. Open-division rows and second filings of one run are predicted, not scored."""
    return predict_each(table.rows, _outcome, progress, _clean)


def summary(table: Table, found: Sequence[Outcome]) -> dict[str, Any]:  # noqa: ARG001 - as the other kinds
    """The JSON object of ``validate mlperf``."""
    return summarise("mlperf", found, METRICS, GROUPS)


def _clean(raw: Raw) -> bool:
    return raw.text("division") in ("", "closed") and raw.text("duplicate_of_other_accuracy_target") != "True"


def _outcome(raw: Raw) -> Outcome:
    if raw.problem:
        raise BadInputError(raw.problem)
    name = raw.text("benchmark").removesuffix("-99.9").removesuffix("-99")
    if name not in BENCHMARKS:
        raise BadInputError(f"unknown benchmark '{raw.text('benchmark')}'. Known: {', '.join(BENCHMARKS)}.")
    if not raw.text("accelerator"):
        raise UnsupportedError("no accelerator named (a CPU result): only accelerators are modelled.")
    accelerator = find_accelerator(raw.text("accelerator"))
    notes: list[str] = []
    model = find_model(BENCHMARKS[name].model, notes)
    if raw.text("weight_dtype").lower() in ("", "unset"):
        raise BadInputError("weight_dtype is not set.")
    dtype = find_dtype(raw.text("weight_dtype"), model, accelerator.vendor)
    engine = find_engine(_software(raw.text("software")), "", notes)
    n = raw.whole("n_accelerators")
    per_node = raw.whole("accelerators_per_node") or n
    if n is None or per_node is None:
        raise BadInputError("n_accelerators is blank.")
    limits: tuple[Target, ...] = ()
    if raw.text("scenario") in ("Server", "Interactive"):
        limits = tuple(Target(m, "p99", raw.need(f"{m}_limit_s")) for m in ("ttft", "tpot") if raw.text(f"{m}_limit_s"))
    elif raw.text("scenario") != "Offline":
        raise BadInputError(f"unknown scenario '{raw.text('scenario')}'. Known: Offline, Server, Interactive.")
    node = min(per_node, n)
    best = capacity(name, accelerator.name, dtype, engine.family, node, limits)
    rate = best.tokens_per_s * n / node
    low, high = interval(rate, SIGMA)
    values = {"output_tokens_per_s": f"{rate:.6g}", "output_tokens_per_s_p10": f"{low:.6g}",
              "output_tokens_per_s_p90": f"{high:.6g}", "layout": best.layout, "replicas": best.replicas * n // node,
              "tier": best.tier}  # fmt: skip
    keys = {"scenario": raw.text("scenario"), "benchmark": name, "accelerator": accelerator.name,
            "engine": engine.family}  # fmt: skip
    clean, pairs, unscored = _clean(raw), {}, ""
    if clean and raw.text("result"):
        try:
            pairs = {"output_tokens_per_s": Pair(rate, raw.need("result"), low, high)}
        except DrivetrainError as error:
            unscored = str(error.args[0])
    return Outcome(raw.row_id, values, pairs, keys, unscored=unscored, note="; ".join(notes), clean=clean)


def _software(text: str) -> str:
    """Engine family of a software string; submissions that do not name one are mostly vLLM builds."""
    folded = text.lower()
    return "trtllm" if "tensorrt" in folded else "sglang" if "sglang" in folded else "vllm"


@dataclass(frozen=True, slots=True)
class Capacity:
    """Tokens per second of ``replicas`` replicas cut as ``layout``."""

    tokens_per_s: float
    layout: str
    replicas: int
    tier: str


@lru_cache(maxsize=256)
def capacity(
    benchmark: str, accelerator: str, dtype: str, engine_family: str, n: int, limits: tuple[Target, ...]
) -> Capacity:
    """The best layout on ``n`` accelerators of one node; raises where none fits or none meets the limits."""
    data = BENCHMARKS[benchmark]
    model, engine = loader.load("models", data.model), loader.load("engines", engine_family)
    part = find_accelerator(accelerator)
    hardware = hardware_of(part)
    lengths = lengths_of(fixed(data.isl, data.osl))
    eff, links = efficiency(engine.family, hardware.generation), collective_coefficients(engine.family)
    budget, seqs = engine.limits_on(part.name, part.usable_bytes)
    best: Capacity | None = None
    fitted = False
    for layout in layouts(model, min(n, max(hardware.topology.domain, 1)), n):
        try:
            piece = cut(model, find_checkpoint(model.name, dtype), layout, default_kv(dtype, engine.family))
            prepared = prepare(deploy(piece, hardware, engine, eff, links), lengths, float(budget), float(seqs or 1e9))
        except LayoutError:
            continue
        if prepared.memory.fits < 1:
            continue
        fitted = True
        replicas = n // layout.n_accelerators
        tokens = max_rate(prepared, limits) * data.osl * replicas
        if tokens > 0 and (best is None or tokens > best.tokens_per_s):
            best = Capacity(tokens, str(layout), replicas, eff.tier)
    if best is None:
        why = "no layout meets the latency limits" if fitted else "no layout fits the memory"
        raise UnsupportedError(f"{why} on {n} x {accelerator} with {dtype} weights.")
    return best
