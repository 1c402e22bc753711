"""Write the reference page of the command line from the commands themselves.

    python tools/write_cli_reference.py            # writes docs/reference/cli.md
    python tools/write_cli_reference.py --check    # exit code 1 when the page is not current

The page is made from names, options, defaults and help texts, not from the rendered --help, whose layout depends on the
terminal and on the version of the library that draws it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parent.parent / "docs/reference/cli.md"
HEAD = """# Command line

<!-- Made by tools/write_cli_reference.py. Change the commands, then run it. -->

`drivetrain --version` prints the version. Results go to stdout, assumptions and notes to stderr. Exit codes: 0 an
answer, 1 nothing meets what was asked, 2 bad input, 3 internal error. Values with spaces need quotes:
`--rate "300 req/min"`.
"""


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its full name, in the order of ``--help``."""
    import typer

    from drivetrain.cli.main import app

    def walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - typer's own classes moved between versions
        children = getattr(command, "commands", None)
        if not children:
            yield name, command
            return
        if getattr(command, "invoke_without_command", False):
            yield name, command
        for child, found in children.items():
            yield from walk(f"{name} {child}", found)

    yield from walk("drivetrain", typer.main.get_command(app))


def page() -> str:
    """The Markdown text of the reference."""
    lines = [HEAD.rstrip()]
    for name, command in commands():
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        options = [p for p in command.params if p.param_type_name == "option" and not p.hidden and p.name != "help"]
        usage = " ".join([name, *(str(p.name).upper() for p in arguments), "[OPTIONS]"])
        lines += ["", f"## {name}", "", *_prose(command.help or ""), "", "```text", usage, "```"]
        if arguments:
            lines += ["", "| argument | meaning |", "|---|---|"]
            lines += [f"| `{str(p.name).upper()}` | {_cell(p.help)} |" for p in arguments]
        if options:
            lines += ["", "| option | default | meaning |", "|---|---|---|"]
            lines += [f"| {_spelling(p)} | {_default(p)} | {_cell(p.help)}{_choices(p)} |" for p in options]
    return "\n".join(lines) + "\n"


def _prose(text: str) -> list[str]:
    """Help text as Markdown; a dimmed example becomes a code block."""
    lines = []
    for raw in text.strip().splitlines():
        line = raw.strip()
        if line.startswith("[dim]"):
            lines += ["```bash", line.removeprefix("[dim]").removesuffix("[/dim]"), "```"]
        else:
            lines.append(line)
    return lines


def _spelling(option: Any) -> str:  # noqa: ANN401
    return ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))


def _default(option: Any) -> str:  # noqa: ANN401
    value = option.default.value if isinstance(option.default, Enum) else option.default
    if option.required:
        return "required"
    if value is None or value == "" or value is False:
        return ""
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _choices(option: Any) -> str:  # noqa: ANN401
    if not isinstance(option.default, Enum):
        return ""
    return f" One of {', '.join(f'`{member.value}`' for member in type(option.default))}."


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def main() -> None:
    """Write the page, or check it."""
    text = page()
    if "--check" in sys.argv[1:]:
        current = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
        if current != text:
            raise SystemExit(f"{PAGE} is not current: run python tools/write_cli_reference.py")
        return
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
