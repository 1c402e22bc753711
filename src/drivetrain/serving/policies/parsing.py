"""``name`` or ``name:option=value,option=value`` to a policy record, with units and suggestions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivetrain import units
from drivetrain.errors import BadInputError, UnitError, UnknownNameError
from drivetrain.registry import slug, suggest
from drivetrain.serving.policies.entries import Option, Registered
from drivetrain.serving.policies.registry import found

if TYPE_CHECKING:  # names of policies are wanted by interfaces that must not wait for numpy
    from drivetrain.serving.sim.records import Policy


def parse(kind: str, text: str) -> Policy:
    """The policy that ``text`` names, its options in order, defaults where nothing is said.

    An option is written by its name with or without the unit in it: ``ttft=2s`` is ``ttft_s=2``.

    >>> parse("admit", "token-bucket:rate=600 req/min,burst=20")
    Policy(name='token-bucket', options=(10.0, 20.0))
    """
    from drivetrain.serving.sim.records import Policy

    name, colon, rest = text.partition(":")
    policy = found(kind, name.strip())
    if colon and not rest.strip():
        raise BadInputError(f"{kind} policy '{text}': nothing follows the colon. {_usage(policy)}")
    stated = _stated(policy, rest) if colon else {}
    values = {option.name: stated.get(option.name, option.default) for option in policy.options}
    policy.made(**values)
    return Policy(policy.name, tuple(values.values()))


def written(kind: str, policy: Policy) -> str:
    """A record as :func:`parse` reads it, with the options that differ from their defaults.

    >>> written("admit", parse("admit", "token-bucket:burst=30"))
    'token-bucket:burst=30'
    """
    options = found(kind, policy.name).options
    changed = [
        f"{o.short}={value!r}".removesuffix(".0")
        for o, value in zip(options, policy.options, strict=True)
        if value != o.default
    ]
    return policy.name + (":" + ",".join(changed) if changed else "")


def _stated(policy: Registered, text: str) -> dict[str, float]:
    values: dict[str, float] = {}
    for part in text.split(","):
        spelled, equals, value = part.partition("=")
        if not equals or not spelled.strip() or not value.strip():
            raise BadInputError(f"{policy.kind} policy '{policy.name}': cannot read '{part.strip()}'. {_usage(policy)}")
        option = _option(policy, spelled.strip())
        if option.name in values:
            raise BadInputError(f"{policy.kind} policy '{policy.name}': option '{option.name}' is given twice.")
        try:
            values[option.name] = units.parse(value, option.dimension)
        except UnitError as error:
            raise UnitError(f"{policy.kind} policy '{policy.name}', option {option.name}: {error.args[0]}") from None
    return values


def _option(policy: Registered, spelled: str) -> Option:
    by_name = {slug(option.short): option for option in policy.options}
    by_name |= {slug(option.name): option for option in policy.options}
    if slug(spelled) in by_name:
        return by_name[slug(spelled)]
    raise UnknownNameError(
        f"option of the {policy.kind} policy '{policy.name}'",
        spelled,
        suggest(spelled, [option.name for option in policy.options]),
        _usage(policy),
    )


def _usage(policy: Registered) -> str:
    if not policy.options:
        return "It takes no options."
    taken = ",".join(f"{option.short}={option.default:g}" for option in policy.options)
    return f"With its defaults it is {policy.name}:{taken}."
