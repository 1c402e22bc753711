"""2:4 structured sparsity: two of four neighbouring weights are zero and not stored.

A weight of ``b`` bytes takes ``b / 2`` and the place of each kept one (2 bits), and sparse units skip the zeros::

    bytes = elements (b / 2 + bits / 16)          seconds of computing = dense seconds / gain

``gain`` is what matrix products reach in practice, well below the factor of 2 the units are built for. It holds for the
linear layers of attention and dense feed-forward parts; experts, head and embeddings stay dense (no engine ships sparse
kernels for them), and so does everything on accelerators without such units, or in precisions without sparse kernels.
Source: Mishra et al. 2021, arXiv 2104.08378; gains in catalogue/data/techniques.toml.
"""

from __future__ import annotations

from dataclasses import replace

from drivetrain.arch.operators import Op
from drivetrain.arch.precision import bytes_per_weight
from drivetrain.arch.step import ONE
from drivetrain.catalogue import loader
from drivetrain.cost.hardware import Hardware

PRUNED = ("attention projections", "ffn", "shared experts")
PRECISIONS = ("bf16", "fp16", "fp8", "int8", "int4")


def sparse_gain(hardware: Hardware) -> float | None:
    """Speed of sparse over dense products on ``hardware``; ``None`` where it has no sparse units."""
    found = loader.techniques().get(f"sparse_gain_{hardware.generation}")
    return found.mid.value if found else None


def sparse(op: Op, gain: float) -> Op:
    """``op`` with its weights pruned to 2:4, where it is one that is pruned."""
    if op.kind != "gemm" or op.name not in PRUNED or op.dtype not in PRECISIONS:
        return op
    bits = loader.techniques()["sparse_index_bits"].mid.value
    index = bits / 16.0 / bytes_per_weight(op.dtype)  # half the weights are kept, eight bits a byte
    weights = list(op.weights)
    weights[ONE] *= 0.5 + index
    return replace(op, weights=tuple(weights), flops=tuple(f / gain for f in op.flops))  # type: ignore[arg-type]
