"""Hardware records: accelerators, the servers that hold them, the fabrics between servers.

Conventions, encoded in the field names: compute rates are dense (no 2:4 sparsity); link rates are one way; GB is
1e9 bytes unless GiB is written; SXM, PCIe and NVL72 parts are different accelerators.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from drivetrain.catalogue.fact import Fact

LinkKind = Literal["switch", "mesh", "torus", "pcie"]
PRECISIONS = ("fp32", "tf32", "bf16", "fp16", "fp8", "fp8_block", "mxfp8", "int8", "int4", "nvfp4", "mxfp4")


@dataclass(frozen=True, slots=True)
class ScaleUp:
    """Links between the accelerators of one scale-up domain.

    ``kind``: *switch*, any pair can use all ``n_links``; *mesh*, each pair shares one link, so a group of ``n`` uses
    ``n - 1`` of them; *torus*, links go to neighbours along ``n_links / 2`` axes; *pcie*, through the host.
    ``link_bytes_per_s`` is one way per link; ``domain`` counts the accelerators that reach each other this way.
    """

    kind: LinkKind
    fabric: str
    n_links: int
    link_bytes_per_s: float
    domain: int

    @property
    def bytes_per_s(self) -> float:
        """One-way rate of all links of one accelerator together."""
        return self.n_links * self.link_bytes_per_s


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One accelerator as the vendor defines it (a GPU, a TPU chip, a CPU socket).

    ``flops`` maps a precision to dense FLOP/s; a precision that is absent has no native rate.
    ``memory_bytes`` is physical, ``usable_bytes`` what software can allocate. ``idle_w`` is board power doing nothing.
    """

    name: str
    aliases: tuple[str, ...]
    vendor: str
    generation: str
    kind: Literal["gpu", "tpu", "npu", "cpu"]
    launched: str
    memory_type: str
    flops: Mapping[str, float]
    memory_bytes: float
    usable_bytes: float
    hbm_bytes_per_s: float
    tdp_w: float
    idle_w: float
    scaleup: ScaleUp
    scaleout_bytes_per_s: float
    facts: Mapping[str, Fact]
    status: str
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Server:
    """A chassis or rack one can buy: how many accelerators, what reaches other servers, what the host draws.

    ``accelerators`` lists the accelerators it is sold with; ``host_w`` is CPU, fans, NICs and storage per server,
    ``nic_bytes_per_s`` the one-way scale-out rate per accelerator.
    """

    name: str
    aliases: tuple[str, ...]
    accelerator: str
    n_accelerators: int
    fabric: str
    nic_bytes_per_s: float
    host_w: float
    facts: Mapping[str, Fact]
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Fabric:
    """A kind of link, within a server (scale-up) or between servers (scale-out).

    ``link_bytes_per_s`` is one way per link or port, ``latency_s`` one hop as vendor or literature states it.
    """

    name: str
    aliases: tuple[str, ...]
    scope: Literal["scale-up", "scale-out"]
    kind: LinkKind
    link_bytes_per_s: float
    latency_s: float
    facts: Mapping[str, Fact]
    notes: str = ""
