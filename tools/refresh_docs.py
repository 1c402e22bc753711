"""Bring every output quoted in README.md and docs/ up to date: run what is quoted, replace what it printed.

    python tools/refresh_docs.py             # rewrites blocks, the picture and the command-line reference
    python tools/refresh_docs.py --check     # only says which files would change; exit code 1 if any

A block lies between two markers and is replaced as a whole::

    <!-- output: drivetrain list workloads -->       the command and what it prints on stdout
    <!-- /output -->

Markers start a line. In square brackets before the colon: ``stderr`` shows stderr instead, ``first N`` or ``last N``
keeps so many lines, ``A-B`` a range of lines, ``exit 1`` expects that exit code. ``<!-- output: python -->`` runs the
Python block above it, ``<!-- output: calibration -->`` tabulates the fits of ``cost/calibration``,
``<!-- output: accuracy -->`` repeats the accuracy page's first table. Times are blurred:
a block changes only when a prediction does.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(
    r"^(?P<open><!-- output(?:\[(?P<how>[^\]]*)\])?: (?P<what>.+?) -->\n).*?(?P<close>^<!-- /output -->)",
    re.DOTALL | re.MULTILINE,
)
PYTHON = re.compile(r"^```python\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)
SHELL = re.compile(r"^```bash\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)
_ELAPSED = re.compile(r"( evaluated in )[\d.]+ (?:ms|s)\b")


@dataclass(frozen=True)
class Ran:
    """What a command printed and how it ended."""

    stdout: str
    stderr: str
    exit_code: int


def pages() -> list[Path]:
    """README.md and every page of docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def run(command: str) -> Ran:
    """Run a ``drivetrain`` command in this process, in the project's folder; errors as its entry point has them."""
    from typer.testing import CliRunner

    from drivetrain.cli.main import app
    from drivetrain.errors import DrivetrainError

    with contextlib.chdir(ROOT):
        result = CliRunner().invoke(app, shlex.split(command)[1:])
    error = result.exception
    if isinstance(error, DrivetrainError):
        return Ran(result.stdout, f"{result.stderr}error: {error}\n", error.exit_code)
    if error is not None and not isinstance(error, SystemExit):
        raise error
    return Ran(result.stdout, result.stderr, result.exit_code)


def run_python(code: str) -> str:
    """Run a block of Python in the project's folder; what it printed."""
    printed = io.StringIO()
    with contextlib.chdir(ROOT), contextlib.redirect_stdout(printed):
        exec(compile(code, "<documentation>", "exec"), {"__name__": "documentation"})
    return printed.getvalue()


def expected_exits(text: str) -> dict[str, int]:
    """Exit codes that a page's markers announce, by command."""
    found = {}
    for match in BLOCK.finditer(text):
        wanted = re.search(r"exit (\d)", match["how"] or "")
        if wanted:
            found[match["what"]] = int(wanted[1])
    return found


def refreshed(text: str) -> str:
    """The page with every block made anew."""

    def replace(match: re.Match[str]) -> str:
        how, what = match["how"] or "", match["what"]
        if what == "python":
            code = [m["code"] for m in PYTHON.finditer(text, 0, match.start())][-1]
            body = _fence(run_python(code), how)
        elif what == "calibration":
            body = calibration_table()
        elif what == "accuracy":
            body = accuracy_table()
        else:
            ran = run(what)
            wanted = re.search(r"exit (\d)", how)
            if ran.exit_code != int(wanted[1] if wanted else 0):
                raise SystemExit(f"'{what}' ended with exit code {ran.exit_code}: {ran.stderr}")
            body = f"```bash\n{what}\n```\n\n{_fence(ran.stderr if 'stderr' in how else ran.stdout, how)}"
        return f"{match['open']}\n{body}\n{match['close']}"

    return BLOCK.sub(replace, text)


def _fence(printed: str, how: str) -> str:
    lines = [line.rstrip() for line in _ELAPSED.sub(r"\1about 1 s", printed).strip("\n").splitlines()]
    if span := re.search(r"(\d+)-(\d+)", how):
        lines = lines[int(span[1]) - 1 : int(span[2])]
    if first := re.search(r"first (\d+)", how):
        lines = lines[: int(first[1])]
    if last := re.search(r"last (\d+)", how):
        lines = lines[-int(last[1]) :]
    text = "\n".join(lines).rstrip()
    return f"```text\n{text}\n```\n"


def accuracy_table() -> str:
    """The first table of the accuracy page: errors on what the fits had not seen."""
    page = (ROOT / "docs/method/accuracy.md").read_text(encoding="utf-8")
    table = re.search(r"(^\|[^\n]*\n)+", page, re.MULTILINE)
    if table is None:
        raise SystemExit("docs/method/accuracy.md has no table; run make accuracy")
    return table[0]


def calibration_table() -> str:
    """What the fits say of themselves: every top-level error and count of each calibration file."""
    folder = ROOT / "src/drivetrain/cost/calibration"
    raw = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.toml")}
    lines = ["| file | figure | value |", "|---|---|---:|"]
    fit = raw["serving"].get("fit")
    if not fit:
        lines.append("| `serving.toml` | not fitted yet: starting values from the literature | – |")
    for key, value in (fit or {}).items():
        if isinstance(value, int | float):
            lines.append(_figure("serving.toml", key, value))
    for section, table in [("base", raw["power"]["base"]), *raw["power"].get("generation", {}).items()]:
        lines += [_figure("power.toml", f"{section}: {key}", table[key]) for key in ("n", "mean_abs_models_left_out")]
    for key, value in raw["collectives"]["meta"].items():
        if "error" in key:
            lines.append(_figure("collectives.toml", key, value))
    return "\n".join(lines) + "\n"


def _figure(file: str, key: str, value: object) -> str:
    text = f"{100 * value:.1f} %" if isinstance(value, float) and abs(value) <= 5 else str(value)
    return f"| `{file}` | {key.replace('_', ' ')} | {text} |"


def main() -> None:
    """Refresh or check everything."""
    os.environ.setdefault("COLUMNS", "100")
    sys.path.insert(0, str(ROOT / "tools"))
    import draw_output
    import write_cli_reference

    write_cli_reference.PAGE.parent.mkdir(parents=True, exist_ok=True)
    wanted = {write_cli_reference.PAGE: write_cli_reference.page(), ROOT / "docs/assets/plan.svg": draw_output.draw()}
    wanted |= {page: refreshed(page.read_text(encoding="utf-8")) for page in pages() if page not in wanted}
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(path.relative_to(ROOT))
        if "--check" not in sys.argv[1:]:
            path.write_text(wanted[path], encoding="utf-8")
    if stale and "--check" in sys.argv[1:]:
        raise SystemExit("these files quote old outputs: run python tools/refresh_docs.py")


if __name__ == "__main__":
    main()
