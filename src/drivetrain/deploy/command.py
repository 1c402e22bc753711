"""A shell command line taken apart: which engine it starts, with what arguments, and what stands around it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from drivetrain.errors import BadInputError
from drivetrain.registry import suggest

EXAMPLES = "'vllm serve MODEL ...', 'python -m sglang.launch_server --model-path MODEL ...' or 'trtllm-serve MODEL ...'"
# an engine's programs, by the words that follow one another
_PROGRAMS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("vllm", ("vllm", "serve")),
    ("vllm", ("-m", "vllm.entrypoints.openai.api_server")),
    ("vllm", ("-m", "vllm.entrypoints.api_server")),
    ("vllm", ("-m", "vllm.entrypoints.cli.main", "serve")),
    ("sglang", ("-m", "sglang.launch_server")),
    ("sglang", ("sglang", "serve")),
    ("trtllm", ("trtllm-serve", "serve")),
    ("trtllm", ("trtllm-serve",)),
)
_IMAGES = (("vllm", re.compile(r"(^|/)vllm[a-z-]*(:|$)")),)  # images whose entry point is the engine itself
_TAG = re.compile(r"(?:vllm|sglang|tensorrt-llm)[a-z0-9/_-]*:v?(\d+)\.(\d+)")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_END = re.compile(r"&&?|\|\|?|;|\d?>{1,2}.*|\d?>&\d|&>.*|<.*")


@dataclass(frozen=True, slots=True)
class Command:
    """``argv`` of the engine; ``version`` as an image's tag tells it (or ""); what stood around it."""

    family: str
    version: str
    argv: tuple[str, ...]
    environment: tuple[str, ...]
    around: tuple[str, ...]


def take_apart(text: str) -> Command:
    """Find the engine in a command line as people paste it: line breaks, variables, docker, mpirun and all.

    >>> take_apart("CUDA_VISIBLE_DEVICES=0 vllm serve m -tp 2 2>&1 | tee log").argv
    ('m', '-tp', '2')
    """
    words = _words(text)
    family, start, program = _by_program(words) or _by_image(words, text)
    before, after = words[:start], words[start + len(program) :]
    if before and PurePosixPath(before[-1]).name.startswith("python"):
        before.pop()
    end = next((i for i, word in enumerate(after) if _END.fullmatch(word)), len(after))
    environment = tuple(word for word in before if _ASSIGNMENT.match(word))
    image = next((match for word in words[: start + len(program)] if (match := _TAG.search(word))), None)
    return Command(
        family=family,
        version=f"{image[1]}.{image[2]}" if image else "",
        argv=tuple(after[:end]),
        environment=environment,
        around=(*(word for word in before if word not in environment), *after[end:]),
    )


def _words(text: str) -> list[str]:
    joined = text.replace("\\\r\n", " ").replace("\\\n", " ").replace("\r\n", "\n")
    kept = "\n".join(line for line in joined.splitlines() if not line.lstrip().startswith("#"))
    if not kept.strip():
        raise BadInputError(f"the command line is empty. Write {EXAMPLES}.")
    try:
        return shlex.split(kept)
    except ValueError as error:
        raise BadInputError(
            f"cannot read the command line: {error}. Close every quote and end no line in \\."
        ) from None


def _by_program(words: Sequence[str]) -> tuple[str, int, tuple[str, ...]] | None:
    """(family, place, words) of the first program known."""
    for family, program in _PROGRAMS:
        start = _position(words, program)
        if start is not None:
            return family, start, program
    return None


def _position(words: Sequence[str], program: tuple[str, ...]) -> int | None:
    """Where ``program`` starts, the path before its first word not counted."""
    n = len(program)
    for i in range(len(words) - n + 1):
        named = (PurePosixPath(words[i]).name, *words[i + 1 : i + n])
        if named == program:
            return i
    return None


def _by_image(words: Sequence[str], text: str) -> tuple[str, int, tuple[str, ...]]:
    """(family, place, the image) of a container whose entry point is the engine."""
    if words[0] in ("docker", "podman", "nerdctl"):
        for family, pattern in _IMAGES:
            for i, word in enumerate(words):
                if pattern.search(word) and not word.startswith("-") and not words[i - 1].startswith("--name"):
                    return family, i, (word,)
    first = " ".join(words[:2])
    known = ["vllm serve", "sglang serve", "trtllm-serve"]
    close = suggest(first, known, 1) or suggest(words[0], known, 1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    shown = text.strip().splitlines()[0][:60]
    raise BadInputError(f"cannot tell which engine '{shown}' starts.{hint} Write {EXAMPLES}.")
