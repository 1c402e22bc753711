"""Models as TOML: a format to edit by hand, read and written without loss.

A file has the model's own fields, one ``[[layers]]`` table per group of identical layers (``[[mtp]]`` likewise), one
``[[checkpoints]]`` per published precision and ``[published]`` counts. The mixer of a layer is the field ``attention``,
``latent_attention`` or ``recurrent`` (a second beside it: prefix ``parallel_``); the feed-forward part is ``ffn``
or ``moe``. Fields that have their default may be left out; their names are those of :mod:`drivetrain.catalogue.model`.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from drivetrain.catalogue.formats import FORMATS
from drivetrain.catalogue.model import (
    WEIGHT_PARTS,
    Attention,
    Checkpoint,
    Dense,
    Indexer,
    LatentAttention,
    LayerGroup,
    Model,
    MoE,
    Published,
    Recurrent,
)
from drivetrain.errors import FileError
from drivetrain.registry import suggest

_MIXERS = {"attention": Attention, "latent_attention": LatentAttention, "recurrent": Recurrent}
_FFNS = {"ffn": Dense, "moe": MoE}
# What a layer's TOML names -> the field of LayerGroup it fills.
_LAYER_PARTS = (
    {name: ("mixer", cls) for name, cls in _MIXERS.items()}
    | {f"parallel_{name}": ("parallel_mixer", cls) for name, cls in _MIXERS.items()}
    | {name: ("ffn", cls) for name, cls in _FFNS.items()}
)
_SIGNED = ("embedding_params",)  # a narrow embedding with projections has fewer elements than vocab x hidden


def read_model(raw: dict[str, Any], where: str) -> Model:
    """Build the record from parsed TOML; ``where`` starts every error message, normally the file's path."""
    raw = dict(raw)
    layers = tuple(_read_layer(item, f"{where}: layers[{i}]") for i, item in enumerate(_tables(raw, "layers", where)))
    mtp = tuple(_read_layer(item, f"{where}: mtp[{i}]") for i, item in enumerate(_tables(raw, "mtp", where)))
    if not layers:
        raise FileError(f"{where}: layers is missing. Add one [[layers]] table per group of identical layers.")
    checkpoints = tuple(
        _read_checkpoint(item, f"{where}: checkpoints[{i}]")
        for i, item in enumerate(_tables(raw, "checkpoints", where))
    )
    published = _build(Published, raw.pop("published", {}), f"{where}: published")
    given = {"layers": layers, "mtp": mtp, "checkpoints": checkpoints, "published": published}
    model: Model = _build(Model, raw, where, given)
    for name in ("hidden", "vocab", "max_context"):
        if getattr(model, name) < 1:
            raise FileError(f"{where}: {name} must be at least 1.")
    return model


def _tables(raw: dict[str, Any], key: str, where: str) -> list[Any]:
    found = raw.pop(key, [])
    if not isinstance(found, list):
        raise FileError(f"{where}: {key} must be tables written as [[{key}]].")
    return found


def _read_layer(raw: Any, where: str) -> LayerGroup:  # noqa: ANN401 - straight from TOML
    if not isinstance(raw, dict):
        raise FileError(f"{where} must be a table.")
    given: dict[str, Any] = {"mixer": None, "ffn": None}
    rest = dict(raw)
    for key in [k for k in raw if k in _LAYER_PARTS]:
        target, cls = _LAYER_PARTS[key]
        if given.get(target) is not None:
            raise FileError(f"{where}: {key} is the second {target.replace('_', ' ')} here. Keep one.")
        given[target] = _build(cls, rest.pop(key), f"{where}: {key}")
    group: LayerGroup = _build(LayerGroup, rest, where, given, extra=tuple(_LAYER_PARTS))
    if group.count < 1:
        raise FileError(f"{where}: count must be at least 1.")
    return group


def _read_checkpoint(raw: Any, where: str) -> Checkpoint:  # noqa: ANN401
    checkpoint: Checkpoint = _build(Checkpoint, {"dtypes": {}} | raw if isinstance(raw, dict) else raw, where)
    for part in checkpoint.dtypes:
        if part not in (*WEIGHT_PARTS, "default"):
            raise FileError(f"{where}: unknown part '{part}' in dtypes. Parts: default, {', '.join(WEIGHT_PARTS)}.")
    if checkpoint.format and checkpoint.format not in FORMATS:
        raise FileError(f"{where}: unknown format '{checkpoint.format}'. Formats: {', '.join(FORMATS)}.")
    return checkpoint


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _build(
    cls: Any,  # noqa: ANN401 - a dataclass
    raw: Any,  # noqa: ANN401
    where: str,
    given: Mapping[str, Any] = types.MappingProxyType({}),
    extra: tuple[str, ...] = (),
) -> Any:  # noqa: ANN401 - an instance of cls
    """Make ``cls`` from a table: check names and types, take defaults, pass ``given`` through."""
    if not isinstance(raw, dict):
        raise FileError(f"{where} must be a table, not {raw!r}.")
    known = {f.name: f for f in fields(cls) if f.name not in given}
    for key in raw:
        if key not in known:
            names = [*known, *extra]
            close = suggest(key, names)
            hint = f" Did you mean '{close[0]}'?" if close else f" Known: {', '.join(names)}."
            raise FileError(f"{where}: unknown field '{key}'.{hint}")
    values = {name: _value(f, _hints(cls)[name], raw, where) for name, f in known.items()}
    return cls(**given, **{k: v for k, v in values.items() if v is not MISSING})


