"""TOML tables of quality measurements -> records, one for each benchmark.

A ``[[quality]]`` entry is one change of one model: ``scores`` give ``benchmark = [before, after]`` in percent,
``recoveries`` give ``benchmark = after / before`` in percent where the source states no scores. A ``[[siblings]]``
entry lists ``models``, the largest first, and their scores in that order; each may stand in for those before it.
What stands at the head of the file (technique, baseline, source, seen, kind) holds where entries do not say otherwise.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from typing import Any

from drivetrain.catalogue.fact import Fact, read_fact
from drivetrain.catalogue.quality_keys import SIBLING
from drivetrain.catalogue.quality_row import Quality
from drivetrain.catalogue.table import Table
from drivetrain.errors import FileError

_EVIDENCE = ("source", "seen", "kind", "unverified", "note")
_HEAD = ("technique", "baseline", *_EVIDENCE)
_MOST = 200.0  # percent; recoveries above 100 are noise, above this a slip


def read_quality(raw: dict[str, Any], where: str) -> list[Quality]:
    """Read all rows of one file."""
    table = Table(raw, where)
    head = {key: table.take(key) for key in _HEAD if key in table}
    entries = table.tables("quality") if "quality" in table else []
    siblings = table.tables("siblings") if "siblings" in table else []
    table.done()
    rows = [row for entry in entries for row in _changes(_under(head, entry))]
    rows += [row for entry in siblings for row in _stand_ins(_under(head, entry))]
    if not rows:
        raise FileError(f"{where}: holds neither [[quality]] nor [[siblings]]. Add a measurement.")
    names = [row.name for row in rows]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise FileError(f"{where}: two rows are called '{doubled[0]}'. Tell them apart by variant = \"...\".")
    return rows


def _under(head: dict[str, Any], entry: Table) -> Table:
    return Table(head | {key: entry.take(key) for key in entry}, entry.where)


def _changes(table: Table) -> list[Quality]:
    """The rows of a ``[[quality]]`` entry."""
    technique, model, stand_in = table.text("technique"), table.text("model", ""), table.text("stand_in", "")
    family, checkpoint, variant = table.text("family", ""), table.text("checkpoint", ""), table.text("variant", "")
    evidence = _evidence(table)
    facts: dict[str, dict[str, Fact]] = {}
    if "scores" in table:
        scores = table.table("scores")
        facts |= {b: dict(zip(("before", "after"), _percents(scores, b, 2, evidence), strict=True)) for b in scores}
    if "recoveries" in table:
        stated = table.table("recoveries")
        facts |= {b: {"recovery": _percent(stated.take(b), stated.field(b), evidence)} for b in stated}
    if not facts:
        raise FileError(f'{table.where}: no scores. Write scores = {{ "MMLU" = [before, after] }}, in percent.')
    common = Quality(
        name="",
        aliases=(),
        technique=technique,
        model=model,
        family=family,
        params=table.quantity("params", "1") if "params" in table else None,
        checkpoint=checkpoint,
        stand_in=stand_in,
        benchmark="",
        baseline=table.text("baseline", "bf16"),
        facts={},
        notes=table.text("notes", ""),
    )
    table.done()
    parts = (technique, model or _basename(checkpoint) or family, _basename(stand_in), variant)
    return [replace(common, name=_name(*parts, b), benchmark=b, facts=found) for b, found in facts.items()]


def _stand_ins(table: Table) -> list[Quality]:
    """The rows of a ``[[siblings]]`` entry: one for every pair and benchmark, the later model for the earlier one."""
    models, variant = table.texts("models"), table.text("variant", "")
    evidence = _evidence(table)
    scores = table.table("scores")
    facts = {benchmark: _percents(scores, benchmark, len(models), evidence) for benchmark in scores}
    notes = table.text("notes", "")
    table.done()
    if len(models) < 2 or not facts:
        raise FileError(f"{table.where}: nothing to compare. Name two models, the largest first, and their scores.")
    return [
        Quality(
            name=_name(SIBLING, _basename(small), "of", _basename(large), variant, benchmark),
            aliases=(),
            technique=f"{SIBLING}{small}",
            model=large,
            family="",
            params=None,
            checkpoint="",
            stand_in=small,
            benchmark=benchmark,
            baseline="",
            facts={"before": found[models.index(large)], "after": found[models.index(small)]},
            notes=notes,
        )
        for large, small in combinations(models, 2)
        for benchmark, found in facts.items()
    ]


def _evidence(table: Table) -> dict[str, Any]:
    return {key: table.flag(key) if key == "unverified" else table.text(key) for key in _EVIDENCE if key in table}


def _percents(table: Table, key: str, n: int, evidence: dict[str, Any]) -> list[Fact]:
    values = table.take(key)
    if not isinstance(values, list) or len(values) != n:
        raise FileError(f"{table.field(key)} needs {n} scores in percent, not {values!r}.")
    return [_percent(value, table.field(key), evidence) for value in values]


def _percent(value: Any, where: str, evidence: dict[str, Any]) -> Fact:  # noqa: ANN401 - straight from TOML
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 < value <= _MOST:
        raise FileError(f"{where} needs a score in percent, above 0 and at most {_MOST:g}, not {value!r}.")
    fact = read_fact({"value": str(value)} | evidence, "1", where)
    return replace(fact, value=float(value), text=f"{value} %", dimension="%")


def _basename(checkpoint: str) -> str:
    return checkpoint.rpartition("/")[2]


def _name(*parts: str) -> str:
    """Join what tells a row from others.

    >>> _name("weights=fp8", "llama-3.1-8b", "", "OpenLLM v1 average")
    'weights-fp8-llama-3.1-8b-openllm-v1-average'
    """
    words = (re.sub(r"[^a-z0-9.]+", "-", part.lower().replace("+", " plus")).strip("-") for part in parts)
    return "-".join(word for word in words if word)
