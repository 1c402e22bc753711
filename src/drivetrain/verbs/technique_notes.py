"""What the chosen techniques take as given, and what they do not change where they are chosen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from drivetrain.catalogue import loader
from drivetrain.catalogue.fact import Fact
from drivetrain.catalogue.model import Checkpoint, Model
from drivetrain.catalogue.workload import Workload
from drivetrain.cost.hardware import Hardware
from drivetrain.serving.deployment import Deployment
from drivetrain.serving.lengths import Lengths
from drivetrain.serving.reuse import host_bytes_per_s
from drivetrain.serving.techniques.active import Active
from drivetrain.serving.techniques.sparsity import PRECISIONS, sparse_gain
from drivetrain.techniques import spelled
from drivetrain.units import number, show
from drivetrain.verbs.assumption import Assumption

_USER = "your choice"


def technique_fields(active: Active) -> dict[str, Any]:
    """The techniques that are not at their default, with what was resolved for them."""
    fields = dict(active.choice.chosen)
    if active.speculation:
        fields |= {
            "draft_tokens": active.speculation.drafts,
            "acceptance": active.speculation.acceptance,
            "tokens_per_step": active.speculation.tokens_per_step,
        }
    return fields


def unmodelled_inputs(model: Model) -> tuple[Assumption, ...]:
    """What a model reads beside text, which is left out of every figure."""
    return tuple(
        Assumption(
            f"{kind} tokens of {model.name}",
            f"not modelled: the language part is planned, without its {kind} encoder; count them as input tokens",
            "default",
        )
        for kind in model.other_inputs
    )


def technique_assumptions(
    active: Active, workload: Workload, hardware: Sequence[Hardware], checkpoints: Sequence[Checkpoint]
) -> tuple[Assumption, ...]:
    """What an answer with these techniques rests on; nothing without techniques."""
    if not active.choice.chosen:
        return ()
    parts = {h.name: h for h in hardware}
    return (
        Assumption("techniques", spelled(active.choice), _USER),
        *_speculation(active),
        *_sparsity(active, parts.values(), checkpoints),
        *_placement(active),
        *_power(active),
        *_offload(active, workload, parts.values()),
        *_adapters(active),
    )


def _speculation(active: Active) -> Iterator[Assumption]:
    if active.speculation is None:
        return
    s, choice = active.speculation, active.choice
    drafts, accepted = _fact(f"draft_tokens_{s.method}"), _fact(f"acceptance_{s.method}")
    yield Assumption("drafted tokens a step", s.drafts, _USER if choice.draft_tokens else _source(drafts))
    yield Assumption("acceptance of a drafted token", s.acceptance,
                     _source(accepted) if choice.acceptance is None else _USER)  # fmt: skip


def _sparsity(active: Active, parts: Iterable[Hardware], checkpoints: Sequence[Checkpoint]) -> Iterator[Assumption]:
    if active.choice.sparsity == "none":
        return
    scaled = sorted({c.dtype_of(part) for c in checkpoints for part in ("attention", "ffn")} - set(PRECISIONS))
    if scaled:
        yield Assumption("2:4 sparsity in " + ", ".join(scaled), "no gain: engines have no such kernels", "derived")
    dense = [h.name for h in parts if sparse_gain(h) is None]
    if dense:
        yield Assumption("2:4 sparsity without sparse units", f"no gain on {_few(dense)}", "derived")
    for name, h in {h.generation: h for h in parts if sparse_gain(h) is not None}.items():
        yield Assumption(f"speed of 2:4 sparse products, {name}", sparse_gain(h), _source(_fact(f"sparse_gain_{name}")))


def _placement(active: Active) -> Iterator[Assumption]:
    choice = active.choice
    if choice.expert_skew > 0:
        yield Assumption("popularity of experts", f"Zipf, exponent {choice.expert_skew:g}", _USER)
    if choice.expert_imbalance > 1 and choice.redundant_experts:
        yield Assumption(
            "imbalance", "as of unbalanced placement; copies balance the skew that would cause it", "derived"
        )
    if choice.two_batch_overlap:
        yield Assumption(
            "two-batch overlap", "where attention is data-parallel (dp); other layouts as without", "derived"
        )
        yield Assumption("share hidden by two-batch overlap", _fact("overlap_hidden").value,
                         _source(_fact("overlap_hidden")))  # fmt: skip


def _power(active: Active) -> Iterator[Assumption]:
    if active.choice.power_cap < 1:
        exponent = _fact("power_exponent")
        yield Assumption("power above idle over clock, exponent", exponent.value, _source(exponent))


def _offload(active: Active, workload: Workload, parts: Iterable[Hardware]) -> Iterator[Assumption]:
    choice = active.choice
    if choice.kv_offload_bytes is None:
        return
    if choice.host_hit is None:
        interval = _fact("reuse_interval")
        measured = workload.source == interval.source
        source = _source(interval) if measured else f"assumed for this workload as in {_source(interval)}"
        yield Assumption("mean time between uses of a prefix, s", interval.value, source)
    rates = sorted({host_bytes_per_s(h) for h in parts})
    shown = " to ".join(dict.fromkeys(show(rate, "bytes/s") for rate in (rates[0], rates[-1])))
    yield Assumption("cache from host memory", shown, _source(_fact("host_link_frac")))


def hits_reached(deployment: Deployment, lengths: Lengths) -> tuple[Assumption, ...]:
    """What a finite prefix cache finds, of ``lengths`` as ``deployment`` meets them; nothing where none is modelled."""
    if lengths.reusable is None or deployment.cut.techniques.choice.kv_offload_bytes is None:
        return ()
    isl = lengths.isl_mean
    found, most = (float(lengths.weight @ part) / isl for part in (lengths.isl - lengths.computed, lengths.reusable))
    host = f", {_percent(lengths.host_frac)} from host memory" if lengths.host_frac else ""
    text = f"{_percent(found)} of the input{host}; {_percent(most)} with an unlimited cache"
    return (Assumption("prefix hits reached", text, "derived"),)


def _percent(share: float) -> str:
    return f"{number(100 * share, 3)} %"


def _adapters(active: Active) -> Iterator[Assumption]:
    choice = active.choice
    if choice.lora_adapters:
        value = f"{choice.lora_adapters} of rank {choice.lora_rank}, all resident, chosen evenly"
        yield Assumption("LoRA adapters", value, _USER)


def _fact(name: str) -> Fact:
    return loader.techniques()[name].mid


def _source(fact: Fact) -> str:
    known = loader.sources().get(fact.source)
    title = known.title if known else fact.source
    return f"{title}, {fact.seen}" + (" (unverified)" if fact.unverified else "")


def _few(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
