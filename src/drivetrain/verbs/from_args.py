"""``predict serve --from-args``: predict what a real command line starts, and say what the plan would change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from drivetrain.catalogue import loader
from drivetrain.catalogue.read_workload import fixed
from drivetrain.deploy.arguments import parse
from drivetrain.deploy.launch import launch
from drivetrain.deploy.read_args import FromArgs, scenario_from_args
from drivetrain.deploy.shell import shell_line
from drivetrain.errors import BadInputError, DrivetrainError
from drivetrain.scenario import ServeScenario, scenario_of
from drivetrain.units import number
from drivetrain.verbs.plan_serve import plan
from drivetrain.verbs.predict_serve import predict

_ON_THE_LINE = ("layouts", "weights", "kv", "techniques", "max_num_seqs", "max_batched_tokens")
_WORTH_SAYING = 0.005  # a smaller gain is within what replicas round off
_SAME_SPEED = frozenset({"max-model-len", "context-length", "max_seq_len", "extra_llm_api_options"})


@dataclass(frozen=True, slots=True)
class Command:
    """A command line read and completed: the scenario of one server, and how it was read."""

    read: FromArgs
    scenario: ServeScenario


def predict_from_args(command_line: str, *, operators: bool = False, **choices: Any) -> dict[str, Any]:  # noqa: ANN401
    """Predict the server that ``command_line`` starts.

    ``choices`` are fields of :class:`~drivetrain.scenario.ServeScenario` that a command line does not hold:
    accelerator, load, lengths, prices. The answer is that of ``predict serve`` with ``from_args`` added.
    """
    plural = {"accelerator": "accelerators", "engine": "engines", "layout": "layouts"}
    command = read_command(command_line, {plural.get(name, name): value for name, value in choices.items()})
    fields = predict(command.scenario, operators=operators)
    return fields | {"from_args": account(command)}


def read_command(command_line: str, given: Mapping[str, Any]) -> Command:
    """Complete what the command line says by what was ``given`` beside it; contradictions are refused."""
    chosen = {name: value for name, value in given.items() if value not in (None, "", ()) and not _default(name, value)}
    engines = chosen.get("engines") or ("",)
    names = (engines,) if isinstance(engines, str) else tuple(engines)
    read = scenario_from_args(command_line, engine=names[0], model=str(chosen.get("model", "")))
    for name in _ON_THE_LINE:
        if name in chosen:
            option = {"layouts": "--layout", "techniques": "--with"}.get(name, f"--{name.replace('_', '-')}")
            raise BadInputError(f"{option} is said by the command line of --from-args. Change it there.")
    if not chosen.get("accelerators"):
        raise BadInputError("say what the command line runs on: --accelerator NAME ('drivetrain list accelerators').")
    scenario = scenario_of({**read.choices, **{k: v for k, v in chosen.items() if k != "engines"}})
    return Command(read, scenario)


def account(command: Command) -> dict[str, Any]:
    """What was read, what was not, and what the plan would change: ``from_args`` of the answer."""
    read = command.read
    found: dict[str, Any] = {
        "read": {**read.choices, "copies": read.copies, "max_model_len": read.max_model_len},
        "ignored": [asdict(one) for one in read.ignored],
        "notes": [*read.notes, *_too_long(command)],
        "would_change": [],
        "compared": None,
    }
    return found if command.scenario.rate is None else found | _compare(command)


def _default(name: str, value: object) -> bool:
    """Whether ``value`` is what a scenario has by itself."""
    found = ServeScenario.__dataclass_fields__.get(name)
    return found is not None and found.default == value


def _too_long(command: Command) -> list[str]:
    scenario, limit = command.scenario, command.read.max_model_len
    if limit is None:
        return []
    workload = (
        loader.load("workloads", scenario.workload)
        if scenario.workload
        else fixed(scenario.isl or 1.0, scenario.osl or 1.0)
    )
    longest = max(one.isl + one.osl for one in workload.classes)
    if longest <= limit:
        return []
    return [f"the server refuses requests beyond {limit:,} tokens; the longest here have {number(longest)}."]


def _compare(command: Command) -> dict[str, Any]:
    """The same load planned twice on the same accelerator and engine: as given, and with flags free."""
    scenario = replace(command.scenario, headroom=0.0, levers="off")
    free = replace(scenario, layouts=(), max_num_seqs=None, max_batched_tokens=None)
    try:
        given, best = plan(scenario), plan(free)
        line, changes = _changes(command.read, best) if best["feasible"] else ("", [])
    except DrivetrainError as error:
        return {"compared": None, "not_compared": str(error.args[0])}
    gain = _gain(given, best) if best["feasible"] else None
    worth = gain is None or gain >= _WORTH_SAYING
    return {
        "would_change": changes if worth else [],
        "compared": {
            "as_given": _summary(given),
            "best": _summary(best) | {"launch": line},
            "gain_frac": gain,
        },
    }


def _summary(answer: Mapping[str, Any]) -> dict[str, Any]:
    shown = answer["best"] or answer["closest_miss"] or {}
    names = ("layout", "replicas", "n_accelerators", "usd_per_million_output_tokens", "joules_per_output_token")
    return {"feasible": answer["feasible"], **{name: shown.get(name) for name in names}}


def _gain(given: Mapping[str, Any], best: Mapping[str, Any]) -> float | None:
    """Relative fall of the cost per token; of energy where no price is known."""
    if not given["feasible"]:
        return None
    for measure in ("usd_per_million_output_tokens", "joules_per_output_token"):
        before, after = given["best"][measure], best["best"][measure]
        if before and after is not None:
            return float(1.0 - after / before)
    return None


def _changes(read: FromArgs, best: Mapping[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """(launch line of the plan, flags that differ from the line given)."""
    pools = launch(
        best["best"], read.choices["model"], max_model_len=read.max_model_len, prefix_caching=read.prefix_caching
    )
    known = read.parsed.arguments
    line = shell_line(pools[0].processes[0].argv)
    start = pools[0].processes[0].argv.index(_program_end(known.family)) + 1
    planned = parse(known.family, known.version, pools[0].processes[0].argv[start:])
    changes: list[dict[str, Any]] = []
    if best["best"]["replicas"] != 1:
        changes.append({"flag": "replicas", "from": 1, "to": best["best"]["replicas"]})
    for name in sorted(set(planned.values) | set(read.parsed.values)):
        before, after = read.parsed.value(name), planned.value(name)
        if before != after and name in _tuned(read) and not _set_to_default(read, name, after):
            changes.append({"flag": f"--{name}", "from": before, "to": after})
    return line, changes


def _program_end(family: str) -> str:
    return {"vllm": "serve", "sglang": "sglang.launch_server", "trtllm": "trtllm-serve"}[family]


def _tuned(read: FromArgs) -> frozenset[str]:
    """Flags that a plan chooses: those that were read, less what only limits requests."""
    return read.used - _SAME_SPEED


def _set_to_default(read: FromArgs, name: str, after: object) -> bool:
    """Whether the plan only says what the engine does anyway."""
    engine = loader.load("engines", read.choices["engines"][0])
    return name not in read.parsed.values and after == engine.memory_frac
