"""Parse an engine's command line against the arguments of its release, as the engine's own parser would."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drivetrain.deploy.argument_list import Argument, ArgumentList, arguments_of
from drivetrain.errors import BadInputError, UnknownNameError
from drivetrain.registry import suggest

_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_HUMAN = re.compile(r"(\d+(?:\.\d+)?)([kKmMgGtT])")
_DECIMAL = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
AUTO = -1  # what engines write for "find out yourself"


@dataclass(frozen=True, slots=True)
class ParsedArguments:
    """A command line by canonical names: what was given (``values``), how each was written, the model."""

    arguments: ArgumentList
    model: str | None
    values: Mapping[str, Any]
    written: Mapping[str, str]

    def value(self, name: str) -> Any:  # noqa: ANN401 - the type depends on the argument
        """What was given for ``name``, else its default."""
        if name in self.values:
            return self.values[name]
        known = self.arguments.arguments.get(name)
        return None if known is None else known.default


def parse(family: str, version: str, argv: Sequence[str]) -> ParsedArguments:
    """Read ``argv`` (what follows the program's name) against the arguments of ``family`` at ``version``.

    Raises UnknownNameError for flags this release does not have, with close ones, and BadInputError, naming the flag,
    for values that are missing, of the wrong type or not among the choices.
    """
    known = arguments_of(family, version)
    values: dict[str, Any] = {}
    written: dict[str, str] = {}
    positional: list[str] = []
    unknown: list[str] = []
    rest = list(argv)
    while rest:
        token = rest.pop(0)
        if token == "--":
            positional += rest
            break
        if not _is_flag(token):
            positional.append(token)
            continue
        found = _find(known, token)
        if found is None:
            unknown.append(token.partition("=")[0])
            while rest and not _is_flag(rest[0]):
                rest.pop(0)
            continue
        argument, path, attached, negated = found
        spelled = f"--{argument.name}"
        if path and not argument.kind.startswith("json"):
            raise BadInputError(f"{spelled} is not a JSON value: '{token}' cannot set a part of it.")
        value = not negated if argument.kind == "bool" else _take(argument, spelled, path, attached, rest)
        if argument.kind == "bool" and attached is not None:
            raise BadInputError(f"{token.partition('=')[0]} is a switch and takes no value, not '{attached}'.")
        if path:
            value = _set(values.get(argument.name), path, value, spelled)
        elif argument.append:
            value = [*values.get(argument.name, []), value]
        values[argument.name] = value
        written[argument.name] = token.partition("=")[0]
    if unknown:
        raise _unknown(known, unknown)
    return ParsedArguments(known, _model(known, positional, values), values, written)


def unknown_options(known: ArgumentList, options: Mapping[str, Any]) -> list[str]:
    """Keys of an engine's YAML file that this release does not have, dotted; nested ones where their list is kept."""
    missing = []
    parents = {name.rpartition(".")[0] for name in known.options if "." in name}
    aliases = {f"{n.rpartition('.')[0]}.{a}".lstrip(".") for n, o in known.options.items() for a in o.aliases}
    for key, value in options.items():
        if key not in known.options:
            missing.append(key)
        elif key in parents and isinstance(value, Mapping):
            names = (f"{key}.{inner}" for inner in value)
            missing += [name for name in names if name not in known.options and name not in aliases]
    return missing


def _is_flag(token: str) -> bool:
    return token.startswith("-") and len(token) > 1 and not _NUMBER.fullmatch(token)


def _find(known: ArgumentList, token: str) -> tuple[Argument, str, str | None, bool] | None:
    """(argument, key path within a JSON value, value after '=', negated) for one flag as written."""
    name, equals, text = token.partition("=")
    attached, path = text if equals else None, ""
    if known.nested and "." in name:
        name, _, path = name.partition(".")
    if not name.startswith("--"):
        found = _find_short(known, name, attached)
        return found and (found[0], path, *found[2:])
    if known.underscores:
        name = name.replace("_", "-")
    exact = known.spellings.get(name)
    if exact is None and name.startswith("--no-") and (plain := known.spellings.get("--" + name[5:])):
        argument = known.arguments[plain]
        return (argument, "", attached, True) if argument.negatable else None
    if exact is None and known.prefixes:
        exact = _by_beginning(known, name)
    if exact is None:
        return None
    return known.arguments[exact], path, attached, False


def _find_short(known: ArgumentList, name: str, attached: str | None) -> tuple[Argument, str, str | None, bool] | None:
    if name in known.spellings:
        return known.arguments[known.spellings[name]], "", attached, False
    if name.startswith("-O") and "optimization-level" in known.arguments:  # vLLM reads -O3 so
        return known.arguments["optimization-level"], "", name[2:] or attached, False
    if name[:2] in known.spellings and len(name) > 2:  # -qawq
        return known.arguments[known.spellings[name[:2]]], "", name[2:], False
    return None


def _by_beginning(known: ArgumentList, name: str) -> str | None:
    owners = {owner for spelling, owner in known.spellings.items() if spelling.startswith(name)}
    if len(owners) > 1:
        options = ", ".join(f"--{owner}" for owner in sorted(owners)[:4])
        raise BadInputError(f"'{name}' could mean {options}. Write the whole name.")
    return owners.pop() if owners else None


def _take(argument: Argument, spelled: str, path: str, attached: str | None, rest: list[str]) -> Any:  # noqa: ANN401
    """The value or values of one argument, from after its '=' or from what follows."""
    if path:
        return _loose(attached if attached is not None else _next(argument, spelled, rest))
    if attached is not None:
        texts = [attached]
    elif argument.nargs in ("*", "+"):
        texts = []
        while rest and not _is_flag(rest[0]):
            texts.append(rest.pop(0))
        if argument.nargs == "+" and not texts:
            raise BadInputError(f"{spelled} needs at least one value.")
    elif argument.nargs == "?":
        if not rest or _is_flag(rest[0]):
            return True
        texts = [rest.pop(0)]
    else:
        texts = [_next(argument, spelled, rest)]
    read = [_typed(argument, spelled, text) for text in texts]
    return read if argument.nargs in ("*", "+") else read[0]


def _next(argument: Argument, spelled: str, rest: list[str]) -> str:
    if not rest or _is_flag(rest[0]):
        example = f", for example {spelled} {argument.choices[0]}" if argument.choices else ""
        raise BadInputError(f"{spelled} needs a value{example}.")
    return rest.pop(0)


def _typed(argument: Argument, spelled: str, text: str) -> Any:  # noqa: ANN401 - the type depends on the argument
    value: Any = text
    if argument.kind == "int":
        value = _number(int, text, f"{spelled} needs a whole number")
    elif argument.kind.startswith("human-int"):
        auto = argument.kind.endswith("auto") and text.strip().lower() in ("auto", "-1")
        value = AUTO if auto else _human(spelled, text)
    elif argument.kind == "float":
        value = _number(float, text, f"{spelled} needs a number")
    elif argument.kind == "bool-value":
        if text.lower() not in ("true", "false"):
            raise BadInputError(f"{spelled} needs true or false, not '{text}'.")
        value = text.lower() == "true"
    elif argument.kind == "json":
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            raise BadInputError(
                f"{spelled} needs JSON: {error.msg} at character {error.pos + 1} of '{text}'."
            ) from None
    elif argument.kind == "json-or-text" and text.lstrip().startswith("{"):
        value = _loose(text)
    if argument.choices and value not in argument.choices:
        close = suggest(str(value), [str(choice) for choice in argument.choices], 1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        raise BadInputError(f"{spelled} '{text}' is not one of {', '.join(map(str, argument.choices))}.{hint}")
    return value


def _number(kind: type[int] | type[float], text: str, message: str) -> int | float:
    try:
        return kind(text)
    except ValueError:
        raise BadInputError(f"{message}, not '{text}'.") from None


def _human(spelled: str, text: str) -> int:
    """``8192``, ``8k`` (thousands) or ``8K`` (1024s, whole numbers only), as vLLM reads them."""
    match = _HUMAN.fullmatch(text.strip())
    if match is None:
        return int(_number(int, text.strip(), f"{spelled} needs a whole number such as 8192 or 8k"))
    amount, suffix = match.groups()
    if suffix in _DECIMAL:
        return int(float(amount) * _DECIMAL[suffix])
    return int(_number(int, amount, f"{spelled} takes no decimals with {suffix}")) * _BINARY[suffix]


def _loose(text: str) -> Any:  # noqa: ANN401 - JSON values
    """JSON where it is JSON, else the text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _set(value: Any, path: str, part: Any, spelled: str) -> dict[str, Any]:  # noqa: ANN401 - JSON values
    """``value`` with one key of it set; a key that ends in + appends to a list."""
    if value is not None and not isinstance(value, dict):
        raise BadInputError(f"{spelled} is given as '{value}' and by parts. Give it one way.")
    key, dot, deeper = path.partition(".")
    table = dict(value or {})
    if dot:
        table[key] = _set(table.get(key), deeper, part, f"{spelled}.{key}")
    elif key.endswith("+"):
        table[key[:-1]] = [*table.get(key[:-1], []), part]
    else:
        table[key] = part
    return table


def _model(known: ArgumentList, positional: list[str], values: Mapping[str, Any]) -> str | None:
    allowed = 1 if known.positional_model else 0
    if len(positional) > allowed:
        raise BadInputError(
            f"'{positional[allowed]}' stands alone: it belongs to no flag of {known.engine}. "
            "Quote values that hold spaces, and check for a missing '--'."
        )
    named = values.get(known.model_flag) if known.model_flag else None
    if positional and named is not None and named != positional[0]:
        raise BadInputError(f"the model is given twice: '{positional[0]}' and --{known.model_flag} '{named}'.")
    model = positional[0] if positional else named
    return None if model is None else str(model)


def _unknown(known: ArgumentList, flags: list[str]) -> UnknownNameError:
    first = flags[0]
    spellings = {spelling.lstrip("-"): spelling for spelling in known.spellings}
    close = [spellings[name] for name in suggest(first.lstrip("-"), spellings)]
    more = f"Unknown too: {', '.join(flags[1:])}. " if len(flags) > 1 else ""
    return UnknownNameError(f"flag of {known.engine}", first, close, f"{more}The list is that of {known.release}.")
