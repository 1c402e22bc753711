"""Processes as shell: one line each, and the script that holds them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from drivetrain.deploy.launch import Pool, Process

_VARIABLE = re.compile(r"\$[A-Z_]+")


def shell_line(argv: Sequence[str]) -> str:
    r"""Quote for a shell; variables such as ``$HEAD_ADDRESS`` stay variables.

    >>> shell_line(["vllm", "serve", "m", "--master-addr", "$HEAD_ADDRESS", "-sc", '{"a": 1}'])
    'vllm serve m --master-addr "$HEAD_ADDRESS" -sc \'{"a": 1}\''
    """
    return " ".join(f'"{word}"' if _VARIABLE.search(word) else shlex.quote(word) for word in argv)


def script(pools: Sequence[Pool], title: str) -> str:
    """The launch script: every process once, chosen by name where there are several."""
    starts = [(name_of(pool, process), pool, process) for pool in pools for process in pool.processes]
    lines = ["#!/usr/bin/env bash", f"# {title}", "set -euo pipefail", 'cd "$(dirname "$0")"', ""]
    if len(starts) == 1:
        _, pool, process = starts[0]
        return "\n".join([*lines, *_body(pool, process), ""])
    lines += ['case "${1:-}" in']
    for name, pool, process in starts:
        lines += [f"{name})", *(f"  {line}" for line in _body(pool, process)), "  ;;"]
    names = " | ".join(name for name, _, _ in starts)
    return "\n".join([*lines, f'*) echo "usage: $0 {names}" >&2; exit 2 ;;', "esac", ""])


def name_of(pool: Pool, process: Process) -> str:
    """``server``, ``decode-node-1``: what a process is called in the script."""
    return pool.name if pool.setup.nodes == 1 or len(pool.processes) == 1 else f"{pool.name}-node-{process.node}"


def _body(pool: Pool, process: Process) -> list[str]:
    setup = pool.setup
    place = f"host {process.node} (of {setup.nodes}) of each replica" if setup.nodes > 1 else "a host"
    lines = [f"# {pool.name}: {setup.replicas} x {setup.layout} on {setup.accelerator}; start this once a replica on "
             f"{place} with {setup.per_node} of them."]  # fmt: skip
    lines += [f': "${{{name}:?{_WHAT[name]}}}"' for name in sorted(needed(process))]
    if "ray" in process.argv:
        lines.append("# The hosts of a replica must have joined one Ray cluster before (ray start).")
    lines += [f"export {name}={shell_line([value])}" for name, value in process.environment.items()]
    return [*lines, shell_line(process.argv)]


def needed(process: Process) -> set[str]:
    """Variables that the person must set before starting."""
    words = (*process.argv, *process.environment.values())
    return {match[1:] for word in words for match in _VARIABLE.findall(word)}


_WHAT = {
    "HEAD_ADDRESS": "set it to the address of the first host of this replica",
    "POD_IP": "set it to the address of this host",
}
