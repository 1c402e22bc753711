"""Scenario files: a serving question kept as TOML or JSON, and the questions inside saved plans.

A file holds the fields of :class:`~drivetrain.scenario.ServeScenario` under their own names, with the texts that the
command line takes (``rate = "300 req/min"``). Options' spellings are understood: ``accelerator``, ``engine`` and
``layout`` in the singular, dashes for underscores, ``max-power = "200 kW"`` without the unit in the name. What the
command line separates by commas may be a list or, for ``slo``, ``techniques`` and ``max``, a table. ``verb = "plan"``
or ``"predict"`` says which verb is asked; without it a file that gives ``concurrency`` is a prediction and any other a
plan.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from drivetrain import units
from drivetrain.errors import BadInputError, DrivetrainError, FileError, UnitError
from drivetrain.registry import suggest
from drivetrain.scenario import ServeScenario, scenario_of

VERBS = ("plan", "predict")
SAVED_PLAN = "plan.json"
_KIND = f"a scenario is a .toml or .json file, or a folder that holds {SAVED_PLAN}"
_OPTION = {"with": "techniques"}  # options that are not called as their fields, beyond plurals and units
_TYPES = {field.name: str(field.type) for field in fields(ServeScenario)}
# A number's dimension follows from its name; names of the field itself first, then the unit at their end.
_DIMENSION = {"rate": "1/s", "isl": "tok", "osl": "tok", "max_batched_tokens": "tok"}
_UNIT_AT_END = {"_w": "W", "_s": "s", "_bytes": "bytes", "_usd_per_hour": "USD/h", "_usd": "USD"}
_LISTED = ("slo", "techniques", "region")  # texts that hold several things, separated by commas
# Ways to say the same thing: choosing one on top of a file takes the other back.
_INSTEAD_OF = {"workload": ("isl", "osl"), "isl": ("workload",), "osl": ("workload",),
               "rate": ("concurrency",), "concurrency": ("rate",)}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    """What a file asks: the verb, the choices it makes, and the answer saved with them if any."""

    verb: str
    choices: dict[str, object]
    answer: dict[str, object] | None = None

    @property
    def scenario(self) -> ServeScenario:
        """The choices as a scenario."""
        return scenario_of(dict(self.choices))


def read_question(path: str | Path) -> Question:
    """Read a scenario file, a saved answer, or the folder that ``plan serve --save`` wrote."""
    place = Path(path)
    if place.is_dir():
        place /= SAVED_PLAN
    table = read_table(place)
    try:
        saved = table.get("scenario")
        if isinstance(saved, dict):
            return Question("plan" if "feasible" in table else "predict", choices_of(saved), table)
        if "feasible" in table or "ttft_s" in table:
            raise BadInputError("this answer was saved without its scenario, so it cannot be asked again.")
        verb = table.pop("verb", None)
        choices = choices_of(table)
        if verb is None:
            verb = "predict" if "concurrency" in choices else "plan"
        if verb not in VERBS:
            raise BadInputError(f"verb '{verb}' is not known. Choose {' or '.join(VERBS)}.")
        question = Question(str(verb), _near(choices, place.parent))
        _ = question.scenario  # contradictions are the file's, so they are told with its name
    except DrivetrainError as error:
        raise _in_file(error, place) from None
    return question


def choices_of(table: Mapping[str, object]) -> dict[str, object]:
    """Fields of a scenario from any accepted spelling, values in SI; what is null says nothing.

    >>> choices_of({"model": "m", "layout": "tp8", "rate": "300 req/min", "isl": "2k"})
    {'model': 'm', 'layouts': ('tp8',), 'rate': 5.0, 'isl': 2000.0}
    """
    found: dict[str, object] = {}
    for spelled, value in table.items():
        name = _field_called(spelled)
        if name in found:
            raise BadInputError(f"'{name}' is given twice, once as '{spelled}'. Keep one.")
        if value is not None:
            found[name] = _value(name, value)
    return found


def override(choices: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    """``choices`` with ``changes`` on top; lengths replace a workload and the other way round, as rate and concurrency.

    >>> override({"model": "m", "workload": "chat"}, {"isl": 1000.0, "osl": 100.0})
    {'model': 'm', 'isl': 1000.0, 'osl': 100.0}
    """
    gone = {other for name, value in changes.items() if value not in (None, "") for other in _INSTEAD_OF.get(name, ())}
    kept = {name: value for name, value in choices.items() if name not in gone - set(changes)}
    return kept | dict(changes)


def read_table(path: Path, kind: str = _KIND) -> dict[str, object]:
    """A TOML or JSON file as a table; a clear error where it is none, in which ``kind`` says what is read."""
    if path.suffix not in (".toml", ".json"):
        raise FileError(f"{path}: {kind}.")
    try:
        text = path.read_text(encoding="utf-8")
        table = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except FileNotFoundError:
        raise FileError(f"{path}: no such file.") from None
    except UnicodeDecodeError:
        raise FileError(f"{path}: is not a text file in UTF-8.") from None
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        raise FileError(f"{path}: cannot be read as {path.suffix[1:].upper()}: {error}.") from None
    except RecursionError:
        raise FileError(f"{path}: is nested too deeply for a scenario.") from None
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror or error}.") from None
    if not isinstance(table, dict):
        raise FileError(f"{path}: holds {type(table).__name__}, not the fields of a scenario.")
    return table


def _field_called(spelled: str) -> str:
    """The field that an option's or a field's spelling names."""
    folded = spelled.replace("-", "_")
    for name in (_OPTION.get(folded, folded) + end for end in ("", "s", *_UNIT_AT_END)):
        if name in _TYPES:
            return name
    close = suggest(folded, [*_TYPES, "verb"], 1)
    hint = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(sorted(_TYPES))}."
    raise BadInputError(f"there is no choice '{spelled}'. {hint}")


def _value(name: str, value: object) -> object:
    """``value`` in the type that the field is declared with."""
    kind = _TYPES[name]
    if kind.startswith(("float", "int")):
        return _number(name, value)
    if kind == "bool" and not isinstance(value, bool):
        raise BadInputError(f"{name} must be true or false, not {value!r}.")
    if kind.startswith("tuple[str"):
        return _names(name, value)
    if name in _LISTED and isinstance(value, (dict, list, tuple)):
        return ",".join(_names(name, value))
    if name == "model" and isinstance(value, Path):
        return str(value)
    if kind.startswith("str") and not isinstance(value, str):
        raise BadInputError(f"{name} must be text, not {value!r}.")
    return value


def _names(name: str, value: object) -> tuple[str, ...]:
    """A list of texts from a list, a text with commas or, where pairs are meant, a table."""
    if isinstance(value, dict):
        value = [f"{key}={_plain(v)}" for key, v in value.items()]
    elif name == "max" and isinstance(value, (int, float)) and not isinstance(value, bool):
        value = [_plain(value)]
    elif isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) for v in value):
        raise BadInputError(f"{name} must be a name or a list of names, not {value!r}.")
    return tuple(v.strip() for v in value if v.strip())


def _plain(value: object) -> str:
    """A value of a table as the command line spells it; a pool of a disaggregated layout is a table itself."""
    if isinstance(value, dict):
        return f"{value.get('layout', '')} x{value.get('replicas', 1)}"
    return f"{value:g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise BadInputError(f"{name} must be a number, not {value!r}.")
    if not isinstance(value, str):
        return float(value)
    ends = (dimension for end, dimension in _UNIT_AT_END.items() if name.endswith(end))
    dimension = _DIMENSION.get(name) or next(ends, "1")
    text = value.strip().lower().removeprefix("n+") if name == "spares" else value.strip()
    if dimension == "tok" and text[-1:] in ("k", "M"):
        text += "tok"
    try:
        return units.parse_usd_per_hour(text) if dimension == "USD/h" else units.parse(text, dimension)
    except UnitError as error:
        raise BadInputError(f"{name} = '{value}': {error.args[0]}") from None


def _near(choices: dict[str, object], folder: Path) -> dict[str, object]:
    """A model that is a file beside the scenario file is found there, wherever the command runs."""
    model = choices.get("model")
    if isinstance(model, str) and model.endswith((".json", ".toml")) and (folder / model).is_file():
        return choices | {"model": str(folder / model)}
    return choices


def _in_file(error: DrivetrainError, path: Path) -> FileError:
    return FileError(f"{path}: {error.args[0]}")
