"""From a Hugging Face ``config.json`` to a catalogue model: no network, no other library, no remote code.

``reader`` opens files and hands out fields, ``unwrap`` finds the language part and its family, ``families`` know the
architectures, ``quantization`` reads the precisions. An architecture nobody registered is an error, never a guess.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from drivetrain.catalogue.huggingface import families
from drivetrain.catalogue.huggingface.blocks import Built
from drivetrain.catalogue.huggingface.quantization import read_checkpoint
from drivetrain.catalogue.huggingface.reader import Fields, open_config
from drivetrain.catalogue.huggingface.registry import FAMILIES
from drivetrain.catalogue.huggingface.unwrap import language_part, other_inputs, refuse_embedders, refuse_scorers
from drivetrain.catalogue.model import Attention, Checkpoint, Dense, LatentAttention, Model, MoE, Recurrent
from drivetrain.errors import FileError, UnsupportedError
from drivetrain.registry import slug

__all__ = ["FAMILIES", "import_config", "model_from_config"]

_REGISTERED = families.__all__  # importing the package is what registers the families
_CACHE_FOLDER = re.compile(r"models--(?P<owner>[^/]+?)--(?P<name>[^/]+)$")
# Fields that change the architecture, with their aliases: set in a configuration whose family never asked for any of a
# group, they are an error.
_DECISIVE = (
    ("kv_lora_rank",), ("hybrid_override_pattern", "layers_block_type"), ("block_configs",), ("index_topk",),
    ("ssm_state_size", "mamba_d_state"),
    ("linear_num_key_heads",), ("attn_layer_period",), ("compress_ratios",),
    ("n_routed_experts", "num_local_experts", "num_experts", "moe_num_experts", "n_experts", "ffn_config"),
)  # fmt: skip

_ACTIVE = {
    "all": "embeddings and output head counted in total and active",
    "head": "embeddings and output head counted in total, the input table not in active",
    "none": "embeddings and output head counted in total, neither in active",
}


def import_config(path: str | Path) -> Model:
    """Read a ``config.json``, or the folder that holds one (with ``hf_quant_config.json`` beside it).

    Raises :class:`FileError` for a file that is missing or wrong, :class:`UnsupportedError` for an architecture that no
    family describes.
    """
    path = Path(path)
    raw, side, where = open_config(path)
    refuse_embedders(path)
    return model_from_config(raw, where, identity(path), side)


def model_from_config(
    raw: dict[str, Any], where: str, identifier: str = "", quantization: dict[str, Any] | None = None
) -> Model:
    """The model that a parsed configuration describes; ``identifier`` is its ``owner/name`` where known."""
    refuse_scorers(raw, where)
    fields, name = language_part(raw, where)
    built = _build(fields, name)
    _refuse_unread(fields, name)
    identifier = identifier or str(raw.get("model_type") or name)
    checkpoint, notes = read_checkpoint(raw, fields.raw, quantization or {}, where, identifier)
    checkpoint = _only_present(checkpoint, built)
    mtp = (
        "multi-token-prediction layers kept apart, in neither count"
        if built.mtp or built.mtp_extra
        else "no prediction layers"
    )
    wrapper = "; language part only, vision or audio towers not counted" if fields.nested else ""
    return Model(
        name=slug(identifier.rsplit("/", 1)[-1]),
        aliases=(identifier,) if "/" in identifier else (),
        family=name,
        hidden=built.hidden,
        vocab=built.vocab,
        layers=built.layers,
        tied_embeddings=built.tied,
        max_context=built.max_context,
        checkpoints=(checkpoint,),
        norm_params=built.norm,
        embedding_params=built.embedding_params,
        mtp=built.mtp,
        mtp_extra_params=built.mtp_extra,
        convention=f"{_ACTIVE[built.active]}; {mtp}{wrapper}",
        source=f"https://huggingface.co/{identifier}/blob/main/config.json" if "/" in identifier else "",
        notes=" ".join((*built.notes, *notes)),
        active_embeddings=built.active,
        other_inputs=other_inputs(raw),
    )


def _build(fields: Fields, family: str) -> Built:
    """Run the family's builder; values of a kind it did not foresee become an error of the file."""
    try:
        built = FAMILIES[family](fields)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError, AssertionError) as error:
        raise FileError(
            f"{fields.where}: a field has a value that family '{family}' cannot read ({error}). Check it."
        ) from None
    for group in built.layers:
        if isinstance(group.ffn, MoE) and group.ffn.top_k > group.ffn.n_experts + group.ffn.zero_experts:
            raise fields.bad(f"{group.ffn.top_k} experts per token of only {group.ffn.n_experts}. Check both fields.")
    return built


def _only_present(checkpoint: Checkpoint, built: Built) -> Checkpoint:
    """Leave out precisions of parts that the model does not have."""
    mixers = [m for g in built.layers for m in (g.mixer, g.parallel_mixer)]
    ffns = [g.ffn for g in built.layers]
    mixtures = [f for f in ffns if isinstance(f, MoE)]
    absent = {
        "attention": not any(isinstance(m, (Attention, LatentAttention)) for m in mixers),
        "recurrent": not any(isinstance(m, Recurrent) for m in mixers),
        "ffn": not any(isinstance(f, Dense) for f in ffns),
        "experts": not mixtures,
        "router": not mixtures,
        "shared_experts": not any(f.shared_intermediate for f in mixtures),
        "lm_head": built.tied,
    }
    return replace(checkpoint, dtypes={k: v for k, v in checkpoint.dtypes.items() if not absent.get(k)})


def identity(path: Path) -> str:
    """``owner/name`` from where a file lies: ``owner--name.json``, a cache's ``models--owner--name``, or a folder.

    >>> identity(Path("meta-llama--Llama-3.1-8B.json"))
    'meta-llama/Llama-3.1-8B'
    """
    path = path.absolute()
    for part in (path, *path.parents):
        match = _CACHE_FOLDER.search(part.name)
        if match:
            return f"{match['owner']}/{match['name']}"
    stem = path.name.removesuffix(".json")
    if stem == "config" and path.suffix == ".json":
        stem = path.parent.name
    return stem.replace("--", "/", 1)


def _refuse_unread(fields: Fields, family: str) -> None:
    for names in _DECISIVE:
        for name in names:
            value = fields.raw.get(name)
            if fields.used.isdisjoint(names) and (value if not isinstance(value, int) else value > 1):
                raise UnsupportedError(
                    f"{fields.where}: family '{family}' has no meaning for {name} = {str(value)[:60]}: this is another "
                    "architecture. Check model_type, or write a model TOML."
                )
