"""The few fitted numbers between a link's datasheet and the time a collective takes.

One :class:`Regime` is one protocol or algorithm of a library, which picks the best for the size:

    t(bytes) = min over regimes of  launch_s + hop_s * hops(n) + bytes * (x(n) / efficiency + local) / rate

``x(n)`` is the share of the tensor that must cross one rank's links under the algorithm, ``rate`` the one-way
rate of the links the group can use, ``local`` a pass over the tensor inside the accelerator (copy, reduction)
in units of the link rate. Fitted values live in ``cost/calibration/collectives.toml``; ``DATASHEET`` (see
``assumed``) serves without any file and where nothing was measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from drivetrain.catalogue.hardware import LinkKind
from drivetrain.errors import FileError

Op = Literal["all_reduce", "all_gather", "reduce_scatter", "all_to_all", "send_recv"]
Algorithm = Literal["one_shot", "ring"]
OPS: tuple[Op, ...] = ("all_reduce", "all_gather", "reduce_scatter", "all_to_all", "send_recv")
NETWORK: Literal["network"] = "network"
MAX_REGIMES = 3


@dataclass(frozen=True, slots=True)
class Regime:
    """One protocol: latencies in seconds (>= 0), efficiency of the link rate in (0, 1], local pass >= 0.

    ``algorithm``: *one_shot*, every rank reads all peers' whole buffers (all-to-all: one message per copy);
    *ring*, every byte crosses as seldom as it can (ring, two-shot; all-to-all: messages merged per domain).
    ``in_switch``: efficiency of the same with reduction in the switch, all-reduce only; 0 = none.
    """

    algorithm: Algorithm
    launch_s: float
    hop_s: float
    efficiency: float
    local: float = 0.0
    in_switch: float = 0.0

    def __post_init__(self) -> None:
        if self.algorithm not in ("one_shot", "ring"):
            raise FileError(f"unknown collective algorithm '{self.algorithm}'. Use one_shot or ring.")
        if not 0.0 < self.efficiency <= 1.0 or not 0.0 <= self.in_switch <= 1.0:
            raise FileError(f"collective efficiencies must be in (0, 1]: {self}.")
        if not min(self.launch_s, self.hop_s, self.local) >= 0.0:
            raise FileError(f"collective latencies and local passes must not be negative: {self}.")


@dataclass(frozen=True, slots=True)
class LinkFit:
    """The regimes (1 to 3) of one operation on one link family.

    ``link`` is a fabric (``nvlink4``), a kind (``switch``: the pooled fit) or ``network`` (between domains).
    ``sharing``: through a host bridge the rate falls as ``(2 / n) ** sharing`` beyond two ranks.
    """

    op: Op
    link: str
    regimes: tuple[Regime, ...]
    sharing: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= len(self.regimes) <= MAX_REGIMES or self.sharing < 0.0 or self.op not in OPS:
            raise FileError(f"a collective fit needs 1 to {MAX_REGIMES} regimes and sharing >= 0: {self}.")


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Fits of one library; ``engine`` is what a serving engine with CUDA graphs picks."""

    library: str
    fits: tuple[LinkFit, ...]

    def fit(self, op: Op, kind: LinkKind | Literal["network"], fabric: str) -> LinkFit:
        """Return the fit whose link starts the fabric's name, else the pooled fit of its kind."""
        name = plain(fabric)
        ours = [fit for fit in self.fits if fit.op == op]
        named = [fit for fit in ours if fit.link != kind and name.startswith(plain(fit.link))]
        pooled = [fit for fit in ours if fit.link == kind]
        if not (named or pooled):
            raise FileError(f"library '{self.library}' has no fit for {op} over {kind}.")
        return max(named, key=lambda fit: len(fit.link)) if named else pooled[0]


@cache
def plain(fabric: str) -> str:
    """Spell a fabric as the fits do.

    >>> plain("NVLink 4"), plain("nvlink-5"), plain("PCIe Gen5 x16")
    ('nvlink4', 'nvlink5', 'pcie5x16')
    """
    return "".join(c for c in fabric.lower() if c.isalnum()).replace("gen", "")
