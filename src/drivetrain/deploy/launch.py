"""A plan as the processes to start: one per host of a replica, for each pool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from drivetrain.deploy import sglang, trtllm, vllm
from drivetrain.deploy.argument_list import ArgumentList, arguments_of
from drivetrain.deploy.arguments import parse, unknown_options
from drivetrain.deploy.setup import Setup, setups
from drivetrain.errors import BadInputError, UnsupportedError

_PROGRAMS = {"vllm": vllm.PROGRAM, "sglang": sglang.PROGRAM, "trtllm": trtllm.PROGRAM}


@dataclass(frozen=True, slots=True)
class Process:
    """One process: ``argv`` with the program's name, its environment; ``node`` counts the hosts of a replica."""

    argv: tuple[str, ...]
    node: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pool:
    """All that starts one replica of a pool: its processes and the engine's options file (empty: none)."""

    setup: Setup
    arguments: ArgumentList
    processes: tuple[Process, ...]
    options: Mapping[str, Any]

    @property
    def name(self) -> str:
        """``server``, ``prefill`` or ``decode``."""
        return self.setup.role or "server"

    @property
    def options_file(self) -> str:
        """Name of the options file within the folder."""
        return f"{self.name}-options.yaml"


def launch(
    best: Mapping[str, Any],
    model: str,
    *,
    max_model_len: int | None = None,
    prefix_caching: bool | None = None,
    head: str = "$HEAD_ADDRESS",
) -> tuple[Pool, ...]:
    """The pools of a plan's ``best``, ready to start.

    ``model`` is what the user called the model, ``max_model_len`` the longest request in tokens, ``head`` the address
    of a replica's first host. Every line is parsed against the arguments of the engine's release before it is
    returned; UnsupportedError where the release cannot do what the plan asks.
    """
    pools = setups(best, model, max_model_len=max_model_len, prefix_caching=prefix_caching)
    return tuple(_pool(setup, head) for setup in pools)


def launch_line(best: Mapping[str, Any], model: str, **choices: Any) -> list[str]:  # noqa: ANN401 - those of launch
    """The first process of a plan as an argument list, program first."""
    return list(launch(best, model, **choices)[0].processes[0].argv)


def _pool(setup: Setup, head: str) -> Pool:
    family = setup.engine.family
    known = arguments_of(family, setup.engine.version)
    options: dict[str, Any] = {}
    if family == "trtllm":
        options = trtllm.options(setup)
        missing = unknown_options(known, options)
        if missing:
            raise UnsupportedError(f"TensorRT-LLM {known.version} has no option {missing[0]}. Choose another --engine.")
        processes = [_trtllm(setup)]
    elif family == "sglang":
        processes = [_process(setup, sglang.flags(setup, known, node, head), node) for node in range(setup.nodes)]
    else:
        processes = [_process(setup, vllm.flags(setup, known, node, head), node) for node in range(setup.nodes)]
        if setup.nodes > 1 and "ray" in processes[0].argv:
            processes = processes[:1]  # the hosts joined a Ray cluster before
    for process in processes:
        _check(known, process)
    return Pool(setup, known, tuple(processes), options)


def _process(setup: Setup, flags: list[str], node: int) -> Process:
    family = setup.engine.family
    environment = vllm.environment(setup) if family == "vllm" else {}
    return Process((*_PROGRAMS[family], *flags), node, environment)


def _trtllm(setup: Setup) -> Process:
    """One command for all hosts: MPI starts a copy per accelerator, and the first serves."""
    serve = (*trtllm.PROGRAM, *trtllm.flags(setup, f"{setup.role or 'server'}-options.yaml"))
    if setup.nodes == 1:
        return Process(serve)
    world = str(setup.layout.n_accelerators)
    return Process(("mpirun", "-n", world, "--hostfile", "hosts", "trtllm-llmapi-launch", *serve))


def _check(known: ArgumentList, process: Process) -> None:
    """The line must be one that the engine's own parser takes."""
    program = _PROGRAMS[known.family]
    start = process.argv.index(program[-1]) + 1
    try:
        parse(known.family, known.version, process.argv[start:])
    except BadInputError as error:
        raise UnsupportedError(
            f"{known.family} {known.version} cannot be told this plan: {error.args[0]} Choose a newer --engine."
        ) from None
