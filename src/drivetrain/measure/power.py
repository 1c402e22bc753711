"""Measured serving power: watts at the measured throughput, and watts, throughput and gaps from our own prediction.

The first tests the power model alone::

    P = n (static + room (1 - exp(-d / room)))     room = TDP - static,  d = joules of a step above static / its period

the second everything. One step is the mean one: the measured batch decodes, and as many prompts start as answers end.
Prompt lengths are not recorded, so a task's are assumed. The leaderboard runs its servers with little host to spare;
what that adds to a step (``[leaderboard]`` of ``calibration/power.toml``) belongs to the harness and to no plan.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from drivetrain.arch.layout import Layout, layout_problem
from drivetrain.arch.step import Step
from drivetrain.catalogue import loader
from drivetrain.catalogue.read_workload import fixed
from drivetrain.cost.efficiency import Efficiency, calibration, collective_coefficients, efficiency
from drivetrain.cost.hardware import hardware_of
from drivetrain.cost.roofline import step_time
from drivetrain.errors import BadInputError, DoesNotFitError
from drivetrain.measure.names import find_accelerator, find_checkpoint, find_dtype, find_model
from drivetrain.measure.outcome import Outcome, Progress, predict_each, quiet, summarise
from drivetrain.measure.score import Pair
from drivetrain.measure.spread import interval, power_spread
from drivetrain.measure.table import Raw, Table
from drivetrain.serving.deployment import Deployment, cut, deploy
from drivetrain.serving.kernel import drawn
from drivetrain.serving.lengths import lengths_of
from drivetrain.serving.steady import at_concurrency, prepare

REQUIRED: tuple[str | tuple[str, ...], ...] = ("model", "precision", "gpu", "n_gpus", "avg_batch", "avg_out")
METRICS = ("power_at_measured_rate", "power", "output_tokens_per_s", "itl")
GROUPS = ("accelerator", "model", "precision", "task")
COLUMNS = ("power_w_at_measured_rate", "power_w", "power_w_p10", "power_w_p90", "output_tokens_per_s", "itl_s", "tier")

# Mean prompt by task, assumed: the file has none. Images and videos count as the tokens they become.
PROMPT_TOKENS = {"lm-arena-chat": 500.0, "gpqa": 300.0, "sourcegraph-fim": 2000.0, "image-chat": 1000.0,
                 "video-chat": 2500.0}  # fmt: skip
OTHER_PROMPT_TOKENS = 500.0
MEDIA = ("image-chat", "video-chat")  # whose requests the host decodes
STEADY_WITHIN = 1.5  # batch against throughput times gap
_ENGINE = "vllm"  # the leaderboard's


@dataclass(frozen=True, slots=True)
class Run:
    """One measured run: deployment, mean batch and mean lengths, and what was measured (0 where not)."""

    deployment: Deployment
    n: int
    batch: float
    prompt: float
    osl: float
    media: bool
    tokens_per_s: float
    itl: float
    power: float

    @property
    def step(self) -> Step:
        """The mean step: every sequence decodes, and the prompts of those that start run beside them."""
        starts = self.batch / self.osl
        return Step(decode=self.batch, context=self.prompt + self.osl / 2, prefill=starts * self.prompt, chunks=starts,
                    prefill_context=self.prompt / 2, chunk_context=self.prompt / 2)  # fmt: skip

    @property
    def unsteady(self) -> str:
        """Why the run is not a steady state, or an empty text."""
        if not (self.tokens_per_s and self.itl):
            return ""
        ratio = self.batch / (self.tokens_per_s * self.itl)
        steady = 1 / STEADY_WITHIN < ratio < STEADY_WITHIN
        return "" if steady else f"not steady: batch over throughput times gap is {ratio:.2g}."


@dataclass(frozen=True, slots=True)
class Host:
    """Seconds that a harness's host adds, for servers of one accelerator each on a node; 1/n of it for those of n.

    Per step, per sequence in it, and per request whose images or videos it decodes.
    """

    step_s: float = 0.0
    sequence_s: float = 0.0
    media_s: float = 0.0

    def gap_s(self, run: Run) -> float:
        """Added to every gap between tokens."""
        return (self.step_s + self.sequence_s * run.batch) / run.n

    def period_s(self, run: Run) -> float:
        """Added to the time that a batch takes per token of each sequence."""
        return self.gap_s(run) + (self.media_s * run.batch / run.osl / run.n if run.media else 0.0)


def outcomes(table: Table, progress: Progress = quiet) -> list[Outcome]:
    """Predict and pair every row; rows that are not steady are predicted and not scored."""
    return predict_each(table.rows, _outcome, progress)


def summary(table: Table, found: Sequence[Outcome]) -> dict[str, Any]:  # noqa: ARG001 - as the other kinds
    """The JSON object of ``validate power``."""
    return summarise("power", found, METRICS, GROUPS)


def _outcome(raw: Raw) -> Outcome:
    run = read_run(raw)
    hardware, model = run.deployment.hardware, run.deployment.cut.model
    sigma = power_spread(hardware.generation)
    own_period, own_itl = predicted(run, leaderboard_host(hardware.generation))
    own_rate, own_power = run.batch / own_period, watts(run, own_period)
    low, high = interval(own_power, sigma)
    values: dict[str, Any] = {"power_w": f"{own_power:.6g}", "power_w_p10": f"{low:.6g}", "power_w_p90": f"{high:.6g}",
                              "output_tokens_per_s": f"{own_rate:.6g}", "itl_s": f"{own_itl:.6g}",
                              "tier": run.deployment.efficiency.tier}  # fmt: skip
    pairs = {}
    if run.tokens_per_s:
        at_rate = watts(run, run.batch / run.tokens_per_s)
        values["power_w_at_measured_rate"] = f"{at_rate:.6g}"
        pairs["output_tokens_per_s"] = Pair(own_rate, run.tokens_per_s)
        if run.power:
            pairs["power_at_measured_rate"] = Pair(at_rate, run.power, *interval(at_rate, sigma))
    if run.power:
        pairs["power"] = Pair(own_power, run.power, low, high)
    if run.itl:
        pairs["itl"] = Pair(own_itl, run.itl)
    keys = {"accelerator": hardware.name, "model": model.name, "precision": raw.text("precision"),
            "task": raw.text("task")}  # fmt: skip
    unscored = run.unsteady
    return Outcome(
        raw.row_id, values, {} if unscored else pairs, keys, unscored=unscored, clean=not unscored
    )  # fmt: skip


def read_run(raw: Raw) -> Run:
    """The deployment and load of a row."""
    if raw.problem:
        raise BadInputError(raw.problem)
    notes: list[str] = []
    accelerator, model = find_accelerator(raw.text("gpu")), find_model(raw.text("model"), notes)
    dtype = find_dtype(raw.text("precision"), model, accelerator.vendor)
    n = raw.whole("n_gpus")
    if n is None:
        raise BadInputError("n_gpus is blank.")
    layout = Layout(tp=n, ep=n if _shares_experts(raw.text("par")) else 1)
    if layout_problem(model, layout):
        layout = Layout(tp=n)
    task = raw.text("task")
    return Run(
        _deployment(model.name, dtype, layout, accelerator.name), n, raw.need("avg_batch"),
        raw.number("avg_in") or PROMPT_TOKENS.get(task, OTHER_PROMPT_TOKENS), raw.need("avg_out", 1.0), task in MEDIA,
        raw.number("tok_s") or 0.0, (raw.number("itl_ms") or 0.0) / 1e3, raw.number("power_W") or 0.0,
    )  # fmt: skip


def _shares_experts(text: str) -> bool:
    try:
        found = json.loads(text or "{}")
        return int(found.get("expert_parallel", 1)) > 1
    except (ValueError, TypeError, AttributeError):
        raise BadInputError(f"par is '{text}', not a JSON object of degrees.") from None


@lru_cache(maxsize=256)
def _deployment(model_name: str, dtype: str, layout: Layout, accelerator: str) -> Deployment:
    model, engine = loader.load("models", model_name), loader.load("engines", _ENGINE)
    checkpoint, hardware = find_checkpoint(model_name, dtype), hardware_of(find_accelerator(accelerator))
    piece = cut(model, checkpoint, layout, checkpoint.kv_dtype)
    return deploy(
        piece, hardware, engine, efficiency(engine.family, hardware.generation), collective_coefficients(engine.family)
    )


def watts(run: Run, period_s: float) -> float:
    """Watts of all accelerators where a step of the mean batch comes every ``period_s``."""
    d = run.deployment
    tdp = d.hardware.tdp_w
    return run.n * float(drawn(d.efficiency.static_power * tdp, joules(run, d.efficiency) / period_s, tdp))


def joules(run: Run, eff: Efficiency) -> float:
    """Joules above static that the mean step takes on one accelerator."""
    d = run.deployment
    return step_time(d.cut.ops, run.step, d.hardware, d.cut.layout, eff, d.links).joules


def predicted(run: Run, host: Host) -> tuple[float, float]:
    """(Seconds between tokens of a sequence, prompts included; gap between tokens) of a loop at the measured batch."""
    d = run.deployment
    budget, seqs = d.engine.limits_on(d.hardware.name, d.hardware.memory_bytes)
    prepared = prepare(d, lengths_of(fixed(run.prompt, run.osl)), float(budget), float(seqs or 1e9))
    if prepared.memory.fits < 1:
        raise DoesNotFitError(f"does not fit: {d.cut.checkpoint.name} as {d.cut.layout} on {d.hardware.name}.")
    state = at_concurrency(prepared, max(run.batch, 1.0))
    return run.batch / (state.rate * run.osl) + host.period_s(run), state.itl.mean + host.gap_s(run)


def leaderboard_host(generation: str) -> Host:
    """What the leaderboard's hosts add on a generation; of all pooled where it was not measured."""
    tables = calibration("power").get("leaderboard", {})
    return Host(**{k: float(v) for k, v in tables.get(generation, tables.get("base", {})).items()})
