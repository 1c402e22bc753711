"""A comparison for people: both verdicts, the numbers with their change, and what each difference explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from drivetrain.report.serve import consoles
from drivetrain.report.words import RESOURCE, change_of, deployment_of, fleet_of, name_of, value_of
from drivetrain.units import number

_BAR = 24  # cells of a waterfall
_CHOICE = 17  # cells of a difference's value in the table
# What is told beside the numbers: the title and the field it comes from ("" is the fleet).
_SERVING = (("plan", ""), ("engine", "engine"), ("weights", "weight_dtype"), ("bound by", "bottleneck"))
_TRAINING = (("cluster", ""), ("model", "model"), ("network", "fabric"), ("precision", "precision"),
             ("bound by", "bottleneck"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """One bar of a waterfall: from where to where; a total starts at zero. ``joint``: known only with the next ones."""

    label: str
    start: float
    end: float
    is_total: bool
    joint: bool = False


def headline(answer: Mapping[str, Any]) -> str:
    """The comparison in one sentence."""
    metric, a, b = answer["metric"], answer["a"], answer["b"]
    if not answer["differences"]:
        return "No difference: both ask the same question."
    if not (a["feasible"] and b["feasible"]):
        which = "Neither can" if not (a["feasible"] or b["feasible"]) else f"Only {'A' if a['feasible'] else 'B'} can"
        return f"{which} be {'trained' if _trains(answer) else 'served'} within what is asked."
    row = next(row for row in answer["numbers"] if row["field"] == metric)
    if row["delta"] is None:
        return f"{name_of(metric)} is not known for {'A' if row['a'] is None else 'B'}."
    values = f"{value_of(metric, row['b'])} for B against {value_of(metric, row['a'])} for A"
    change = row["change_frac"]
    if not row["delta"]:
        return f"{_upper(name_of(metric))}: {values}, no change."
    much = f", {_percent(change)[1:]} {'less' if change < 0 else 'more'}" if change is not None else ""
    return f"{_upper(name_of(metric))}: {values}{much}.{_largest(answer)}"


def waterfall(answer: Mapping[str, Any]) -> list[Step]:
    """From A over each difference to B; empty where there is nothing to explain."""
    total = answer["total_delta"]
    if total is None or not answer["differences"]:
        return []
    row = next(row for row in answer["numbers"] if row["field"] == answer["metric"])
    steps, at = [Step("A", 0.0, row["a"], True)], row["a"]
    for difference in answer["differences"]:
        delta = difference["effect"]["delta"]
        steps.append(Step(label_of(difference), at, at + (delta or 0.0), False, delta is None))
        at += delta or 0.0
    return [*steps, Step("B", 0.0, row["b"], True)]


def lead_lines(answer: Mapping[str, Any]) -> list[Text]:
    """Of two training runs: which reaches the lower loss, how sure that is, and what would draw them level."""
    lead, lines = answer.get("lead"), [Text(note, style="yellow") for note in answer.get("notes", ())]
    if not lead or not lead["value"]:
        return lines
    winner, loser = ("B", "A") if lead["value"] > 0 else ("A", "B")
    text = f"{winner} reaches the lower loss by {number(abs(lead['value']))} nats"
    if lead["p10"] is not None:
        ends = sorted((lead["p10"], lead["p90"]) if lead["value"] > 0 else (-lead["p90"], -lead["p10"]))
        odds = lead["b_leads"] if lead["value"] > 0 else 1.0 - lead["b_leads"]
        said = " to ".join(number(end).replace("-", "−") for end in ends)
        text += f" ({said}), in {number(100 * odds, 2)} % of the draws"
    if lead["to_tie"] is not None:
        text += f"; {loser} would draw level with {number(lead['to_tie'])} times its compute"
    return [Text(f"{text}."), *lines]


def contest_lines(answer: Mapping[str, Any]) -> list[Text | Table]:
    """Each architecture on each system, and what the step from A's to B's is worth of both."""
    contest, metric = answer["contest"], answer["metric"]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("", "A's system", "B's system"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for letter in "ab":
        values = (contest["architecture_on_system"][f"{letter}_on_{system}"] for system in "ab")
        table.add_row(f"{letter.upper()}'s architecture", *(value_of(metric, value) for value in values))
    worth = ", ".join(f"{name} {change_of(metric, delta)}" for name, delta in contest["effects"].items())
    title = Text(f"{name_of(metric)}: each architecture on each system", style="bold")
    return [title, table, Text(f"from A to B: {worth}"), Text()]


def label_of(difference: Mapping[str, Any]) -> str:
    """What differs, as ``name: before → after``."""
    return f"{difference['field'].removeprefix('techniques.')}: {_short(difference['a'])} → {_short(difference['b'])}"


def method_of(answer: Mapping[str, Any]) -> str:
    """How the effects were found, in a few words."""
    how = answer["attribution"]
    n = len(answer["differences"])
    if how["method"] == "first to last":
        return "applied first to last" if n > 1 else ""
    if how["orders"] == 1:
        return ""
    some = "all " if how["orders_used"] == how["orders"] else f"the {how['orders_used']} possible of "
    return f"averaged over {some}{how['orders']} orders"


def print_comparison(answer: Mapping[str, Any], *, pictures: bool = True) -> None:
    """A comparison on stdout; what has moved since an answer was saved on stderr."""
    out, err = consoles()
    width = min(out.width, 80)
    out.print()
    served = answer["a"]["feasible"] and answer["b"]["feasible"]
    out.print(Text(headline(answer), style="bold green" if served else "bold red"), width=width)
    for told in lead_lines(answer):
        out.print(told, width=width)
    out.print()
    for letter in ("a", "b"):
        _side(out, letter.upper(), answer[letter], width)
        _moved(err, letter.upper(), answer[letter])
    out.print()
    _numbers(out, answer)
    if answer.get("contest"):
        for line in contest_lines(answer):
            out.print(line)
    if answer["differences"]:
        _effects(out, answer, pictures=pictures)


def _largest(answer: Mapping[str, Any]) -> str:
    """The difference that does most of the change, where there are several."""
    sign = 1.0 if answer["total_delta"] > 0 else -1.0
    known = [d for d in answer["differences"] if (d["effect"]["delta"] or 0.0) * sign > 0]
    if len(answer["differences"]) < 2 or not known:
        return ""
    top = max(known, key=lambda d: abs(d["effect"]["delta"]))
    name = top["field"].removeprefix("techniques.")
    return f" Most from {name} ({change_of(answer['metric'], top['effect']['delta'])})."


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _side(out: Console, letter: str, side: Mapping[str, Any], width: int) -> None:
    text = side["verdict"] or deployment_of(side["best"])
    out.print(Text.assemble((f"{letter}  ", "bold"), (side["name"], "bold"), f"\n{text}"), width=width)


def _moved(err: Console, letter: str, side: Mapping[str, Any]) -> None:
    if not side["moved"]:
        return
    changes = "; ".join(
        f"{name_of(row['field'])} {value_of(row['field'], row['saved'])}, now {value_of(row['field'], row['now'])}"
        for row in side["moved"][:3]
    )
    more = f" and {len(side['moved']) - 3} more" if len(side["moved"]) > 3 else ""
    err.print(Text(f"{letter} has moved since it was saved (another version or catalogue): {changes}{more}.", "yellow"))


def _numbers(out: Console, answer: Mapping[str, Any]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("", "A", "B", "change"):
        table.add_column(column, justify="left" if not column else "right")
    for row in answer["numbers"]:
        path, change = row["field"], row["change_frac"]
        table.add_row(
            name_of(path), value_of(path, row["a"]), value_of(path, row["b"]),
            "" if change is None else "same" if abs(change) < 5e-4 else _percent(change),
        )  # fmt: skip
    sides = [answer[letter]["best"] or {} for letter in ("a", "b")]
    for title, name in _TRAINING if _trains(answer) else _SERVING:
        a, b = (_plan(side) if not name else RESOURCE.get(side.get(name, "–"), side.get(name, "–")) for side in sides)
        table.add_row(title, a, b, "same" if a == b else "")
    out.print(table)


def _plan(best: Mapping[str, Any]) -> str:
    if not best:
        return "–"
    return (
        f"{best['n_accelerators']}x {best['accelerator']}\n{fleet_of(best) if 'replicas' in best else best['layout']}"
    )


def _trains(answer: Mapping[str, Any]) -> bool:
    return str(answer["verb"]).endswith("train")


def _effects(out: Console, answer: Mapping[str, Any], *, pictures: bool) -> None:
    """The waterfall: what each difference adds, A at its start and B at its end."""
    metric, steps, how = answer["metric"], waterfall(answer), method_of(answer)
    title = f"effect of each difference on {name_of(metric)}" + (f", {how}" if how else "")
    out.print(Text(title, style="bold"))
    table = Table(box=None, pad_edge=False, show_header=False)
    for justify in ("left", "left", "right", "left"):
        table.add_column(justify=justify, no_wrap=True)
    bars = _bars(steps, from_zero=metric != "loss.value") if pictures else [Text()] * len(steps)
    if steps:
        table.add_row("A", "", value_of(metric, steps[0].end), bars[0])
    for i, difference in enumerate(answer["differences"]):
        effect = difference["effect"]
        bar = bars[i + 1] if steps else Text()
        values = f"{_cut(_short(difference['a']))} → {_cut(_short(difference['b']))}"
        delta = "with next" if steps and effect["delta"] is None else change_of(metric, effect["delta"])
        table.add_row(_cut(difference["field"].removeprefix("techniques.")), values, delta, bar)
    if steps:
        table.add_row("B", "", value_of(metric, steps[-1].end), bars[-1])
    out.print(table)
    gaps = answer["attribution"]["infeasible_between"]
    for gap in gaps[:3]:
        why = gap["reason"].partition(". ")[0].rstrip(".")
        out.print(Text(f"infeasible between: A with B's {' and '.join(gap['with'])}: {why}.", style="yellow"))
    if len(gaps) > 3:
        out.print(Text(f"and {len(gaps) - 3} more mixes that nothing serves.", style="yellow"))


def _bars(steps: Sequence[Step], width: int = _BAR, *, from_zero: bool = True) -> list[Text]:
    """Bars on one scale: totals full, increases dark, decreases light; from near the least where zero is far below."""
    if not steps:
        return []
    ends = [step.end for step in steps]
    low, high = min(ends), max(ends)
    low, high = (min(0.0, low), max(0.0, high)) if from_zero else (low - 0.2 * (high - low), high)
    steps = steps if from_zero else [replace(s, start=low) if s.is_total else s for s in steps]
    scale = width / (high - low) if high > low else 0.0
    bars = []
    for step in steps:
        left, right = (round((v - low) * scale) for v in sorted((step.start, step.end)))
        cells = max(right - left, 0 if step.start == step.end else 1)
        left = min(left, width - cells)
        character, style = (
            ("█", "blue") if step.is_total else ("▓", "yellow") if step.end > step.start else ("░", "cyan")
        )
        bars.append(Text.assemble(" " * left, (character * cells, style)))
    return bars


def _short(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_short(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value)) or "all"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (int, float)):
        return number(value, 4)
    return str(value) if value not in (None, "") else "none"


def _cut(text: str) -> str:
    return text if len(text) <= _CHOICE else text[: _CHOICE - 1] + "…"


def _percent(change: float) -> str:
    return f"{'−' if change < 0 else '+'}{number(100 * abs(change), 3 if abs(change) < 10 else 2)} %"
