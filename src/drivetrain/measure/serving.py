"""Measured steady-state serving runs: row -> deployment -> replayed load test -> predicted TTFT and TPOT."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from drivetrain.arch.layout import Layout
from drivetrain.catalogue import loader
from drivetrain.catalogue.hardware import Accelerator
from drivetrain.catalogue.market import Engine
from drivetrain.catalogue.model import Model
from drivetrain.catalogue.read_workload import fixed
from drivetrain.cost.efficiency import Tier, collective_coefficients, efficiency
from drivetrain.cost.hardware import Hardware, hardware_of
from drivetrain.errors import BadInputError, DoesNotFitError, DrivetrainError, UnsupportedError
from drivetrain.measure.harness import Latencies, runs_prefill_first, simulate
from drivetrain.measure.layouts import Placed, place
from drivetrain.measure.names import find_accelerator, find_checkpoint, find_dtype, find_engine, find_model
from drivetrain.measure.outcome import Progress, quiet
from drivetrain.measure.recipes import DEFAULT, Recipe, recipe
from drivetrain.measure.spread import interval, kind_of
from drivetrain.measure.table import Raw
from drivetrain.measure.uncertainty import Setting, Uncertainty, uncertainty
from drivetrain.serving.deployment import Cut, Deployment, cut, deploy
from drivetrain.serving.lengths import Lengths, lengths_of
from drivetrain.serving.steady import Prepared, prepare

REQUIRED: tuple[str | tuple[str, ...], ...] = (
    "row_id", "engine", "model", "accelerator", ("weight_dtype", "weight_precision"), "concurrency_requests", "n_gpus",
    "input_tokens_mean", "output_tokens_mean",
)  # fmt: skip
SATURATED_TTFT_S = 5.0
# How far request lengths spread below their longest, by harness: InferenceX draws them in [0.8 L, L]. The other takes
# them as labelled; slots still drift apart (a tenth does it here) but for prompts of 1024 tokens and multiples under
# an engine that runs prompts first: those end, and start again, together.
SPREADS = {"inferencex": 0.2, "nvidia-gap": 0.1}
_IN_STEP_TOKENS = 1024
_MOST_CONCURRENCY, _MOST_TOKENS = 100_000, 10_000_000
_UNSEEN = {"new_model": "model not in the fit", "new_accelerator": "accelerator or engine not in the fit"}
_KV = ("kv_dtype", "kv_precision", "kv_cache_dtype", "kv_cache_precision", "kv_cache_quant_mode")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value in seconds with its 80 % interval."""

    value: float
    p10: float
    p90: float


Play = Callable[..., Latencies]  # a load test of a prepared deployment, as measure.harness.simulate


@dataclass(frozen=True, slots=True)
class Query:
    """What one row asks: a deployment, the lengths of its requests and how many circulate, per replica."""

    model: Model
    dtype: str
    kv_dtype: str
    accelerator: Accelerator
    engine: Engine
    released: str  # month of the software
    placed: Placed
    isl: float
    osl: float
    spread: float
    concurrency: int
    statistic: str
    recipe: Recipe = DEFAULT

    @property
    def budget(self) -> float:
        """Tokens of a step: as the harness launched the engine, else the engine's default there."""
        default = self.engine.limits_on(self.accelerator.name, self.accelerator.usable_bytes)[0]
        return float(self.recipe.budget or default)


@dataclass(frozen=True, slots=True)
class Prediction:
    """One row's answer, or the ``reason`` why there is none; ``notes`` say how loosely the row was read."""

    row_id: str
    ttft: Estimate | None = None
    tpot: Estimate | None = None
    tier: Tier | str = ""
    saturated: bool = False
    reason: str = ""
    notes: tuple[str, ...] = ()
    accelerator: str = ""
    engine: str = ""
    model: str = ""
    concurrency: float = math.nan


def predict_rows(rows: Sequence[Raw], progress: Progress = quiet, play: Play = simulate) -> list[Prediction]:
    """Predict every row, in order; ``progress`` is told (done, total) after each. ``play`` runs the load tests."""
    out = []
    for i, raw in enumerate(rows):
        out.append(predict_row(raw, play))
        progress(i + 1, len(rows))
    return out


