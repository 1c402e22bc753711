"""Requests that are longer than the model's context: refused, left out or cut, as chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from drivetrain.serving.sim.records import Requests
from drivetrain.serving.traffic.records import Note, taken
from drivetrain.serving.traffic.wrong import ChoiceError, among

RULES = ("error", "drop", "truncate")


@dataclass(frozen=True, slots=True)
class TooLong:
    """What a rule did: ``count`` of ``of`` requests were longer than ``context``, by ``cut`` tokens if those were cut.

    ``waiting`` requests went because they wait for the answer of one that is left out.
    """

    context: int = 0
    rule: str = ""
    count: int = 0
    of: int = 0
    longest: int = 0
    cut: int = 0
    waiting: int = 0

    def __add__(self, other: TooLong) -> TooLong:
        return TooLong(
            other.context, other.rule, self.count + other.count, self.of + other.of, max(self.longest, other.longest),
            self.cut + other.cut, self.waiting + other.waiting,
        )  # fmt: skip

    def notes(self) -> tuple[Note, ...]:
        """What to say about it: nothing where nothing was too long."""
        if not self.count:
            return ()
        text = f"{self.count:,} of {self.of:,} requests ({self.count / self.of:.1%}) of over {self.context:,} tokens "
        if self.rule == "truncate":
            text += f"are cut to that, {self.cut:,} tokens in all, prompts before answers"
        else:
            text += f"are left out (longest {self.longest:,})"
            text += f", and {self.waiting:,} that wait for their answers" if self.waiting else ""
        return (Note("too long for the context", text),)


def within(requests: Requests, context: int | None, rule: str, before: int = 0) -> tuple[Requests, TooLong]:
    """Hold prompt plus answer of every request to ``context`` tokens by ``rule``.

    ``error`` names the first that is longer. ``drop`` leaves them out, and with them what waits for their answer.
    ``truncate`` keeps the answer and cuts the end of the prompt to what is left, at least one token each; the names of
    blocks that are then no longer full go too. ``before`` counts the requests that came before these.
    """
    among("too_long", rule, RULES)
    if context is None or not len(requests):
        return requests, TooLong()
    if context < 2:
        raise ChoiceError(
            lambda say: f"the {say('context')} is {context} tokens. Give at least 2: a prompt and an answer."
        )
    total = requests.isl + requests.osl
    long = total > context
    made = TooLong(context, rule, int(long.sum()), len(requests), int(total.max()))
    if not made.count:
        return requests, made
    if rule == "error":
        at = int(long.argmax())
        raise ChoiceError(
            lambda say: (
                f"request {before + at + 1:,} has {requests.isl[at]:,} + {requests.osl[at]:,} tokens, more than the "
                f"context of {context:,} ({made.count:,} of {made.of:,} are too long, the longest has "
                f"{made.longest:,}). Leave them out with {say('too_long', 'drop')}, or cut their prompts with "
                f"{say('too_long', 'truncate')}."
            )
        )
    if rule == "truncate":
        osl = np.minimum(requests.osl, context - 1)
        isl = np.where(long, np.minimum(requests.isl, context - osl), requests.isl)
        full = isl // max(requests.hash_tokens, 1)
        names = np.where(long, np.minimum(requests.hash_count, full), requests.hash_count)
        return replace(requests, isl=isl, osl=osl, hash_count=names), replace(made, cut=int((total - isl - osl).sum()))
    gone = long.copy()
    while not np.array_equal(more := gone | ((requests.after >= 0) & gone[requests.after]), gone):
        gone = more
    kept = np.flatnonzero(~gone)
    return taken(requests, kept), replace(made, waiting=int(gone.sum()) - made.count)
