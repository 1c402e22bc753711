"""How much of the shipped model's quality a way of serving keeps: its output-changing choices, each with its evidence.

Quality data is about changes from the precision a model ships in. Wider weights or caches lose nothing; scheduling,
placement and exact speculative decoding leave the distribution of outputs as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from drivetrain.arch.params import count
from drivetrain.catalogue import loader
from drivetrain.catalogue.model import Checkpoint, Model
from drivetrain.catalogue.quality import QualityDelta, combine, quality_of
from drivetrain.catalogue.quality_keys import SIBLING
from drivetrain.techniques import Techniques

WIDE = ("bf16", "fp16", "fp32", "tf32")
_ROUNDING = 1e-9
_UNKNOWN = "unknown: measured neither on this model, nor on its family, nor on models of like size"


def changes_of(
    shipped: Checkpoint, checkpoint: Checkpoint, kv_dtype: str, techniques: Techniques, stand_in: str = ""
) -> tuple[str, ...]:
    """Keys of what changes outputs against the ``shipped`` checkpoint, as quality data calls them.

    ``stand_in`` is such a key where another model answers; ``shipped`` is then that model's.
    """
    found = [stand_in] if stand_in else []
    if checkpoint.weight_dtype not in (shipped.weight_dtype, *WIDE):
        found.append(f"weights={checkpoint.weight_dtype}")
    if kv_dtype not in (shipped.kv_dtype, *WIDE):
        found.append(f"kv={kv_dtype}")
    if techniques.sparsity != "none":
        found.append(f"sparsity={techniques.sparsity}")
    if techniques.kv_compression < 1.0:
        found.append(f"kv-compression={techniques.kv_compression:g}")
    return tuple(found)


def stand_in_key(asked: Model, model: Model, checkpoint: Checkpoint) -> str:
    """How quality data names a model that answers in place of the one asked for; empty where it is that one.

    Weights of another origin (distilled) share a catalogued model's shape and have a name of their own.
    """
    if model is asked:
        return ""
    own = any(checkpoint.name == known.name for known in model.checkpoints)
    return f"{SIBLING}{model.name if own else checkpoint.name}"


def quality(changes: Sequence[str], model: Model, stand_in: Model | None = None) -> QualityDelta | None:
    """What ``changes`` leave together; ``None`` is unknown. Changes of a stand-in are looked up for it."""
    return combine(_one(key, model if key.startswith(SIBLING) else stand_in or model) for key in changes)


def recovery(changes: Sequence[str], model: Model, stand_in: Model | None = None) -> float | None:
    """Share of the benchmark score that ``changes`` leave: 1 without any, ``None`` where unknown."""
    if not changes:
        return 1.0
    found = quality(changes, model, stand_in)
    return None if found is None else found.recovery


def keeps(kept: float | None, least: float | None, unknown_too: bool) -> bool:
    """Whether a recovery is enough; an unknown one is not where anything is asked, unless allowed."""
    if least is None:
        return True
    return unknown_too if kept is None else kept >= least - _ROUNDING


def quality_fields(changes: Sequence[str], model: Model, stand_in: Model | None = None) -> dict[str, Any]:
    """What ``changes`` leave, for an answer: ``recovery`` with its range and evidence, ``null`` where unknown."""
    if not changes:
        return {"recovery": 1.0, "low": 1.0, "high": 1.0, "n": 0, "matched": "by construction", "benchmarks": [],
                "measured_on": [], "sources": [], "unverified": False}  # fmt: skip
    found = quality(changes, model, stand_in)
    if found is None:
        return {"recovery": None, "note": _UNKNOWN}
    return {"recovery": found.recovery, "low": found.low, "high": found.high, "n": found.n, "matched": found.matched,
            "benchmarks": list(found.benchmarks), "measured_on": list(found.measured_on),
            "sources": titles(found.sources), "unverified": found.unverified}  # fmt: skip


def titles(sources: Iterable[str]) -> list[str]:
    """Sources by title."""
    known = loader.sources()
    return [f"{known[s].title} ({known[s].publisher}, {known[s].date})" if s in known else s for s in sources]


def _one(key: str, model: Model) -> QualityDelta | None:
    return quality_of(key, model, model.published.total or count(model).total)
