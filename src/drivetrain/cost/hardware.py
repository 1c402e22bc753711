"""An accelerator reduced to the rates and powers the cost model needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from drivetrain.catalogue.hardware import Accelerator
from drivetrain.comms.topology import Topology, topology_of
from drivetrain.errors import UnsupportedError

# The precisions an operator can run in, best first, by the precision of its weights. Weights without a native rate are
# expanded on the way in and multiplied in 16 bit (weight-only quantisation).
_COMPUTE = {
    "fp32": ("tf32", "fp32", "bf16"),
    "tf32": ("tf32", "fp32"),
    "bf16": ("bf16", "fp16", "fp32"),
    "fp16": ("fp16", "bf16", "fp32"),
    "fp8": ("fp8", "bf16", "fp16", "fp32"),
    "fp8_block": ("fp8_block", "fp8", "bf16", "fp16", "fp32"),
    "mxfp8": ("mxfp8", "fp8", "bf16", "fp16", "fp32"),
    "int8": ("int8", "bf16", "fp16", "fp32"),
    "mxfp6": ("bf16", "fp16", "fp32"),
    "int4": ("bf16", "fp16", "fp32"),
    "int3": ("bf16", "fp16", "fp32"),
    "int2": ("bf16", "fp16", "fp32"),
    "nvfp4": ("nvfp4", "bf16", "fp16", "fp32"),
    "mxfp4": ("bf16", "fp16", "fp32"),
}


@dataclass(frozen=True, slots=True)
class Hardware:
    """Rates of one accelerator: FLOP/s by precision (dense), bytes/s, bytes, watts, and its links."""

    name: str
    generation: str
    flops: Mapping[str, float]
    hbm_bytes_per_s: float
    memory_bytes: float
    tdp_w: float
    idle_w: float
    topology: Topology

    def compute_dtype(self, weight_dtype: str) -> str:
        """Precision in which weights of ``weight_dtype`` are multiplied here.

        4-bit micro-scaled weights multiply with 8-bit activations where the part has 4-bit units, else in 16 bit.
        """
        if weight_dtype == "mxfp4" and {"mxfp4", "nvfp4"} & set(self.flops) and "fp8" in self.flops:
            return "fp8"
        for candidate in _COMPUTE.get(weight_dtype, ()):
            if self.flops.get(candidate):
                return candidate
        raise UnsupportedError(
            f"{self.name} has no known compute rate for {weight_dtype} weights; the catalogue lists "
            f"{', '.join(self.flops) or 'none'}."
        )

    def scaled(self, **factors: float) -> Hardware:
        """A copy with ``flops``, ``hbm_bytes_per_s``, ``memory_bytes`` or ``links`` multiplied by the given factors.

        ``latency`` has no meaning here: latencies belong to the coefficients.
        """
        topology = self.topology
        if "links" in factors:
            topology = replace(topology, link_bytes_per_s=topology.link_bytes_per_s * factors["links"],
                               nic_bytes_per_s=topology.nic_bytes_per_s * factors["links"])  # fmt: skip
        f = factors.get("flops", 1.0)
        return replace(
            self,
            flops={k: v * f for k, v in self.flops.items()},
            hbm_bytes_per_s=self.hbm_bytes_per_s * factors.get("hbm_bytes_per_s", 1.0),
            memory_bytes=self.memory_bytes * factors.get("memory_bytes", 1.0),
            topology=topology,
        )


def hardware_of(
    accelerator: Accelerator,
    *,
    domain: int | None = None,
    nic_bytes_per_s: float | None = None,
    fabric: str = "",
) -> Hardware:
    """The rates of a catalogue accelerator, in the server given by its domain and NIC rate where they differ."""
    return Hardware(
        name=accelerator.name,
        generation=accelerator.generation,
        flops=accelerator.flops,
        hbm_bytes_per_s=accelerator.hbm_bytes_per_s,
        memory_bytes=accelerator.usable_bytes,
        tdp_w=accelerator.tdp_w,
        idle_w=accelerator.idle_w,
        topology=topology_of(accelerator, domain=domain, nic_bytes_per_s=nic_bytes_per_s, scaleout_fabric=fabric),
    )
