"""A training run as the fields of an answer, SI with the unit in the name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from drivetrain.arch.params import count
from drivetrain.catalogue import loader, scaling
from drivetrain.econ.tokens import carbon_g
from drivetrain.training.batch import SOURCE
from drivetrain.training.marginal import first_limit, gains
from drivetrain.training.predict import exposed_share, was_fitted
from drivetrain.training.search import Found
from drivetrain.units import SECONDS_PER_DAY, SECONDS_PER_HOUR
from drivetrain.verbs.assumption import Assumption
from drivetrain.verbs.kept import titles
from drivetrain.verbs.train_data import HALFLIVES
from drivetrain.verbs.train_law import law_of
from drivetrain.verbs.train_loss import loss_of
from drivetrain.verbs.train_resolve import Asked, Part
from drivetrain.verbs.train_run import Run

LINKS = ("tp", "ep", "cp", "pp", "dp")
OVERHEAD = ("host", "optimizer", "jitter", "step")
WATERFALL = ("useful", "kernels", "recompute", "communication", "bubble", "overhead")
_TRILLION = 1e12
_WAITS = 0.1  # a share of the time worth a word
_STATE_BYTES = 12  # AdamW: an fp32 weight and two moments
_TOO_SLOW = 2.0  # times the best layout's step: nobody saves memory at that price


def described(asked: Asked, run: Run) -> dict[str, Any]:
    """Every field of one run."""
    step, uptime, part = run.step, run.uptime, run.part
    slow, fast = step.tokens_per_s_per_accelerator / step.p10, step.tokens_per_s_per_accelerator / step.p90
    drawn = asked.draw_spread("low"), asked.draw_spread("high")
    least, most = 1.0 / _together(1.0 / fast, drawn[0]), _together(slow, drawn[1])
    limits = gains(run.needs, run.job, run.cluster, step.layout, part.rates)
    per_trillion = None if run.usd is None else run.usd / run.tokens * _TRILLION
    grams = asked.region.carbon_g_per_kwh
    carbon = None if grams is None else carbon_g(run.energy_j, grams) / 1e3
    reached, told = loss_of(asked, run)
    law = law_of(asked, run)
    loss = reached.fields()
    ranges = {
        "tokens_per_s_per_accel": {"p10": step.p10, "p90": step.p90},
        "step_time_s": _times(step.step_s, fast, slow), "mfu": _times(step.mfu, 1 / slow, 1 / fast),
        "days": _times(run.seconds / SECONDS_PER_DAY, fast, slow), "usd": _times(run.usd, fast, slow),
        "usd_per_trillion_tokens": _times(per_trillion, fast, slow),
        "energy_j": _times(run.energy_j, least, most), "carbon_kg": _times(carbon, least, most),
        "power_w": _times(run.power_w, 1.0 / drawn[0], drawn[1]),
        "loss": {"p10": loss["p10"], "p90": loss["p90"]},
    }  # fmt: skip
    return {
        "model": run.model.name, "params": float(count(run.model).total), "active_params": run.active,
        "tokens": run.tokens, "epochs": _epochs(asked, run),
        "tokens_per_param": run.tokens / run.active, "flops": run.flops, "loss": loss, "scaling": law,
        "accelerator": part.name, "n_accelerators": run.n, "spares": run.n_paid - run.n,
        "fabric": part.network_name, "network_bytes_per_s": run.cluster.hardware.topology.nic_bytes_per_s,
        "layout": str(step.layout), "recompute": step.layout.recompute, "schedule": step.layout.schedule,
        "global_batch": run.job.global_batch, "seq": int(run.needs.seq), "precision": run.job.precision,
        "framework": part.framework or "none in particular", "lora_rank": run.job.lora_rank,
        "step_time_s": step.step_s, "n_steps": math.ceil(run.tokens / (run.job.global_batch * run.needs.seq)),
        "tokens_per_s": step.tokens_per_s, "tokens_per_s_per_accel": step.tokens_per_s_per_accelerator,
        "tokens_per_s_per_accel_p10": step.p10, "tokens_per_s_per_accel_p90": step.p90,
        "mfu": step.mfu, "hfu": step.hfu,
        "effective_time_frac": uptime.effective_time_frac, "goodput": _goodput(run),
        "days": run.seconds / SECONDS_PER_DAY, "usd": run.usd, "usd_per_hour": run.usd_per_hour,
        "usd_per_trillion_tokens": per_trillion, "usd_on_demand": _on_demand(run),
        "price": asdict(part.price) if part.price else None,
        "accelerator_hours": run.n * run.seconds / SECONDS_PER_HOUR,
        "power_w": run.power_w, "provisioned_w": run.provisioned_w, "energy_j": run.energy_j,
        "joules_per_token": run.energy_j / run.tokens, "carbon_kg": carbon,
        "memory_bytes": memory_of(run), "breakdown_s": dict(step.parts),
        "breakdown": waterfall(step.parts, step.mfu, step.step_s),
        "exposed_communication_s": {name: step.parts[name] for name in LINKS},
        "waiting_frac": exposed_share(step.parts),
        "bottleneck": first_limit(limits), "gain_if_doubled": limits,
        "ranges": ranges, "tier": step.tier, "notes": [*step.notes, *_untried(run), *told],
    }  # fmt: skip


def waterfall(parts: Mapping[str, float], mfu: float, step_s: float) -> dict[str, float]:
    """Shares of a step that sum to 1: what peak would need, what kernels add, recompute, links, bubble, the rest.

    >>> parts = dict.fromkeys(("attention", "moved", "recompute", "host", *LINKS, "bubble", *OVERHEAD), 0.0)
    >>> found = waterfall(parts | {"products": 6.0, "tp": 2.0, "bubble": 2.0}, 0.4, 10.0)
    >>> found["useful"], round(found["kernels"], 6), found["communication"], found["bubble"]
    (0.4, 0.2, 0.2, 0.2)
    """
    seconds = {
        "useful": mfu * step_s,
        "kernels": parts["products"] + parts["attention"] + parts["moved"] - mfu * step_s,
        "recompute": parts["recompute"], "communication": sum(parts[name] for name in LINKS),
        "bubble": parts["bubble"], "overhead": sum(parts[name] for name in OVERHEAD),
    }  # fmt: skip
    return {name: seconds[name] / step_s for name in WATERFALL}


def memory_of(run: Run) -> dict[str, float]:
    """Bytes of one accelerator by part, their total, and what there is."""
    parts = dict(run.step.memory)
    return parts | {"total": sum(parts.values()), "capacity": run.cluster.hardware.memory_bytes}


def layout_rows(run: Run) -> list[dict[str, Any]]:
    """The fastest layouts that fit, best first."""
    return _found_rows(run, run.searched.best if run.searched else ())


def front_rows(run: Run) -> list[dict[str, Any]]:
    """Layouts that no other beats in both time and memory, least memory first; none of half the speed or less."""
    found = run.searched.front if run.searched else ()
    return _found_rows(run, [f for f in found if f.step_s < _TOO_SLOW * run.step.step_s])


def _found_rows(run: Run, found: Sequence[Found]) -> list[dict[str, Any]]:
    tokens = run.job.global_batch * run.needs.seq
    return [
        {
            "layout": str(f.layout), "recompute": f.layout.recompute, "schedule": f.layout.schedule,
            "step_time_s": f.step_s, "tokens_per_s_per_accel": tokens / f.step_s / run.n,
            "mfu": run.step.mfu * run.step.step_s / f.step_s, "memory_bytes": f.memory_bytes,
            "slower_frac": f.step_s / run.step.step_s - 1.0,
        }
        for f in found
    ]  # fmt: skip


def assumptions(asked: Asked, run: Run | None, part: Part, extra: tuple[Assumption, ...] = ()) -> list[dict[str, Any]]:
    """What an answer took as given, with where it comes from."""
    s, pue, load = asked.scenario, asked.economics["pue"].mid, asked.economics["server_load_frac"].mid
    r, chosen = asked.reliability, "your choice"
    found = list(extra)
    if run is not None and s.global_batch is None:
        found.append(Assumption("global batch, sequences", run.job.global_batch, SOURCE))
    if run is not None and not s.model:
        kind = "dense" if s.experts == 1.0 else f"8 of {8 * s.experts:g} experts"
        found.append(Assumption("model", f"{run.model.name}: {run.model.n_layers} layers of {run.model.hidden}",
                                f"{kind}, the shape of Llama 3 scaled to the compute-optimal size"))  # fmt: skip
    rate = part.network.source if part.network else "as its server is sold"
    found += [
        Assumption("network", part.network_name or "none named", rate),
        Assumption("training software", part.framework or "none in particular", chosen if s.framework else "usual"),
        Assumption("scaling law", s.law, _law_source(s.law)),
        Assumption("accelerator-hours between failures", float(f"{1.0 / r.failures_per_hour:.5g}"),
                   chosen if s.mtbf_hours else "Llama 3 405B: 419 in 54 days on 16,384 H100"),
        Assumption("detection and restart, s", r.detection_s + r.restart_s,
                   chosen if s.restart_s is not None or s.detection_s is not None else "assumed"),
        Assumption("spare accelerators", "always one at hand" if r.spares is None else r.spares,
                   "assumed, not paid for" if r.spares is None else f"{chosen}: paid for"),
        Assumption("bytes a parameter, before ZeRO",
                   f"2 weight, {part.rates.grad_bytes:g} gradient, {_STATE_BYTES} AdamW",
                   "gradients summed in 16 bit; software that sums in fp32 needs 2 more"),
        Assumption("checkpoint", f"14 bytes a parameter{' of the adapters' if s.lora_rank else ''}, {s.checkpoint}, at "
                   f"{s.store_bytes_per_s / 1e9:g} GB/s",
                   "default" if s.store_bytes_per_s == 200e9 else chosen),
        Assumption("pricing", s.pricing if s.usd_per_hour is None else f"${s.usd_per_hour:g} an hour",
                   "default" if s.pricing == "reserved" and s.usd_per_hour is None else chosen),
        Assumption("pue", pue.value, f"{pue.source}, {pue.seen}"),
        Assumption("draw, share of nameplate of accelerators and host", load.value, f"{load.source}, {load.seen}"),
    ]  # fmt: skip
    return [asdict(a) for a in found]


def sources(asked: Asked, run: Run) -> list[str]:
    """Titles of what the answer rests on."""
    part = run.part
    ids = [run.model.source, *(fact.source for fact in part.accelerator.facts.values())]
    ids += [fact.source for fact in scaling.law(asked.scenario.law).coefficients.values()]
    economic = (asked.economics[name].mid.source for name in ("pue", "server_load_frac"))
    ids += [*economic, *(fact.source for fact in asked.region.facts.values())]
    if run.tokens > (asked.scenario.unique_tokens or math.inf):
        ids += [fact.source for fact in scaling.law(HALFLIVES).coefficients.values()]
    texts = titles(i for i in ids if i)
    if part.price:
        texts.append(f"price of {part.name}: {part.price.source}")
    texts.append("step time: coefficients fitted on training_runs.csv (docs/method/training.md)")
    return list(dict.fromkeys(texts))


def _untried(run: Run) -> list[str]:
    found, part = [], run.part
    if run.step.tier != "calibrated":
        found.append(
            f"no public run on {part.accelerator.generation} with such software was fitted: speed is by analogy, its "
            "range wider"
        )
    elif not was_fitted(part.hardware.name):
        found.append(f"no public run on {part.name} itself was fitted, only on its generation: the range is wider")
    waits = run.step.parts["ep"] / run.step.step_s
    if waits > _WAITS and run.step.layout.schedule != "dualpipe":
        found.append(f"experts' messages are waited for {waits:.0%} of the time: DualPipe hides them behind another "
                     "micro-batch, and so do software's own overlaps (--overlap-moe-expert-parallel-comm)")  # fmt: skip
    if run.model.max_context and run.needs.seq > run.model.max_context:
        found.append(f"sequences of {run.needs.seq:,.0f} tokens are longer than {run.model.name} takes "
                     f"({run.model.max_context:,}): its positions would have to be stretched")  # fmt: skip
    if not part.host_w:
        found.append(f"no server with {part.name} is catalogued: power is of the accelerators alone")
    return found


def _on_demand(run: Run) -> float | None:
    """What the run costs by the hour, without a contract; ``None`` where that is unknown or is the price already."""
    price, now = run.part.on_demand, run.part.price
    if price is None or (now is not None and now.basis == price.basis):
        return None
    return price.usd_per_hour * run.n_paid * run.seconds / SECONDS_PER_HOUR


def _epochs(asked: Asked, run: Run) -> float:
    """How often each token is seen."""
    unique = asked.scenario.unique_tokens
    return max(run.tokens / unique, 1.0) if unique else 1.0


def _together(*factors: float) -> float:
    """Factors above 1 that vary on their own, in quadrature of their logarithms.

    >>> round(_together(2.0, 1.0), 12), round(_together(2.0, 2.0), 3)
    (2.0, 2.665)
    """
    return math.exp(math.hypot(*map(math.log, factors)))


def _law_source(name: str) -> str:
    facts = scaling.law(name).coefficients.values()
    known = loader.sources()
    ids = dict.fromkeys(fact.source for fact in facts)
    return "; ".join(known[i].title if i in known else i for i in ids)


def _goodput(run: Run) -> dict[str, Any]:
    u = run.uptime
    return {
        "checkpoint_every_s": u.interval_s if math.isfinite(u.interval_s) else None,
        "mtbf_s": u.mtbf_s if math.isfinite(u.mtbf_s) else None,
        "checkpoint_frac": u.checkpoint_frac, "lost_frac": u.lost_frac, "recovery_frac": u.recovery_frac,
    }  # fmt: skip


def _times(value: float | None, low: float, high: float) -> dict[str, float | None]:
    return {"p10": None if value is None else value * low, "p90": None if value is None else value * high}
