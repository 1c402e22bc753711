"""Names: how they are spelled, what was probably meant, and where extensions announce themselves."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from drivetrain.errors import UnknownNameError

T = TypeVar("T")


def slug(name: str) -> str:
    """Fold the spellings of a name into one: lower case, dashes for spaces and underscores.

    >>> slug("H100_SXM"), slug("meta-llama/Llama-3.1-70B")
    ('h100-sxm', 'meta-llama/llama-3.1-70b')
    """
    return "-".join(name.strip().lower().replace("_", "-").replace(" ", "-").split("-"))


def suggest(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """The known names closest to ``name``, best first.

    >>> suggest("h100sxm", ["h100-sxm-80gb", "h200-sxm-141gb", "l4"], limit=1)
    ['h100-sxm-80gb']
    """
    wanted, candidates = slug(name), {slug(k): k for k in known}
    bare = wanted.replace("-", "")
    prefixed = [k for s, k in candidates.items() if bare and s.replace("-", "").startswith(bare)]
    close = [candidates[s] for s in difflib.get_close_matches(wanted, candidates, n=limit, cutoff=0.55)]
    return list(dict.fromkeys(prefixed + close))[:limit]


class Registry(Mapping[str, T], Generic[T]):
    """A mapping from names to registered objects that explains itself when a name is unknown."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}

    def register(self, *names: str) -> Callable[[T], T]:
        """Register the decorated object under each of ``names``."""

        def decorate(item: T) -> T:
            for name in names:
                self._items[slug(name)] = item
            return item

        return decorate

    def __getitem__(self, name: str) -> T:
        try:
            return self._items[slug(name)]
        except KeyError:
            raise UnknownNameError(self.kind, name, suggest(name, self._items)) from None

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and slug(name) in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)
