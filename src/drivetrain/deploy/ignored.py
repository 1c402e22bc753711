"""Flags of a command line that a prediction does not use, each with why."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from drivetrain.deploy.arguments import ParsedArguments
from drivetrain.deploy.command import Command
from drivetrain.errors import UnsupportedError

_SPEED = "may change speed, not modelled: predicted as the engine does by default"
_ARRIVAL = "how requests arrive and who may ask; no effect on speed"
_PLACE = "where processes run; the layout already says on how many accelerators"
_AROUND = "how the process is started"
_OTHER = "does not change what is predicted"
_REASONS = (
    (r"(host|port|uds|api.key|served.model.name|root.path|ssl.*|allow(ed)?.(credentials|origins|methods|headers)"
     r"|.*chat.template.*|response.role|middleware|tool.*|enable.auto.tool.choice|reasoning.parser.*)", _ARRIVAL),
    (r"(nnodes|node.rank|master.*|dist.init.addr|data.parallel.(address|rpc.port|size.local|start.rank|rank|backend"
     r"|hybrid.lb|external.lb)|headless|distributed.executor.backend|gpus.per.node|base.gpu.id|gpu.id.step)", _PLACE),
    (r"(dtype)", "16-bit weights and activations cost the same either way"),
    (r"(enforce.eager|.*cuda.?graph.*|.*attention.*backend|.*moe.*backend|.*gemm.*backend|all2all.backend|.*compil.*"
     r"|optimization.level|performance.mode|.*offload.*|block.size|page.size|swap.space|.*custom.all.reduce"
     r"|.*partial.prefill.*|.*overlap.*|async.scheduling|.*schedul.*|.*decode.steps|max.prefill.tokens|stream.interval"
     r"|max.total.tokens|.*eplb.*|deepep.*|.*nccl.*|.*fusion.*|max.beam.width|num.gpu.blocks.override"
     r"|kv.cache.memory.bytes|.*sliding.window.*|.*mixed.chunk|max.num.partial.prefills)", _SPEED),
)  # fmt: skip
_SECRET = re.compile(r"(api[-_]key|(^|[-_])token$|password|secret)", re.IGNORECASE)
_HIDDEN = "***"  # what is repeated in answers must not give a key away
_MORE_DEVICES = (
    "prefill-context-parallel-size",
    "attention-context-parallel-size",
    "cp_size",
    "moe-data-parallel-size",
)


@dataclass(frozen=True, slots=True)
class Ignored:
    """One flag as written, and why the prediction does not use it."""

    flag: str
    value: object
    why: str


def ignored_flags(parsed: ParsedArguments, used: frozenset[str], command: Command) -> tuple[Ignored, ...]:
    """Everything of the command line that was not read, in the order given."""
    return tuple(_ignored(parsed, used, command))


def refuse_unmodelled(parsed: ParsedArguments) -> None:
    """Raise UnsupportedError for flags that change how many accelerators serve, or the size of a weight."""
    if "config" in parsed.values:
        raise UnsupportedError(
            f"{parsed.written['config']} {parsed.values['config']}: arguments in a file are not read. "
            "Put them on the command line."
        )
    for name in _MORE_DEVICES:
        if (parsed.values.get(name) or 1) > 1:
            raise UnsupportedError(f"{parsed.written[name]} {parsed.values[name]}: this parallelism is not modelled.")
    if parsed.values.get("dtype") in ("float", "float32"):
        raise UnsupportedError(f"--dtype {parsed.values['dtype']}: 32-bit weights are not modelled. Leave it out.")


def _ignored(parsed: ParsedArguments, used: frozenset[str], command: Command) -> Iterator[Ignored]:
    for name, value in parsed.values.items():
        if name not in used and name != parsed.arguments.model_flag:
            yield Ignored(parsed.written[name], _HIDDEN if _SECRET.search(name) else value, _why(name))
    for assignment in command.environment:
        variable, _, text = assignment.partition("=")
        text = _HIDDEN if _SECRET.search(variable) else text
        yield Ignored(variable, text, _SPEED if variable.startswith(("VLLM_", "SGLANG_", "TRTLLM_")) else _AROUND)
    if command.around:
        yield Ignored(" ".join(command.around), None, _AROUND)


def _why(name: str) -> str:
    plain = name.replace("_", "-").replace("-", ".")
    return next((why for pattern, why in _REASONS if re.fullmatch(pattern, plain)), _OTHER)
