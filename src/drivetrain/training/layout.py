"""How a training job is cut over accelerators: ``tp8pp4vp2cp2dp64ep8zero1``.

``tp`` cuts matrices (with it, sequence parallelism cuts norms and residuals), ``pp`` the list of layers into stages,
each in ``vp`` chunks when the schedule is interleaved, ``cp`` the sequence, ``dp`` the batch. Experts are spread over
``ep`` ranks in ``etp`` slices each, taken from the ``tp * cp * dp`` ranks of a stage. ``zero`` is what data-parallel
ranks share out: 1 optimiser states, 2 gradients too, 3 weights too (FSDP), over ``shard`` ranks (0: all of them;
fewer: hybrid sharding). The ``dualpipe`` schedule (DeepSeek-V3) runs a forward and a backward chunk side by side, so
that one hides the other's expert exchange, and holds two copies of a stage. Ranks are placed tp innermost,
then cp, dp, pp.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import LayoutError

Schedule = Literal["1f1b", "interleaved", "zero-bubble", "dualpipe"]
Recompute = Literal["none", "selective", "full"]
SCHEDULES: tuple[Schedule, ...] = ("1f1b", "interleaved", "zero-bubble", "dualpipe")
RECOMPUTE: tuple[Recompute, ...] = ("none", "selective", "full")
NONE, SELECTIVE, FULL = range(3)
INTERLEAVED, ZERO_BUBBLE, DUALPIPE = 1, 2, 3
Floats = NDArray[np.float64]
_TOKEN = re.compile(r"(tp|pp|vp|cp|dp|ep|etp|zero|shard|mbs)(\d+)")
_SPELLED = ("tp", "pp", "vp", "cp", "dp", "ep", "etp", "mbs")


@dataclass(frozen=True, slots=True)
class TrainingLayout:
    """One layout; every degree at least 1, ``micro_batch`` sequences a pass.

    >>> TrainingLayout(tp=8, pp=4, dp=2).n_accelerators
    64
    """

    tp: int = 1
    pp: int = 1
    vp: int = 1
    cp: int = 1
    dp: int = 1
    ep: int = 1
    etp: int = 1
    micro_batch: int = 1
    zero: int = 1
    shard: int = 0
    schedule: Schedule = "1f1b"
    recompute: Recompute = "none"

    def __post_init__(self) -> None:
        for name in ("tp", "pp", "vp", "cp", "dp", "ep", "etp", "micro_batch"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise LayoutError(f"{name} must be a whole number from 1 up, not {value!r}.")
        if self.zero not in (0, 1, 2, 3):
            raise LayoutError(f"zero must be 0, 1, 2 or 3, not {self.zero!r}.")
        if self.schedule not in SCHEDULES or self.recompute not in RECOMPUTE:
            raise LayoutError(
                f"schedule must be one of {', '.join(SCHEDULES)} and recompute one of {', '.join(RECOMPUTE)}, "
                f"not '{self.schedule}' and '{self.recompute}'."
            )
        if self.vp > 1 and self.pp == 1:
            raise LayoutError(f"layout '{self}': vp{self.vp} needs a pipeline; raise pp or drop vp.")
        ranks = self.tp * self.cp * self.dp
        if ranks % (self.ep * self.etp):
            raise LayoutError(
                f"layout '{self}': ep{self.ep} x etp{self.etp} does not divide the {ranks} ranks of a stage."
            )
        if self.shard and (self.dp * self.cp) % self.shard:
            raise LayoutError(f"layout '{self}': shard{self.shard} does not divide the {self.dp * self.cp} data ranks.")

    @property
    def n_accelerators(self) -> int:
        """Accelerators of the job."""
        return self.tp * self.pp * self.cp * self.dp

    def __str__(self) -> str:
        values = {"mbs": self.micro_batch} | {name: getattr(self, name) for name in _SPELLED if name != "mbs"}
        text = "".join(f"{name}{values[name]}" for name in _SPELLED if values[name] > 1) or "dp1"
        return text + (f"zero{self.zero}" if self.zero != 1 else "") + (f"shard{self.shard}" if self.shard else "")


def parse_layout(text: str, *, recompute: Recompute = "none", schedule: Schedule | None = None) -> TrainingLayout:
    """Read a layout as it is spelled; ``vp`` above 1 means the interleaved schedule unless one is given.

    >>> str(parse_layout("tp8pp4vp2dp64"))
    'tp8pp4vp2dp64'
    """
    compact = text.strip().lower().replace(" ", "").replace("-", "").replace("_", "")
    found = _TOKEN.findall(compact)
    names = [name for name, _ in found]
    if not found or "".join(a + n for a, n in found) != compact or len(set(names)) != len(names):
        raise LayoutError(f"cannot read layout '{text}'. Write for example tp8pp4dp64, tp4pp8vp4cp2dp8 or dp512zero3.")
    values = {("micro_batch" if name == "mbs" else name): int(n) for name, n in found}
    plan: Schedule = schedule or ("interleaved" if values.get("vp", 1) > 1 else "1f1b")
    return TrainingLayout(**values, recompute=recompute, schedule=plan)


@dataclass(frozen=True, slots=True, eq=False)
class Layouts:
    """Many layouts side by side: one array per field of :class:`TrainingLayout`, words as their index."""

    tp: Floats
    pp: Floats
    vp: Floats
    cp: Floats
    dp: Floats
    ep: Floats
    etp: Floats
    micro_batch: Floats
    zero: Floats
    shard: Floats
    schedule: Floats
    recompute: Floats

    @property
    def n(self) -> int:
        """How many."""
        return int(self.tp.size)

    def layout(self, i: int) -> TrainingLayout:
        """The ``i``-th one as a record."""
        values = {f.name: int(getattr(self, f.name)[i]) for f in fields(self)}
        schedule, recompute = SCHEDULES[values.pop("schedule")], RECOMPUTE[values.pop("recompute")]
        return TrainingLayout(**values, schedule=schedule, recompute=recompute)


def side_by_side(layouts: list[TrainingLayout]) -> Layouts:
    """Lay records side by side."""
    columns = {f.name: [getattr(layout, f.name) for layout in layouts] for f in fields(Layouts)}
    columns["schedule"] = [SCHEDULES.index(word) for word in columns["schedule"]]
    columns["recompute"] = [RECOMPUTE.index(word) for word in columns["recompute"]]
    return Layouts(**{name: np.array(values, dtype=float) for name, values in columns.items()})
