"""How a disaggregated deployment is spelled: ``prefill: tp4 x2, decode: tp8 x1``.

Prompts are computed in one pool of replicas, answers decoded in another. Each pool has a layout of its own and a
number of replicas.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drivetrain.arch.layout import Layout, parse_layout
from drivetrain.errors import LayoutError

ROLES = ("prefill", "decode")
_PART = re.compile(r"(prefill|decode)\s*[:=]\s*([a-wyz0-9]+)\s*(?:[x*]\s*(\d+))?")  # no axis of a layout has an x
_HINT = 'Write for example "prefill: tp4 x2, decode: tp8 x1".'


@dataclass(frozen=True, slots=True)
class PoolLayouts:
    """Layout and number of replicas of both pools; ``None`` replicas where the text leaves them open."""

    prefill: Layout
    decode: Layout
    prefill_replicas: int | None = None
    decode_replicas: int | None = None

    def __str__(self) -> str:
        def part(role: str, layout: Layout, n: int | None) -> str:
            return f"{role}: {layout}" + ("" if n is None else f" x{n}")

        return ", ".join(
            (part("prefill", self.prefill, self.prefill_replicas), part("decode", self.decode, self.decode_replicas))
        )


def names_pools(texts: Sequence[str]) -> bool:
    """Whether ``texts`` (a list of layouts, or one text cut at its comma) spell pools rather than plain layouts."""
    return any(text.strip().lower().startswith(ROLES) for text in texts)


def parse_pools(texts: str | Sequence[str]) -> PoolLayouts:
    """Read pools as they are spelled, in one text or cut at the comma.

    >>> parse_pools("prefill: tp4 x2, decode: tp8").decode
    Layout(tp=8, pp=1, dp=1, ep=1)
    >>> str(parse_pools(["decode: dp8ep8 x1", "prefill: tp4 x2"]))
    'prefill: tp4 x2, decode: dp8ep8 x1'
    """
    whole = texts if isinstance(texts, str) else ", ".join(texts)
    found: dict[str, tuple[Layout, int | None]] = {}
    for text in filter(None, (part.strip().lower() for part in whole.split(","))):
        match = _PART.fullmatch(text)
        if not match:
            raise LayoutError(f"cannot read '{text}' as a pool of a disaggregated layout. {_HINT}")
        role, layout, count = match.groups()
        if role in found:
            raise LayoutError(f"'{whole}' gives the {role} pool twice. {_HINT}")
        if count is not None and int(count) < 1:
            raise LayoutError(f"'{text}': a pool needs at least one replica. {_HINT}")
        found[role] = parse_layout(layout), None if count is None else int(count)
    missing = [role for role in ROLES if role not in found]
    if missing:
        raise LayoutError(f"'{whole}' has no {missing[0]} pool. {_HINT}")
    (prefill, x), (decode, y) = found["prefill"], found["decode"]
    return PoolLayouts(prefill, decode, x, y)


def spell_pools(layout: Mapping[str, Mapping[str, object]]) -> str:
    """The text of a layout object ``{"prefill": {"layout": "tp4", "replicas": 2}, "decode": {...}}``.

    >>> spell_pools({"prefill": {"layout": "tp4", "replicas": 2}, "decode": {"layout": "tp8", "replicas": 1}})
    'prefill: tp4 x2, decode: tp8 x1'
    """
    try:
        parts = [f"{role}: {layout[role]['layout']} x{layout[role].get('replicas', 1)}" for role in ROLES]
    except (KeyError, TypeError, AttributeError):
        raise LayoutError(f"cannot read layout {layout!r}. {_HINT}") from None
    return str(parse_pools(parts))