def _value(field: Field[Any], hint: Any, raw: dict[str, Any], where: str) -> Any:  # noqa: ANN401
    if field.name in raw:
        return _convert(raw[field.name], hint, field.name, where)
    if field.default is not MISSING or field.default_factory is not MISSING:
        return MISSING
    if _optional(hint):
        return None
    raise FileError(f"{where}: {field.name} is missing. Add it.")


def _optional(hint: Any) -> bool:  # noqa: ANN401
    return isinstance(hint, types.UnionType) and type(None) in get_args(hint)


def _convert(value: Any, hint: Any, name: str, where: str) -> Any:  # noqa: ANN401
    """Check one TOML value against a type hint of the records."""
    if _optional(hint):
        hint = next(a for a in get_args(hint) if a is not type(None))
    if hint is Indexer:
        return _build(Indexer, value, f"{where}: {name}")
    if get_origin(hint) is Literal:
        allowed = get_args(hint)
        if value in allowed:
            return value
        raise FileError(f"{where}: {name} = {value!r} is not one of {', '.join(map(str, allowed))}.")
    if get_origin(hint) is tuple:
        if isinstance(value, list) and all(isinstance(v, str) for v in value):
            return tuple(value)
        raise FileError(f"{where}: {name} must be a list of strings, not {value!r}.")
    if typing.get_origin(hint) is not None:
        if isinstance(value, dict) and all(isinstance(v, str) for v in value.values()):
            return dict(value)
        raise FileError(f"{where}: {name} must be a table of strings, not {value!r}.")
    return _scalar(value, hint, name, where)


def _scalar(value: Any, hint: type, name: str, where: str) -> Any:  # noqa: ANN401
    is_int = isinstance(value, int) and not isinstance(value, bool)
    if hint is float and (is_int or isinstance(value, float)):
        if not math.isfinite(value):
            raise FileError(f"{where}: {name} = {value} is not a finite number.")
        return float(value)
    if hint is int and is_int:
        if value < 0 and name not in _SIGNED:
            raise FileError(f"{where}: {name} = {value} is negative.")
        return value
    if hint in (bool, str) and isinstance(value, hint):
        return value
    raise FileError(f"{where}: {name} must be {_NAMES[hint]}, not {value!r}.")


_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}


def write_model(model: Model) -> str:
    """The TOML text of ``model``; :func:`read_model` gives the same record back.

    >>> import tomllib
    >>> from drivetrain.catalogue.model import Attention, Dense, LayerGroup, Model
    >>> layer = LayerGroup(2, Attention(4, 2, 8, 8), Dense(64), norm_params=64)
    >>> m = Model("toy", (), "llama", 32, 100, (layer,), False, 128, ())
    >>> print(write_model(m))
    name = "toy"
    aliases = []
    family = "llama"
    hidden = 32
    vocab = 100
    tied_embeddings = false
    max_context = 128
    <BLANKLINE>
    [[layers]]
    count = 2
    attention = { n_heads = 4, n_kv_heads = 2, head_dim = 8, v_head_dim = 8 }
    ffn = { intermediate = 64 }
    norm_params = 64
    <BLANKLINE>
    >>> read_model(tomllib.loads(write_model(m)), "toy") == m
    True
    """
    tables = ("layers", "mtp", "checkpoints", "published")
    lines = [f"{k} = {_toml(v)}" for k, v in _set(model).items() if k not in tables]
    for name, groups in (("layers", model.layers), ("mtp", model.mtp)):
        for group in groups:
            lines += ["", f"[[{name}]]", *_layer_lines(group)]
    for checkpoint in model.checkpoints:
        lines += ["", "[[checkpoints]]", *(f"{k} = {_toml(v)}" for k, v in _set(checkpoint).items())]
    if model.published != Published():
        lines += ["", "[published]", *(f"{k} = {_toml(v)}" for k, v in _set(model.published).items())]
    return "\n".join(lines) + "\n"


def _set(record: Any) -> dict[str, Any]:  # noqa: ANN401 - a dataclass
    """Fields that differ from their default, None left out."""
    found = {f.name: getattr(record, f.name) for f in fields(record) if getattr(record, f.name) != f.default}
    return {name: value for name, value in found.items() if value is not None}


def _layer_lines(group: LayerGroup) -> list[str]:
    names = {cls: name for name, cls in (_MIXERS | _FFNS).items()}
    lines = []
    for key, value in _set(group).items():
        if key in ("mixer", "ffn", "parallel_mixer"):
            prefix = "parallel_" if key == "parallel_mixer" else ""
            lines.append(f"{prefix}{names[type(value)]} = {_toml(_set(value))}")
        else:
            lines.append(f"{key} = {_toml(value)}")
    return lines


def _toml(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(_toml, value))}]"
    items = value if isinstance(value, Mapping) else _set(value)
    inner = ", ".join(
        f"{k if k.replace('_', '').isalnum() and k.isascii() else _quote(k)} = {_toml(v)}" for k, v in items.items()
    )
    return f"{{ {inner} }}" if inner else "{}"


_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def _quote(text: str) -> str:
    def escape(c: str) -> str:
        return _ESCAPES.get(c) or (f"\\u{ord(c):04x}" if ord(c) < 32 or ord(c) == 127 else c)

    return '"' + "".join(map(escape, text)) + '"'
