"""Opening a model's configuration and handing out its fields, whatever generation of names it uses."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drivetrain.errors import FileError

_LARGEST = 10**9  # no size, count or rank in a real configuration is larger
_MOST_LAYERS = 5000
_CORE = frozenset({"hidden_size", "num_hidden_layers", "vocab_size", "intermediate_size", "num_attention_heads"})
_SIDE_FILES = ("hf_quant_config.json", "quantization_config.json", "quantize_config.json")


def open_config(path: Path) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Read a config.json (or the one in a folder): its content, a separate quantisation file's, and where it is."""
    if path.is_dir():
        found = path / "config.json"
        if not found.is_file():
            raise FileError(f"{path}: no config.json in this folder. Download the model's config.json there.")
        path = found
    raw = read_json(path)
    side: dict[str, Any] = {}
    if path.name == "config.json":
        for name in _SIDE_FILES:
            if (path.parent / name).is_file():
                side = {"file": name} | read_json(path.parent / name)
                break
    return raw, side, str(path)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; anything else is a :class:`FileError`."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise FileError(f"{path}: no such file. Give a config.json or the folder that holds one.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: cannot be read as text: {error}.") from None
    try:
        raw = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise FileError(f"{path}: not valid JSON: {error}. Download the file again.") from None
    if not isinstance(raw, dict):
        raise FileError(f"{path}: a config.json is an object in braces, this is {_kind(raw)}.")
    return raw


class Fields:
    """A configuration's fields. Every getter takes alternative names, the usual one first, and an optional default.

    ``defaults`` are the family's own: for optional fields always, for core sizes only in a nested configuration, where
    Hugging Face leaves out what equals the class default. ``null`` counts as absent. Getters note what was asked
    for in ``used``.
    """

    def __init__(
        self, raw: Mapping[str, Any], where: str, *, nested: bool = False, outer: Mapping[str, Any] | None = None
    ) -> None:
        self.raw, self.where, self.nested = raw, where, nested
        self.outer: Mapping[str, Any] = outer or {}
        self.defaults: dict[str, Any] = {}
        self.used: set[str] = set()

    def has(self, *names: str) -> bool:
        """Whether any of ``names`` is present and not null."""
        return self._find(names) is not None

    def size(self, *names: str, default: int | None = None) -> int:
        """A whole number of at least 1."""
        value = self._number(names, default, smallest=1)
        if value is None:
            raise self.missing(*names)
        return value

    def count(self, *names: str, default: int = 0) -> int:
        """A whole number of at least 0."""
        value = self._number(names, default, smallest=0)
        return default if value is None else value

    def maybe(self, *names: str) -> int | None:
        """A whole number of at least 1, or None where null or 0 (or absent and without a default)."""
        if self._find(names) is None and any(name in self.raw for name in names):
            return None
        return self._number(names, None, smallest=0) or None

    def flag(self, *names: str, default: bool = False) -> bool:
        """A true or false."""
        found = self._find(names)
        if found is None:
            return bool(self._default(names, default))
        name, value = found
        if value not in (True, False, 0, 1):
            raise FileError(f"{self.where}: {name} must be true or false, not {value!r}.")
        return bool(value)

    def real(self, *names: str, default: float | None = None) -> float:
        """A finite number."""
        found = self._find(names)
        name, value = found if found is not None else (names[0], self._default(names, default))
        if value is None:
            raise self.missing(*names)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise FileError(f"{self.where}: {name} must be a finite number, not {value!r}.")
        return float(value)

    def text(self, *names: str, default: str = "") -> str:
        """A string."""
        found = self._find(names)
        if found is None:
            return str(self._default(names, default))
        name, value = found
        if not isinstance(value, str):
            raise FileError(f"{self.where}: {name} must be a string, not {value!r}.")
        return value

    def items(self, *names: str, length: int | None = None) -> list[Any] | None:
        """A list, checked to have at least ``length`` entries (longer lists describe extra prediction layers too)."""
        found = self._find(names)
        if found is None:
            return None
        name, value = found
        if not isinstance(value, list):
            raise FileError(f"{self.where}: {name} must be a list, not {_kind(value)}.")
        if length is not None and len(value) < length:
            raise FileError(f"{self.where}: {name} has {len(value)} entries for {length} layers.")
        return value if length is None else value[:length]

    def table(self, *names: str) -> Fields:
        """A nested object as fields of their own (empty where absent)."""
        found = self._find(names)
        if found is None:
            return Fields({}, f"{self.where}: {names[0]}", nested=True)
        name, value = found
        if not isinstance(value, dict):
            raise FileError(f"{self.where}: {name} must be an object, not {_kind(value)}.")
        return Fields(value, f"{self.where}: {name}", nested=True)

    def any(self, *names: str) -> Any:  # noqa: ANN401 - straight from JSON
        """Whatever is there, or None."""
        found = self._find(names)
        return self._default(names, None) if found is None else found[1]

    def missing(self, *names: str) -> FileError:
        """The error for a required field that is not there."""
        others = f" (or {', '.join(names[1:])})" if len(names) > 1 else ""
        return FileError(f"{self.where}: required field {names[0]}{others} is missing. Add it to the config.")

    def bad(self, message: str) -> FileError:
        """An error about this configuration."""
        return FileError(f"{self.where}: {message}")

    def _find(self, names: tuple[str, ...]) -> tuple[str, Any] | None:
        self.used.update(names)
        for name in names:
            if self.raw.get(name) is not None:
                return name, self.raw[name]
        return None

    def _default(self, names: tuple[str, ...], default: Any) -> Any:  # noqa: ANN401
        for name in names:
            if name in self.defaults and (self.nested or name not in _CORE):
                return self.defaults[name]
        return default

    def _number(self, names: tuple[str, ...], default: int | None, smallest: int) -> int | None:
        found = self._find(names)
        if found is None:
            value: int | None = self._default(names, default)
            return value
        name, value = found
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise FileError(f"{self.where}: {name} must be a whole number, not {_show(value)}.")
        largest = _MOST_LAYERS if "layer" in name and "per_layer" not in name else _LARGEST
        if not smallest <= value <= largest:
            raise FileError(f"{self.where}: {name} = {value} is out of range. Expected {smallest} to {largest}.")
        return value


def _kind(value: object) -> str:
    names = {list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number", dict: "an object"}
    return names.get(type(value), "null")


def _show(value: object) -> str:
    return repr(value) if isinstance(value, (int, float, str, bool)) else _kind(value)
