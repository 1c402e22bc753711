"""Numbers and tables as the page writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from drivetrain.measure.score import Score


def percent(value: float, signed: bool = False) -> str:
    """A share.

    >>> percent(0.1234), percent(-0.02, signed=True)
    ('12.3 %', '-2.0 %')
    """
    return f"{100 * value:{'+' if signed else ''}.1f} %"


def against(value: float | None, target: float | None, shown: float | None = None) -> str:
    """A figure beside the most it should be. What is printed decides, so that nobody sees 6.0 % miss 6 %.

    >>> against(0.0604, 0.06), against(0.061, 0.06), against(0.2, None)
    ('6.0 % (6 %: reached)', '6.1 % (6 %: missed)', '20.0 %')
    """
    if value is None:
        return "–"
    if target is None:
        return percent(value)
    reached = round(100 * value, 1) <= round(100 * target, 1)
    return f"{percent(value)} ({100 * (shown or target):g} %: {'reached' if reached else 'missed'})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """A Markdown table, its first ``left`` columns ragged right.

    >>> print(table(["a", "n"], [["x", "1"]]))
    | a | n |
    |---|--:|
    | x | 1 |
    """
    marks = ["---"] * left + ["--:"] * (len(head) - left)
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join(marks)}|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


ERRORS = ("n", "median", "mean", "P90", "bias")


def errors(found: Score | None) -> list[str]:
    """The cells of :data:`ERRORS`."""
    if found is None:
        return ["0", "", "", "", ""]
    return [f"{found.n:,}", *(percent(v) for v in (found.median_abs, found.mean_abs, found.p90_abs)),
            percent(found.bias, signed=True)]  # fmt: skip


def inside(found: Score | None) -> str:
    """The share of measurements in the 80 % interval."""
    return "" if found is None or found.coverage80 is None else f"{100 * found.coverage80:.0f} %"
