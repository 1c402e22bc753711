"""Who is registered: built-ins, files named on the command line, entry points and a user's own Python.

All come in through :func:`register`. Built-ins are imported when they are first asked for, packages that announce
themselves under the entry-point group ``drivetrain.policies`` when a name is not found otherwise.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from drivetrain.errors import BadInputError, UnknownNameError
from drivetrain.registry import slug, suggest
from drivetrain.serving.policies.entries import SIGNALS, Registered, of_class, of_function
from drivetrain.serving.policies.names import BUILT_IN, KINDS

ENTRY_POINTS = "drivetrain.policies"

T = TypeVar("T", bound=Callable[..., Any])

_known: dict[str, dict[str, Registered]] = {kind: {} for kind in KINDS}
_entry_points_seen: set[str] = set()


def register(
    kind: str, name: str = "", function: Callable[..., Any] | None = None, reads: Iterable[str] = SIGNALS
) -> Callable[[T], T]:
    """Register the decorated dataclass (with its ``function``) or plain function as a policy of ``kind``.

    ``name`` is that of the function where it is left out, with dashes. ``reads`` are the columns of :data:`SIGNALS`
    that it looks at. The decorated object is returned as it is.
    """
    _checked_kind(kind)

    def decorate(item: T) -> T:
        called = slug(name or item.__name__)
        entry = (
            of_class(kind, called, item, function, frozenset(reads))
            if inspect.isclass(item)
            else of_function(kind, called, item, frozenset(reads))
        )
        _add(entry)
        return item

    return decorate


def found(kind: str, name: str) -> Registered:
    """The policy of that name, looked for among built-ins, what was registered, then entry points."""
    _checked_kind(kind)
    called = slug(name)
    if called in BUILT_IN[kind] and called not in _known[kind]:
        importlib.import_module(f"{__package__}.{kind}.{called.replace('-', '_')}")
    if called not in _known[kind]:
        _load_entry_points()
    if called not in _known[kind]:
        raise UnknownNameError(
            f"{kind} policy",
            name,
            suggest(name, names(kind)),
            f"Policies: {', '.join(names(kind))}. One of your own comes from --policy-file.",
        )
    return _known[kind][called]


def names(kind: str) -> tuple[str, ...]:
    """Every policy of a kind: built-ins in the order of their codes, then those that were registered."""
    _checked_kind(kind)
    return (*BUILT_IN[kind], *(name for name in _known[kind] if name not in BUILT_IN[kind]))


def everything(kind: str) -> tuple[Registered, ...]:
    """Every policy of a kind with its options, entry points included."""
    _load_entry_points()
    return tuple(found(kind, name) for name in names(kind))


def forget(source: str) -> None:
    """Drop what ``source`` registered."""
    for entries in _known.values():
        for name in [name for name, entry in entries.items() if entry.source == source]:
            del entries[name]


def registered_names() -> frozenset[tuple[str, str, str]]:
    """(kind, name, source) of all that is registered so far."""
    return frozenset((kind, entry.name, entry.source) for kind in KINDS for entry in _known[kind].values())


def _checked_kind(kind: str) -> None:
    if kind not in KINDS:
        raise UnknownNameError("kind of policy", kind, suggest(kind, KINDS), f"Kinds: {', '.join(KINDS)}.")


def _add(entry: Registered) -> None:
    """Keep ``entry``; the same file may be read again, but nobody takes another's name."""
    kind, name = entry.kind, entry.name
    home = f"{__package__}.{kind}.{name.replace('-', '_')}"
    before = _known[kind].get(name)
    if (name in BUILT_IN[kind] and entry.source != home) or (before is not None and before.source != entry.source):
        holder = "built in" if name in BUILT_IN[kind] else f"registered by {before.source}" if before else ""
        raise BadInputError(f"{kind} policy '{name}' in {entry.source}: the name is {holder} already. Rename it.")
    _known[kind][name] = entry


def _load_entry_points() -> None:
    from importlib.metadata import entry_points

    for point in entry_points(group=ENTRY_POINTS):
        if point.value in _entry_points_seen:
            continue
        _entry_points_seen.add(point.value)
        try:
            point.load()
        except Exception as error:
            raise BadInputError(
                f"entry point '{point.name}' of group {ENTRY_POINTS} ({point.value}) does not load: "
                f"{type(error).__name__}: {error}. Mend or uninstall its package."
            ) from error
