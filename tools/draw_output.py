"""Draw the terminal output of the demo as an SVG that refers to nothing outside itself.

    python tools/draw_output.py docs/assets/plan.svg

Runs the real plan and records what the command prints. The elapsed time is rounded up to whole seconds, so that the
file changes only when the answer does.
"""

from __future__ import annotations

import io
import math
import re
import sys
from pathlib import Path
from unittest.mock import patch

from rich.console import Console
from rich.terminal_theme import TerminalTheme

QUESTION = {"model": "llama-3.1-70b", "workload": "azure-2023-conv", "rate": 5.0, "slo": "ttft_p95=2s,tpot_p95=50ms"}
TITLE = "drivetrain plan serve --model llama-3.1-70b --workload azure-2023-conv --rate 5"
WIDTH = 100
# muted colours on a dark ground; the eight of the standard and the bright set
THEME = TerminalTheme(
    (22, 27, 34), (201, 209, 217),
    [(48, 54, 61), (224, 108, 117), (126, 184, 120), (214, 174, 96),
     (91, 141, 214), (177, 122, 196), (86, 174, 186), (201, 209, 217)],
    [(110, 118, 129), (240, 128, 137), (150, 204, 144), (230, 192, 120),
     (121, 168, 232), (198, 148, 216), (116, 198, 210), (240, 246, 252)],
)  # fmt: skip


def draw() -> str:
    """The SVG of the demo's output."""
    from drivetrain.report import serve
    from drivetrain.verbs.plan_serve import plan_serve

    plan_serve(**QUESTION)  # compiles where nothing is cached yet
    answer = plan_serve(**QUESTION)
    answer["elapsed_s"] = math.ceil(answer["elapsed_s"])
    recorder = Console(
        record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor", highlight=False
    )
    with patch.object(serve, "consoles", lambda: (recorder, recorder)):
        serve.print_plan(answer)
    svg = recorder.export_svg(title=TITLE, theme=THEME, unique_id="plan")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)  # the template's fonts come from another host
    svg = svg.replace("Fira Code, monospace", "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace")
    return re.sub(r"<!--.*?-->\s*", "", svg)


def main() -> None:
    """Write the file named on the command line."""
    Path(sys.argv[1]).write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
