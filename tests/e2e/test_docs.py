"""What README and documentation quote: commands and Python blocks run, the command-line reference is current."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def tool(name: str) -> ModuleType:
    """A script of tools/, imported."""
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(ROOT / "tools"))


refresh = tool("refresh_docs")
reference = tool("write_cli_reference")
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}


def quoted_commands() -> dict[str, int]:
    """Every ``drivetrain`` line of a bash block, and the exit code its page announces."""
    found: dict[str, int] = {}
    for text in TEXTS.values():
        exits = refresh.expected_exits(text)
        for block in refresh.SHELL.finditer(text):
            for line in block["code"].splitlines():
                if line.startswith("drivetrain "):
                    found[line.strip()] = exits.get(line.strip(), 0)
    return found


PYTHON = [(name, i, m["code"]) for name, text in TEXTS.items() for i, m in enumerate(refresh.PYTHON.finditer(text))]


@pytest.mark.parametrize(("command", "exit_code"), quoted_commands().items())
def test_quoted_commands_run(command: str, exit_code: int) -> None:
    ran = refresh.run(command)
    assert ran.exit_code == exit_code, ran.stderr
    assert (ran.stdout or ran.stderr).strip()


@pytest.mark.parametrize(("name", "index", "code"), PYTHON, ids=[f"{name}-{i}" for name, i, _ in PYTHON])
def test_python_blocks_run(name: str, index: int, code: str) -> None:
    assert refresh.run_python(code).strip()


def test_some_commands_and_blocks_were_found() -> None:
    assert len(quoted_commands()) >= 8
    assert len(PYTHON) >= 8


@pytest.mark.parametrize("name", TEXTS)
def test_every_output_block_is_filled(name: str) -> None:
    assert TEXTS[name].count("<!-- output") == TEXTS[name].count("<!-- /output -->"), "a marker is not closed"
    for match in refresh.BLOCK.finditer(TEXTS[name]):
        assert "```" in match[0] or "|" in match[0], f"run tools/refresh_docs.py: empty block for {match['what']}"


def test_the_command_line_reference_is_current() -> None:
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(), "run python tools/write_cli_reference.py"


def test_every_command_and_option_is_explained() -> None:
    text = reference.PAGE.read_text(encoding="utf-8")
    for name, command in reference.commands():
        assert command.help, f"{name} has no help text"
        assert f"## {name}\n" in text
        for parameter in command.params:
            if parameter.name != "help":
                assert parameter.help, f"{name}: {parameter.name} has no help text"


@pytest.mark.parametrize("name", TEXTS)
def test_local_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", TEXTS[name]):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_picture_refers_to_no_other_host() -> None:
    picture = (ROOT / "docs/assets/plan.svg").read_text(encoding="utf-8")
    assert "url(http" not in picture
    assert "@import" not in picture
    assert set(re.findall(r'https?://[^"\s]+', picture)) == {"http://www.w3.org/2000/svg"}