def predict_row(raw: Raw, play: Play = simulate) -> Prediction:
    """Predict one row; whatever prevents it becomes the reason."""
    if raw.problem:
        return Prediction(raw.row_id, reason=raw.problem)
    try:
        notes: list[str] = []
        return predict(raw.row_id, read_query(raw, notes), notes, play)
    except DrivetrainError as error:
        return Prediction(raw.row_id, reason=str(error.args[0]))
    except Exception as error:  # one strange row must not cost the others
        return Prediction(raw.row_id, reason=f"could not be computed: {type(error).__name__}: {error}")


def read_query(raw: Raw, notes: list[str]) -> Query:
    """What a row asks for; ``notes`` receives every liberty taken."""
    if raw.text("serving_mode").lower().startswith("disagg"):
        raise UnsupportedError("disaggregated serving is not predicted yet; only aggregated rows are.")
    for name in ("engine", "model", "accelerator"):
        if not raw.text(name):
            raise BadInputError(f"{name} is blank.")
    model = find_model(raw.text("model"), notes)
    accelerator = find_accelerator(raw.text("accelerator"))
    version = raw.text("engine_version", "software_version")
    measured = raw.text("measured_date", "date")[:7]
    engine = find_engine(raw.text("engine"), version, notes, measured)
    dtype_text = raw.text("weight_dtype", "weight_precision")
    if not dtype_text:
        raise BadInputError("weight_dtype and weight_precision are blank.")
    dtype = find_dtype(dtype_text, model, accelerator.vendor)
    kv_text = raw.text(*_KV)
    kv = find_dtype(kv_text, model, accelerator.vendor) if kv_text not in ("", "auto") else ""
    concurrency = raw.need("concurrency_requests", 1.0)
    isl, osl = raw.need("input_tokens_mean", 1.0), raw.need("output_tokens_mean", 1.0)
    if concurrency > _MOST_CONCURRENCY or max(isl, osl) > _MOST_TOKENS:
        raise BadInputError(f"beyond {_MOST_CONCURRENCY:,} requests in flight or {_MOST_TOKENS:,} tokens a request.")
    placed = place(raw, model, notes)
    if placed.replicas > 1:
        notes.append(f"{placed.replicas} replicas of {placed.layout} share the requests")
    if raw.text("spec_decoding").lower() not in ("", "none", "false", "0", "off", "no"):
        notes.append("speculative decoding is not modelled")
    in_flight = math.ceil(concurrency / placed.replicas)
    nominal = raw.number("input_tokens_nominal") or isl, raw.number("output_tokens_nominal") or osl
    launched = recipe(
        raw.text("harness").lower(), engine.family, model.name, accelerator, placed.layout, *nominal, concurrency
    )
    return Query(
        model=model,
        dtype=dtype,
        kv_dtype=kv or launched.kv or default_kv(dtype, engine.family),
        accelerator=accelerator,
        engine=engine,
        released=engine.released if version[:1].isdigit() or not measured else measured,
        placed=placed,
        isl=isl,
        osl=osl,
        spread=_spread(raw, isl, engine.family),
        concurrency=in_flight,
        statistic="median" if raw.text("latency_statistic").lower() in ("median", "p50") else "mean",
        recipe=launched,
    )


def default_kv(dtype: str, engine_family: str) -> str:
    """KV precision where a row does not say.

    TensorRT-LLM checkpoints in 8 or 4 bit bring an 8-bit cache. Public vLLM recipes set one beside fp8 and nvfp4
    weights: with 16 bit, eleven measured runs that did not queue would not have fitted.
    """
    narrow = {"trtllm": ("fp8", "fp8_block", "nvfp4", "mxfp4"), "vllm": ("fp8", "fp8_block", "nvfp4")}
    return "fp8" if dtype in narrow.get(engine_family, ()) else "bf16"


def _spread(raw: Raw, mean: float, engine_family: str) -> float:
    """Width of the uniform lengths, as a share of the longest."""
    harness = raw.text("harness").lower()
    if harness == "nvidia-gap" and runs_prefill_first(engine_family) and mean % _IN_STEP_TOKENS == 0:
        return 0.0
    if harness in SPREADS:
        return SPREADS[harness]
    nominal = raw.number("input_tokens_nominal")
    if harness or not nominal or not 0.5 * nominal < mean < nominal:
        return 0.0
    return 2.0 * (1.0 - mean / nominal)  # no harness named: a mean below the label tells that lengths are drawn


