"""Published training speeds and ladders that are not in the measured file: a check, nothing is fitted on them.

Speeds: ``reference/training_elsewhere.csv``, rows as of ``training_runs.csv``, from the papers named in them as
remembered, no copy being at hand. Ladders: efficiency of clusters of one job against the smallest. Layouts of the first
four are assumed (405B: tp8 pp8 cp2 on H100 and H200, tp4 pp16 on GB200; GPT-3: the smallest cluster holds one replica
of tp8 pp12), and every larger cluster scales them by data parallelism.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from drivetrain.measure.outcome import Outcome
from drivetrain.measure.table import Table, parse
from drivetrain.measure.training import REQUIRED, outcomes

_FILE = "training_elsewhere.csv"


@dataclass(frozen=True, slots=True)
class Ladder:
    """Efficiencies of one job by accelerators; ``per_accelerator`` sequences each in a step, or ``batch`` in all."""

    name: str
    row: Mapping[str, str]
    measured: Mapping[int, float]
    per_accelerator: float = 0.0
    batch: int = 0

    def sequences(self, n: int) -> int:
        """Sequences of a step on ``n`` accelerators."""
        return self.batch or round(self.per_accelerator * n)


_JOB = {"source_id": "ladder", "kind": "step", "model": "llama3.1-405b", "seq": "8192", "mbs": "1", "precision": "bf16",
        "framework": "Megatron"}  # fmt: skip
_H100 = _JOB | {"accel": "H100", "tp": "8", "pp": "8", "vp": "8", "cp": "2"}
LADDERS = (
    Ladder("405B, H100 InfiniBand", _H100, {512: 1.0, 2048: 0.969, 8192: 0.887}, per_accelerator=0.25),
    Ladder(
        "405B, GB200", _JOB | {"accel": "GB200", "tp": "4", "pp": "16", "vp": "8", "cp": "1"},
        {256: 1.0, 512: 0.990, 1024: 0.971, 2048: 0.954, 2496: 0.939}, per_accelerator=0.5,
    ),
    Ladder("405B, H200", _H100 | {"accel": "H200"}, {512: 1.0, 1024: 0.986}, per_accelerator=0.25),
    Ladder(
        "GPT-3 175B, H100, batch kept (47 to 42 % MFU)",
        _H100 | {"model": "gpt3-175b", "seq": "4096", "pp": "12", "cp": "1"}, {96: 1.0, 4608: 0.894}, batch=1152,
    ),
)  # fmt: skip


def speeds() -> tuple[Table, list[Outcome]]:
    """The published rows and what is predicted for them."""
    text = (files("drivetrain.measure") / "reference" / _FILE).read_text(encoding="utf-8")
    table = parse(text, REQUIRED, "id", _FILE)
    return table, outcomes(table)


def predicted(ladder: Ladder) -> dict[int, float]:
    """Efficiency by accelerators, each cluster with the ladder's layout."""
    rows = [dict(ladder.row) | {"id": str(n), "n_accel": str(n), "gbs_seqs": str(ladder.sequences(n)),
                                "step_time_s": ""} for n in ladder.measured]  # fmt: skip
    found = outcomes(parse(_text(rows), REQUIRED, "id", "ladder"))
    each = [float(one.values["tokens_per_s_per_accel"]) for one in found]
    return {n: speed / each[0] for n, speed in zip(ladder.measured, each, strict=True)}


def _text(rows: Sequence[Mapping[str, str]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
