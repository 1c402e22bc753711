"""Errors about choices of traffic, which call each choice what the person knows it by.

Python has keywords (``too_long=drop``), the command line options (``--too-long drop``). A :class:`ChoiceError` is
written once, as a function of how choices are said: it says keywords, until whoever knows better has it said again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from drivetrain.errors import BadInputError

Say = Callable[..., str]
"""How a choice is said: by its keyword, and by the value it should have where there is one."""


class ChoiceError(BadInputError):
    """A choice that makes no sense; ``text`` gets how choices are said.

    >>> error = ChoiceError(lambda say: f"Leave them out ({say('too_long', 'drop')}).")
    >>> error.args[0], error.said(lambda name, value: f"--{name.replace('_', '-')} {value}").args[0]
    ('Leave them out (too_long=drop).', 'Leave them out (--too-long drop).')
    """

    def __init__(self, text: Callable[[Say], str]) -> None:
        self._text = text
        super().__init__(text(keyword))

    def said(self, say: Say) -> BadInputError:
        """The same error with choices said in another way."""
        return BadInputError(self._text(say))


def keyword(name: str, value: str = "") -> str:
    """A choice as Python has it.

    >>> keyword("too_long", "drop"), keyword("rate")
    ('too_long=drop', 'rate')
    """
    return f"{name}={value}" if value else name


def among(name: str, value: str, known: Iterable[str]) -> None:
    """Refuse what is not ``known``."""
    if value not in known:
        raise ChoiceError(lambda say: f"{say(name)} is '{value}'. Give one of {', '.join(known)}.")


def above_zero(name: str, value: float | None) -> None:
    """Refuse what is no finite number above 0; ``None`` says nothing."""
    if value is not None and not (math.isfinite(value) and value > 0):
        raise ChoiceError(lambda say: f"{say(name)} is {value:g}. Give a number above 0.")


def at_least(name: str, value: float | None, least: float = 0.0) -> None:
    """Refuse what is no finite number of at least ``least``; ``None`` says nothing."""
    if value is not None and not (math.isfinite(value) and value >= least):
        raise ChoiceError(lambda say: f"{say(name)} is {value:g}. Give a number of at least {least:g}.")


def whole(name: str, value: float | None) -> None:
    """Refuse what is no whole number of at least 1; ``None`` says nothing."""
    if value is not None and not (math.isfinite(value) and value == int(value) and value >= 1):
        raise ChoiceError(lambda say: f"{say(name)} is {value:g}. Give a whole number of at least 1.")