def predict(row_id: str, query: Query, notes: Sequence[str] = (), play: Play = simulate) -> Prediction:
    """Replay the load test of ``query``; raises where the deployment cannot be."""
    found = list(notes)
    prepared, held = prepared_for(query)
    if held < query.concurrency:
        found.append(f"about {held:.0f} sequences fit at once")
    result = play(
        prepared, query.isl, query.osl, query.spread, query.concurrency, statistic=query.statistic,
        recipe=query.recipe,
    )  # fmt: skip
    eff, hardware = prepared.deployment.efficiency, prepared.deployment.hardware
    kind = kind_of(query.model.name, hardware.name, eff.tier == "calibrated")
    tier: Tier = "calibrated" if kind == "known" else "roofline"
    if kind != "known":
        found.append(_UNSEEN[kind])
    if any("not in the catalogue" in note for note in found):
        tier = "assumed"
    sigma = _uncertainty(query, hardware, eff.tier == "calibrated")
    found += sigma.outside
    return Prediction(
        row_id=row_id,
        ttft=Estimate(result.ttft, *interval(result.ttft, sigma.ttft)),
        tpot=None if math.isnan(result.tpot) else Estimate(result.tpot, *interval(result.tpot, sigma.tpot)),
        tier=tier,
        saturated=result.ttft > SATURATED_TTFT_S or query.concurrency > held,
        notes=tuple(found),
        accelerator=hardware.name,
        engine=query.engine.family,
        model=query.model.name,
        concurrency=float(query.concurrency * query.placed.replicas),
    )


def _uncertainty(query: Query, hardware: Hardware, fitted: bool) -> Uncertainty:
    """How uncertain a row's prediction is, as plans and predictions say it."""
    return uncertainty(
        Setting(
            query.model.name, hardware.name, hardware.generation, query.engine.family, fitted, query.released,
            query.dtype, float(query.concurrency), query.isl, query.osl, query.placed.layout.n_accelerators,
        )
    )  # fmt: skip


def prepared_for(query: Query) -> tuple[Prepared, float]:
    """The sized deployment and how many sequences it holds at once."""
    deployment = _deployment(
        query.model.name, query.dtype, query.placed.layout, query.kv_dtype, query.accelerator.name, query.engine.name,
        query.engine.family, query.released,
    )  # fmt: skip
    seqs = query.engine.limits_on(query.accelerator.name, query.accelerator.usable_bytes)[1]
    prepared = prepare(
        deployment,
        lengths_for(query.isl, query.osl, query.spread),
        query.budget,
        float(seqs * query.placed.layout.dp or math.inf),
    )
    room = prepared.memory
    if prepared.max_seqs < 1 and room.weights > room.physical:
        raise DoesNotFitError(
            f"does not fit: weights {room.weights / 1e9:.0f} GB on {room.physical / 1e9:.0f} GB per accelerator "
            f"as {query.placed.layout}."
        )
    held = slots(prepared.max_seqs, query.placed.layout.dp)
    return replace(prepared, max_seqs=held), held


def slots(fits: float, ranks: int) -> float:
    """Sequences that a measured run held at once: what fits, and one a rank where our margins leave not even that."""
    return fits if fits >= 1 else float(ranks)


@lru_cache(maxsize=512)
def _deployment(
    model: str,
    dtype: str,
    layout: Layout,
    kv_dtype: str,
    accelerator: str,
    engine_name: str,
    family: str,
    released: str,
) -> Deployment:
    engine: Engine = replace(loader.load("engines", engine_name), family=family)
    hardware = hardware_of(loader.load("accelerators", accelerator))
    eff = efficiency(engine.family, hardware.generation, released)
    return deploy(cut_of(model, dtype, layout, kv_dtype), hardware, engine, eff, collective_coefficients(engine.family))


@lru_cache(maxsize=512)
def cut_of(model: str, dtype: str, layout: Layout, kv_dtype: str) -> Cut:
    """The operators of a catalogue model in a precision, under a layout."""
    return cut(loader.load("models", model), find_checkpoint(model, dtype), layout, kv_dtype)


@lru_cache(maxsize=512)
def lengths_for(isl: float, osl: float, spread_frac: float) -> Lengths:
    """Lengths with these means, uniform over ``spread_frac`` of the longest."""
    scale = 1.0 / (1.0 - spread_frac / 2.0)
    return lengths_of(fixed(isl * scale, osl * scale, range_frac=spread_frac))
