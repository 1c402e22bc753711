"""Measured serving power: watts at the measured throughput, and watts, throughput and gaps from our own prediction.

The first tests the power model alone::

    P = n TDP min(1, static + compute (FLOP/s) / peak + memory (bytes/s) / bandwidth)

the second everything. Prompt lengths are not recorded: contexts are a fixed prompt plus half the mean output.
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
from drivetrain.cost.efficiency import IDEAL, collective_coefficients, efficiency
from drivetrain.cost.hardware import hardware_of
from drivetrain.cost.roofline import step_time
from drivetrain.errors import BadInputError, DoesNotFitError
from drivetrain.measure.names import find_accelerator, find_checkpoint, find_dtype, find_model
from drivetrain.measure.outcome import Outcome, Progress, predict_each, quiet, summarise
from drivetrain.measure.score import Pair
from drivetrain.measure.spread import interval, power_spread
from drivetrain.measure.table import Raw, Table
from drivetrain.serving.deployment import Deployment, cut, deploy
from drivetrain.serving.lengths import lengths_of
from drivetrain.serving.steady import at_concurrency, prepare

REQUIRED: tuple[str | tuple[str, ...], ...] = ("model", "precision", "gpu", "n_gpus", "avg_batch", "avg_out")
METRICS = ("power_at_measured_rate", "power", "output_tokens_per_s", "itl")
GROUPS = ("accelerator", "model", "precision", "task")
COLUMNS = ("power_w_at_measured_rate", "power_w", "power_w_p10", "power_w_p90", "output_tokens_per_s", "itl_s", "tier")

PROMPT_TOKENS = 500.0
STEADY_WITHIN = 1.5  # batch against throughput times gap
_ENGINE = "vllm"  # the leaderboard's


@dataclass(frozen=True, slots=True)
class Run:
    """One measured run: deployment, mean batch and mean output, and what was measured (0 where not)."""

    deployment: Deployment
    n: int
    batch: float
    osl: float
    tokens_per_s: float
    itl: float
    power: float


def outcomes(table: Table, progress: Progress = quiet) -> list[Outcome]:
    """Predict and pair every row; rows that are not steady are predicted and not scored."""
    return predict_each(table.rows, _outcome, progress)


def summary(table: Table, found: Sequence[Outcome]) -> dict[str, Any]:  # noqa: ARG001 - as the other kinds
    """The JSON object of ``validate power``."""
    return summarise("power", found, METRICS, GROUPS)


def _outcome(raw: Raw) -> Outcome:
    run = read_run(raw)
    hardware, model = run.deployment.hardware, run.deployment.cut.model
    own_power, own_rate, own_itl = predicted(run)
    low, high = interval(own_power, power_spread(hardware.generation))
    values: dict[str, Any] = {"power_w": f"{own_power:.6g}", "power_w_p10": f"{low:.6g}", "power_w_p90": f"{high:.6g}",
                              "output_tokens_per_s": f"{own_rate:.6g}", "itl_s": f"{own_itl:.6g}",
                              "tier": run.deployment.efficiency.tier}  # fmt: skip
    pairs, unscored = {}, ""
    if run.tokens_per_s:
        at_rate = power_at(run)
        values["power_w_at_measured_rate"] = f"{at_rate:.6g}"
        pairs["output_tokens_per_s"] = Pair(own_rate, run.tokens_per_s)
        if run.power:
            pairs["power_at_measured_rate"] = Pair(
                at_rate, run.power, *interval(at_rate, power_spread(hardware.generation))
            )
    if run.power:
        pairs["power"] = Pair(own_power, run.power, low, high)
    if run.itl:
        pairs["itl"] = Pair(own_itl, run.itl)
    if run.tokens_per_s and run.itl:
        ratio = run.batch / (run.tokens_per_s * run.itl)
        if not 1 / STEADY_WITHIN < ratio < STEADY_WITHIN:
            pairs, unscored = {}, f"not steady: batch over throughput times gap is {ratio:.2g}."
    keys = {"accelerator": hardware.name, "model": model.name, "precision": raw.text("precision"),
            "task": raw.text("task")}  # fmt: skip
    return Outcome(raw.row_id, values, pairs, keys, unscored=unscored, clean=not unscored)


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
    return Run(
        _deployment(model.name, dtype, layout, accelerator.name), n, raw.need("avg_batch"), raw.need("avg_out", 1.0),
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


def power_at(run: Run) -> float:
    """Watts of all accelerators at the measured throughput, from operators at the measured batch."""
    d = run.deployment
    step = Step(decode=run.batch, context=PROMPT_TOKENS + run.osl / 2)
    timed = step_time(d.cut.ops, step, d.hardware, d.cut.layout, IDEAL, collective_coefficients())
    dtype = d.cut.checkpoint.weight_dtype
    compute = sum(
        op.flops / d.hardware.flops[d.hardware.compute_dtype("bf16" if op.kind == "attention" else dtype)]
        for op in timed.ops
    )
    period = run.batch / run.tokens_per_s
    eff = d.efficiency
    share = (
        eff.static_power
        + eff.compute_power * compute / period
        + eff.memory_power * timed.bytes_moved / d.hardware.hbm_bytes_per_s / period
    )
    return run.n * d.hardware.tdp_w * min(1.0, share)


def predicted(run: Run) -> tuple[float, float, float]:
    """(Watts of all accelerators, tokens/s, gap between tokens) of a loop that keeps the measured batch."""
    d = run.deployment
    budget, seqs = d.engine.limits_on(d.hardware.name, d.hardware.memory_bytes)
    prepared = prepare(d, lengths_of(fixed(PROMPT_TOKENS, run.osl)), float(budget), float(seqs or 1e9))
    if prepared.memory.fits < 1:
        raise DoesNotFitError(f"does not fit: {d.cut.checkpoint.name} as {d.cut.layout} on {d.hardware.name}.")
    state = at_concurrency(prepared, max(run.batch, 1.0))
    return run.n * state.power_w, state.rate * run.osl, state.itl.mean
