"""How long a replica takes from the decision to start it to its first request.

    T = engine start + weights a server reads / rate at which it reads them

Servers of a replica read at once, each the shares of its own accelerators, at most the whole checkpoint once (copies of
one share come from its memory). Weights kept in another place come over the wide-area network where that is slower.
Rate and engine start are ``weight_read_bytes_per_s`` and ``engine_start_s`` of ``economics_fleet.toml``; they vary by a
factor of ten with storage and with what is cached. Getting a machine is not in it.
"""

from __future__ import annotations

from drivetrain.arch.layout import Layout
from drivetrain.catalogue import loader
from drivetrain.catalogue.wan import Place, wan
from drivetrain.serving.deployment import Cut, cut


def cold_start_s(piece: Cut, server_accelerators: int, weights_from: Place | None = None) -> float:
    """Seconds until a replica of ``piece``, in servers of so many accelerators, serves.

    ``weights_from`` is another place that keeps the weights; ``None``: they are near.
    """
    known = loader.economics()
    rate = known["weight_read_bytes_per_s"].mid.value
    if weights_from is not None:
        rate = min(rate, wan().server.value)
    together = min(piece.layout.n_accelerators, max(server_accelerators, 1))
    read = min(together * piece.resident.weights_bytes, checkpoint_bytes(piece))
    return known["engine_start_s"].mid.value + read / rate


def checkpoint_bytes(piece: Cut) -> float:
    """Bytes of all weights once."""
    return cut(piece.model, piece.checkpoint, Layout(), piece.kv_dtype, piece.techniques).resident.weights_bytes
