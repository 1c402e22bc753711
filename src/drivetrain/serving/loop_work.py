"""What a closed loop needs to know of a replica and its workload: the prompts of a step, and how long a step takes."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from drivetrain.cost.kernel import step
from drivetrain.serving import kernel

if TYPE_CHECKING:
    from drivetrain.serving.steady import Prepared

Floats = NDArray[np.float64]

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Lane:
    """What a lane does, in means over time.

    ``rate`` requests and ``tokens`` steps of a sequence a second; ``decoding`` sequences have their first token and are
    not done. ``step_s`` is the mean step (apart: for each that decodes), a share ``mixed_frac`` of them (apart: so many
    for each that decodes) has prompts beside decodes, ``prompt_tokens`` in all ranks. ``away`` requests are between
    an answer and the step that takes up the next.
    """

    rate: float
    decoding: float
    tokens: float
    step_s: float
    mixed_frac: float
    prompt_tokens: float
    away: float


NOBODY = Lane(*(0.0,) * len(fields(Lane)))
"""A lane that holds no request."""


def between(low: Lane, high: Lane, share: float) -> Lane:
    """Means of lanes, a ``share`` of them ``high`` and the others ``low``; a lane that holds nobody takes no steps."""
    if low is NOBODY:
        low = replace(NOBODY, step_s=high.step_s, mixed_frac=high.mixed_frac, prompt_tokens=high.prompt_tokens)
    return Lane(**{f.name: (1.0 - share) * getattr(low, f.name) + share * getattr(high, f.name) for f in fields(Lane)})


class Work:
    """A replica and its workload as a lane of a loop sees them.

    ``alike``: all requests have one length. ``gaps`` steps decode an answer, ``away_s`` pass between an answer and the
    next request, ``prompt`` tokens are computed for a request on average, in chunks of ``chunk``.
    """

    def __init__(self, prepared: Prepared) -> None:
        d, n = prepared.scalars, prepared.lengths
        self.lanes, self.ranks = int(d[kernel.LANES]), int(d[kernel.DP])
        self.slots = prepared.max_seqs / (self.lanes * self.ranks)
        self.apart = bool(d[kernel.APART] > 0.0)
        self.budget, self.verify, self.per_step = (float(d[k]) for k in (kernel.BUDGET, kernel.VERIFY, kernel.YIELD))
        self.away_s = float(d[kernel.REQUEST_S] + n.weight @ n.isl * d[kernel.HOST_S])
        self.gaps = float(n.weight @ np.maximum(n.osl - 1.0, 0.0)) / self.per_step
        self.prompt = float(n.weight @ n.computed)
        self._weight, self._computed = n.weight, n.computed
        self._coefficients, self._scalars = prepared.deployment.coefficients, d
        chunks = np.maximum(1.0, n.computed / self.budget)
        size = n.computed / chunks
        reach = n.isl - n.computed + size * (chunks + 1.0) / 2.0
        share = n.weight * n.computed / self.prompt
        self.chunk = self.prompt / float(n.weight @ chunks)
        self._decode_ctx = prepared.contexts.decode
        self._prefill_ctx = prepared.contexts.prefill @ share
        self._chunk_ctx = np.array([float(share @ np.minimum(reach, s + size)) for s in prepared.contexts.spans])
        self.alike = n.one_length

    def seconds(self, decode: float, tokens: float, chunks: float, experts: float) -> float:
        """A step of a rank with ``decode`` sequences and ``tokens`` of prompts, ``experts`` tokens in all ranks."""
        c, d = self._coefficients, self._scalars
        contexts = (self._decode_ctx, self._prefill_ctx, self._chunk_ctx)
        t, joules = step(c.ops, c.collectives, d, decode, tokens, chunks, experts, *contexts)
        if d[kernel.OVERLAP] > 0.0:
            t = kernel._halved(t, joules, c.ops, c.collectives, d, decode, tokens, chunks, experts, *contexts)[0]
        return float(t)

    def prompts_done(self, waiting: Floats, beside: Floats) -> Floats:
        """Mean number of prompts that finish in a step with so many ``waiting`` and decoding ``beside`` them."""
        room = np.maximum(self.budget - (0.0 if self.apart else self.verify) * beside, 1.0)
        steps = np.maximum(1.0, np.ceil(self._computed / room[:, None] - _ROUNDING)) @ self._weight
        return np.asarray(np.minimum(waiting / steps, room / self.prompt))
