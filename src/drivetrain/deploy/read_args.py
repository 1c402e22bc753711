"""The way back: an engine's command line as the choices of a scenario, and what of it does not count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drivetrain.arch.layout import Layout
from drivetrain.catalogue import loader
from drivetrain.catalogue.market import Engine
from drivetrain.catalogue.model import Checkpoint, Model, MoE
from drivetrain.deploy import read_sglang, read_trtllm, read_vllm
from drivetrain.deploy.argument_list import versions_of
from drivetrain.deploy.arguments import ParsedArguments, parse
from drivetrain.deploy.command import Command, take_apart
from drivetrain.deploy.found import Found
from drivetrain.deploy.ignored import Ignored, ignored_flags, refuse_unmodelled
from drivetrain.errors import BadInputError, UnknownNameError, UnsupportedError
from drivetrain.registry import slug
from drivetrain.scenario import KV_DTYPES
from drivetrain.techniques import Techniques, spelled

_READERS = {"vllm": read_vllm.read, "sglang": read_sglang.read, "trtllm": read_trtllm.read}
_ON_LOADING = {"fp8": "fp8", "w8a8_fp8": "fp8", "ptpc_fp8": "fp8", "mxfp8": "mxfp8"}  # what 16-bit weights become
_PLAIN = ("bf16", "fp16", "fp32")


@dataclass(frozen=True, slots=True)
class FromArgs:
    """A command line read: ``choices`` for a :class:`~drivetrain.scenario.ServeScenario`.

    ``ignored`` are flags that the prediction does not use, with why; ``copies`` the independent servers that the one
    line starts; ``max_model_len`` the longest request the server takes (``None``: the model's own limit).
    """

    choices: Mapping[str, Any]
    ignored: tuple[Ignored, ...]
    notes: tuple[str, ...]
    parsed: ParsedArguments
    copies: int
    max_model_len: int | None
    prefix_caching: bool | None
    used: frozenset[str]


def scenario_from_args(command_line: str, *, engine: str = "", model: str = "") -> FromArgs:
    """Read the command line that starts vLLM, SGLang or TensorRT-LLM.

    ``engine`` names the release (default: an image's tag, else the newest of the family); ``model`` the catalogue's
    name where the line gives a path. Raises UnknownNameError for flags that the release does not have and
    BadInputError, naming the flag, for values that cannot be read.
    """
    command = take_apart(command_line)
    release = _engine(command, engine)
    parsed = parse(release.family, release.version, command.argv)
    if not model and not parsed.model:
        raise BadInputError("the command line names no model. Add it, or say which with --model.")
    record, checkpoint, notes = _weights(model or str(parsed.model), str(parsed.model or model))
    found = _READERS[release.family](parsed, has_experts=_has_experts(record))
    refuse_unmodelled(parsed)
    weights, more = _precision(record, checkpoint, found)
    choices: dict[str, Any] = {
        "model": model or record.name,
        "engines": (release.name,),
        "layouts": (str(Layout(tp=found.tp, pp=found.pp, dp=found.dp, ep=found.ep)),),
        "weights": weights,
        "kv": _kv(found),
        "techniques": spelled(_techniques(found)),
    }
    optional = {
        "max_num_seqs": found.max_seqs,
        "max_batched_tokens": found.step_tokens,
        "memory_frac": found.memory_frac,
        "prefix_hit": 0.0 if found.prefix_caching is False else None,
    }
    choices |= {name: value for name, value in optional.items() if value is not None}
    return FromArgs(
        choices=choices,
        ignored=ignored_flags(parsed, found.used, command),
        notes=(*notes, *more, *found.notes, *_remarks(found, release, command)),
        parsed=parsed,
        copies=found.copies,
        max_model_len=found.max_model_len,
        prefix_caching=found.prefix_caching,
        used=found.used,
    )


def _engine(command: Command, wanted: str) -> Engine:
    """The release whose arguments and defaults hold."""
    if wanted:
        named: Engine = loader.load("engines", wanted)
        if named.family != command.family:
            raise BadInputError(f"the command line starts {command.family}, but --engine says {named.name}.")
        return named
    versions = versions_of(command.family)
    if command.version and command.version not in versions:
        raise UnsupportedError(
            f"the command line runs {command.family} {command.version}; arguments are known for {', '.join(versions)}. "
            f"Read it as one of these with --engine, e.g. --engine {command.family}-{versions[-1]}."
        )
    found: Engine = loader.load("engines", f"{command.family}-{command.version or versions[-1]}")
    return found


def _weights(name: str, said: str) -> tuple[Model, Checkpoint, list[str]]:
    """The model and the checkpoint of it that the line names."""
    try:
        record: Model = loader.load("models", name)
    except (UnknownNameError, OSError, ValueError) as error:  # no such name, nor a path that can be one
        raise UnknownNameError(
            "model",
            name,
            getattr(error, "suggestions", ()),
            "Say which model of the catalogue it is with --model, or give its config.json.",
        ) from None
    for checkpoint in record.checkpoints:
        if slug(checkpoint.name) == slug(said):
            return record, checkpoint, []
    first = record.checkpoints[0]
    return record, first, [f"'{said}' is read as {first.name} ({first.weight_dtype})."]


def _has_experts(model: Model) -> bool:
    return any(isinstance(group.ffn, MoE) for group in model.layers)


def _precision(model: Model, checkpoint: Checkpoint, found: Found) -> tuple[str, list[str]]:
    """(weights of the scenario, notes): the checkpoint's own precision, or what it is turned into on loading."""
    if not found.quantization or checkpoint.weight_dtype not in _PLAIN:
        return checkpoint.name, []
    wanted = _ON_LOADING.get(found.quantization)
    published = [c for c in model.checkpoints if wanted and c.is_in(wanted)]
    published.sort(key=lambda c: c.kv_dtype != checkpoint.kv_dtype)  # weights change on loading, the cache does not
    if not published:
        known = ", ".join(dict.fromkeys(c.weight_dtype for c in model.checkpoints))
        raise UnsupportedError(
            f"--quantization {found.quantization} turns {checkpoint.weight_dtype} weights into a precision that the "
            f"catalogue has no checkpoint of {model.name} in (it knows {known}). Leave the flag out, or import a "
            "config.json of such a checkpoint."
        )
    return published[0].name, [f"--quantization {found.quantization} is predicted as {published[0].name}."]


def _kv(found: Found) -> str:
    if not found.kv_dtype:
        return "shipped"
    if found.kv_dtype not in KV_DTYPES:
        raise UnsupportedError(f"a cache in {found.kv_dtype} is not modelled. Known: {', '.join(KV_DTYPES)}.")
    return found.kv_dtype


def _techniques(found: Found) -> Techniques:
    return Techniques(
        speculative=_drafting(found.speculative),
        draft_tokens=found.draft_tokens if found.speculative else 0,
        chunked_prefill=found.chunked_prefill,
        redundant_experts=found.redundant_experts,
        two_batch_overlap=found.two_batch_overlap,
        kv_offload_bytes=found.kv_offload_bytes or None,
        lora_adapters=found.lora_adapters,
        lora_rank=found.lora_rank,
    )


def _drafting(speculative: str) -> str:
    """A drafting model by the catalogue's name, so that it can be predicted."""
    head, colon, named = speculative.partition(":")
    if not colon:
        return head or "off"
    return f"{head}:{loader.load('models', named).name}"


def _remarks(found: Found, release: Engine, command: Command) -> list[str]:
    notes = [f"read as {release.name}: its arguments and defaults."]
    if command.family == "trtllm" and found.memory_frac is not None:
        notes.append("the memory share is of what weights leave free; the model takes it of all memory.")
    if found.copies > 1:
        notes.append(f"the line starts {found.copies} independent servers; load and prediction are of one of them.")
    if found.role:
        notes.append("one side of a disaggregated deployment: predicted as if it served alone.")
    return notes
