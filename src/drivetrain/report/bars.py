"""Stacked bars of text: what fills a memory, what a step's time goes to."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text

_STYLES = ("blue", "cyan", "green", "yellow", "magenta", "red", "bright_black")
_BLOCK = "█"
_FREE = "░"
_KEPT = "·"


def stacked(parts: Mapping[str, float], total: float, width: int = 60, kept: float = 0.0) -> Text:
    """One bar of ``width`` cells; ``parts`` take their share of ``total``, the rest is left light.

    ``kept`` is the share at the end that nothing may take. Shares are rounded so that the cells add up (largest
    remainders get the spare ones).
    """
    shares = [max(v, 0.0) / total * width if total > 0 else 0.0 for v in (*parts.values(), kept)]
    cells = _cells(shares, width)
    last = cells.pop()
    bar = Text()
    for n, style in zip(cells, _STYLES, strict=False):
        bar.append(_BLOCK * n, style=style)
    bar.append(_FREE * (width - sum(cells) - last), style="bright_black")
    bar.append(_KEPT * last, style="bright_black")
    return bar


def legend(parts: Mapping[str, str], width: int = 88, free: str = "", kept: str = "") -> list[Text]:
    """Names and values in the colours of :func:`stacked`, as lines of at most ``width`` cells broken between parts."""
    lines = [Text()]
    items = [Text.assemble(("■ ", style), f"{name} {value}")
             for (name, value), style in zip(parts.items(), _STYLES, strict=False)]  # fmt: skip
    rest = ((_FREE, free), (_KEPT, kept))
    items += [Text.assemble((f"{mark} ", "bright_black"), text) for mark, text in rest if text]
    for item in items:
        if lines[-1] and lines[-1].cell_len + 2 + item.cell_len > width:
            lines.append(Text())
        if lines[-1]:
            lines[-1].append("  ")
        lines[-1].append_text(item)
    return lines


def _cells(shares: list[float], width: int) -> list[int]:
    cells = [int(s) for s in shares]
    spare = min(round(sum(shares)), width) - sum(cells)
    for i in sorted(range(len(shares)), key=lambda i: cells[i] - shares[i])[: max(spare, 0)]:
        cells[i] += 1
    return cells
