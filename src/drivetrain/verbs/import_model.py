"""``catalogue import``: what a Hugging Face configuration amounts to, and the catalogue entry to keep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from drivetrain.arch.params import ParameterCounts, count, kv_bytes_per_token, state_bytes_per_sequence, weight_bytes
from drivetrain.catalogue.huggingface import import_config
from drivetrain.catalogue.model import Attention, LatentAttention, Model, MoE
from drivetrain.catalogue.read_model import write_model


def import_model(path: str | Path) -> dict[str, Any]:
    """Read a config.json (or its folder) and count.

    Parameters, cache and state bytes, weight bytes, and ``entry``,
    the text of a catalogue TOML file.

    Raises :class:`~drivetrain.errors.FileError` and :class:`~drivetrain.errors.UnsupportedError` as the import does.
    """
    return describe(import_config(path))


def describe(model: Model) -> dict[str, Any]:
    """The same for a model that is already read."""
    counts, checkpoint = count(model), model.checkpoints[0]
    kv = kv_bytes_per_token(model, checkpoint)
    return {
        "name": model.name,
        "family": model.family,
        "total_params": counts.total,
        "active_params": counts.active,
        "kv_bytes_per_token": int(kv) if kv == int(kv) else kv,
        "state_bytes_per_sequence": int(state_bytes_per_sequence(model)),
        "weight_bytes": weight_bytes(model, checkpoint),
        "weight_dtype": checkpoint.weight_dtype,
        "weight_dtypes": dict(checkpoint.dtypes),
        "kv_dtype": checkpoint.kv_dtype,
        "layers": model.n_layers,
        "hidden": model.hidden,
        "vocab": model.vocab,
        **_shape(model),
        "max_context": model.max_context,
        "tied_embeddings": model.tied_embeddings,
        "params_by_part": _nonzero(counts),
        "mtp_params": counts.mtp,
        "convention": model.convention,
        "notes": model.notes,
        "source": model.source,
        "entry": write_model(model),
    }


def _shape(model: Model) -> dict[str, Any]:
    """Heads and experts of the widest layer of each kind, null where there is none."""
    mixers = [
        m for g in model.layers for m in (g.mixer, g.parallel_mixer) if isinstance(m, (Attention, LatentAttention))
    ]
    mixtures = [g.ffn for g in model.layers if isinstance(g.ffn, MoE)]
    grouped = [m.n_kv_heads for m in mixers if isinstance(m, Attention)]
    return {
        "heads": max((m.n_heads for m in mixers), default=None),
        "kv_heads": max(grouped, default=1 if mixers else None),
        "experts": max((m.n_experts for m in mixtures), default=None),
        "experts_per_token": max((m.top_k for m in mixtures), default=None),
        "moe_layers": sum(g.count for g in model.layers if isinstance(g.ffn, MoE)),
    }


def _nonzero(counts: ParameterCounts) -> dict[str, int]:
    return {part: n for part, n in counts.parts.items() if n}
