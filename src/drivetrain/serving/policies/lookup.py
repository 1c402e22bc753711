"""What runners ask about a policy: its code, its plain Python, the signals it reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from drivetrain.errors import BadInputError
from drivetrain.registry import slug
from drivetrain.serving.policies import registry
from drivetrain.serving.policies.names import BUILT_IN, KINDS
from drivetrain.serving.policies.signals import N_OPTIONS

if TYPE_CHECKING:  # names of policies are wanted by interfaces that must not wait for numpy
    from drivetrain.serving.sim.records import Floats, Policy


def code_of(kind: str, name: str) -> int:
    """The code of a built-in in :mod:`drivetrain.serving.policies.dispatch`; -1 for any other registered policy.

    >>> code_of("route", "round-robin"), code_of("schedule", "Shortest")
    (0, 2)
    """
    called = slug(name)
    if called in BUILT_IN.get(kind, ()):
        return BUILT_IN[kind].index(called)
    registry.found(kind, name)
    return -1


def is_custom(kind: str, name: str) -> bool:
    """Whether only the plain Python reference can run it."""
    return code_of(kind, name) < 0


def python_function(kind: str, name: str) -> Callable[..., Any]:
    """The policy as plain Python with the kind's signature: of a built-in what machine code is made from."""
    function = registry.found(kind, name).function
    plain: Callable[..., Any] = getattr(function, "py_func", function)
    return plain


def reads(kind: str, name: str) -> frozenset[str]:
    """Columns of :data:`~drivetrain.serving.policies.entries.SIGNALS` that the policy looks at.

    >>> sorted(reads("route", "prefix-aware"))
    ['HIT_APPROX']
    """
    return registry.found(kind, name).reads


def option_values(kind: str, policy: Policy) -> Floats:
    """The ``options`` array that the policy's function is called with: checked, defaults where none are stated.

    It has ``N_OPTIONS`` places, zeros behind the last option.

    >>> from drivetrain.serving.sim.records import Policy
    >>> option_values("admit", Policy("token-bucket", (5.0,)))[:3]
    array([ 5., 20.,  0.])
    """
    import numpy as np

    known = registry.found(kind, policy.name)
    if len(policy.options) > len(known.options):
        raise BadInputError(
            f"{kind} policy '{known.name}' has {len(known.options)} options; {len(policy.options)} are given."
        )
    missing = known.options[len(policy.options) :]
    stated = (*policy.options, *(option.default for option in missing))
    known.made(**{option.name: value for option, value in zip(known.options, stated, strict=True)})
    values = np.zeros(N_OPTIONS)
    values[: len(stated)] = stated
    return values


def listed() -> list[dict[str, str]]:
    """One row for each policy, by kind and code: its name, kind, options with their defaults and what it does.

    >>> listed()[0]["name"], listed()[-1]["options"][:9]
    ('round-robin', 'target=32')
    """
    return [
        {
            "name": found.name,
            "kind": kind,
            "options": ",".join(f"{option.short}={option.default:g}" for option in found.options),
            "summary": found.summary,
        }
        for kind in KINDS
        for found in registry.everything(kind)
    ]
