"""The choice of prefix cache, ``--cache none|lru|lru,host=64GB``: data of the engine's memory, not a function."""

from __future__ import annotations

from drivetrain import units
from drivetrain.errors import BadInputError, UnknownNameError
from drivetrain.registry import slug, suggest

CHOICES = ("none", "lru")


def cache_choice(text: str) -> tuple[str, float]:
    """What is kept (``none``, or ``lru``: the entries used last) and bytes of host memory for evicted entries.

    >>> cache_choice("none"), cache_choice("lru"), cache_choice("lru,host=64GB")
    (('none', 0.0), ('lru', 0.0), ('lru', 64000000000.0))
    """
    head, *rest = text.replace(":", ",", 1).split(",")
    name = slug(head)
    if name not in CHOICES:
        raise UnknownNameError("cache", head.strip(), suggest(head, CHOICES), "Write none, lru or lru,host=64GB.")
    host_bytes = 0.0
    if rest:
        option, equals, value = ",".join(rest).partition("=")
        if slug(option) not in ("host", "host-bytes") or not equals:
            raise BadInputError(f"cache '{text}': the only option is host, as in lru,host=64GB.")
        if name == "none":
            raise BadInputError(f"cache '{text}': without a cache nothing goes to host memory. Write lru,host=....")
        host_bytes = units.parse(value, "bytes")
        if host_bytes < 0.0:
            raise BadInputError(f"cache '{text}': host memory cannot be negative.")
    return name, host_bytes
