"""How pictures look: colours that colour-blind people tell apart, plain axes, text that stays text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# M. Okabe and K. Ito, "Color Universal Design", 2008; without the yellow, which is pale on white.
BLUE, ORANGE, GREEN, SKY, RED, PURPLE = "#0072B2", "#E69F00", "#009E73", "#56B4E9", "#D55E00", "#CC79A7"
CYCLE = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, "#7A7A7A")
# What fills a memory and what a step waits for: one colour each, in every panel.
PART = {"weights": BLUE, "KV cache": ORANGE, "KV": ORANGE, "activations": GREEN, "compute": RED, "overhead": "#7A7A7A",
        "network": SKY}  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h")
INK, FAINT, PALE = "#222222", "#6B6B6B", "#E3E3E3"
_STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "Helvetica", "sans-serif"],
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "drivetrain",
    "text.parse_math": False,
}


@contextmanager
def styled() -> Iterator[None]:
    """Settings of matplotlib: this style and nothing of the user's own settings, for as long as the block runs."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        settings: Any = matplotlib.rcParams  # typed by the names of all settings, which a dict's keys are not
        settings.update(_STYLE)
        yield


def title(axes: Axes, text: str, note: str = "") -> None:
    """A panel's title, and under it in small print how to read it."""
    axes.set_title(text, pad=20 if note else 8)
    if note:
        axes.annotate(note, (0, 1), (0, 6), xycoords="axes fraction", textcoords="offset points",
                      fontsize=8, color=FAINT, annotation_clip=False)  # fmt: skip


def wrapped(text: str, width: int) -> str:
    """``text`` broken into lines of at most ``width`` characters."""
    return "\n".join(textwrap.wrap(text, width))


def shortened(text: str, width: int) -> str:
    """``text``, or its beginning where it is longer than ``width`` characters."""
    return text if len(text) <= width else text[: width - 1] + "…"
