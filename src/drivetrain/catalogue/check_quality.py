"""The rules for quality measurements: what each row must name, and recoveries that cannot be right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from drivetrain.catalogue.quality_keys import LOSSLESS, SIBLING, is_known
from drivetrain.catalogue.quality_row import Quality
from drivetrain.registry import slug

# Quantisation that more than halves a score, or lifts it by a quarter, is a slip of the pen; other losses may be total.
_PRECISION_BAND, _WIDE_BAND = (0.4, 1.25), (0.0, 1.5)


def check_quality(rows: Sequence[tuple[str, Quality]], models: Sequence[Any]) -> Iterator[tuple[str, str, str]]:
    """Yield (file, row, message) for every broken rule; ``models`` are all catalogued ones."""
    names = {model.name for model in models}
    spellings = names | {slug(alias) for model in models for alias in model.aliases}
    families = {model.family for model in models}
    for file, row in rows:
        for message in (*_subject(row, names, spellings, families), *_numbers(row)):
            yield file, row.name, message
    for (name, n) in Counter(row.name for _, row in rows).items():  # fmt: skip
        if n > 1:
            files = ", ".join(sorted({file for file, row in rows if row.name == name}))
            yield files, name, f"stands {n} times. Tell the rows apart by variant, or remove one."


def _subject(row: Quality, names: set[str], spellings: set[str], families: set[str]) -> Iterator[str]:
    if not is_known(row.technique):
        yield f"there is no technique '{row.technique}'. Keys are in catalogue/quality_keys.py, such as weights=fp8."
    if not row.benchmark.strip():
        yield "the benchmark is blank. Name it."
    if row.model and row.model not in names:
        yield f"there is no model '{row.model}'. Use the name of its file, or give family and params instead."
    if row.stand_in and slug(row.stand_in) not in spellings:
        yield f"there is no model '{row.stand_in}' to stand in. Use a spelling the catalogue knows."
    if row.stand_in and row.stand_in == row.model:
        yield "a model cannot stand in for itself."
    if row.stand_in and not row.model:
        yield "a stand-in needs the model it stands in for. Give model."
    if row.family and row.family not in families:
        yield f"no model of the catalogue is of family '{row.family}'. Use a family of 'drivetrain list models'."
    if not (row.model or row.params) and row.technique not in LOSSLESS:
        yield "says nothing of what was measured. Give model, or params and checkpoint."
    if not row.model and row.params and not row.checkpoint:
        yield "gives params and no checkpoint. Name what was measured."


def _numbers(row: Quality) -> Iterator[str]:
    if row.technique in LOSSLESS and row.recovery != 1.0:
        yield f"recovers {row.recovery:.2%} where outputs are equal by construction. Write 100, or another technique."
    precision = row.technique.startswith(("weights=", "kv="))
    low, high = _PRECISION_BAND if precision else _WIDE_BAND
    if not low < row.recovery <= high:
        what = "stand-in" if row.technique.startswith(SIBLING) else "technique"
        yield f"recovery {row.recovery:.2f} of this {what} is outside {low:g} to {high:g}. Check both scores."
    for key in ("before", "after"):
        if key in row.facts and row.facts[key].value > 100.0:
            yield f"{key} is {row.facts[key].text}. Scores are percent of the full score."
