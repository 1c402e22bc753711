"""A fleet's money and energy over the tokens it serves: input, cached input, output.

A step that carries prompts takes longer than one that only decodes; what it takes longer is the prompts' share. With
T_d and T_m the two steps' times and u the share of steps with prompts::

    prefill = u (T_m - T_d) / ((1 - u) T_d + u T_m)        decode = 1 - prefill

A prompt token that attends to cached tokens before it takes longer than one that does not: that difference is what
cache hits still cost. Reading a prompt's cache while decoding belongs to the output. Idle hours are shared out in the
same proportions, so that the three bills sum to the whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from drivetrain.econ.breakeven import TokenFlow
from drivetrain.econ.tokens import usd_per_million
from drivetrain.errors import BadInputError
from drivetrain.serving.lengths import Lengths
from drivetrain.serving.steady import Prepared, SteadyState, steps

_ADDED = 1.25  # where nothing is cached: prompts this much longer say what a hit would cost


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of a fleet that input, cached input and output take; they sum to 1.

    ``cached_s_per_token`` over ``input_s_per_token`` is what a hit costs of a miss, known even where nothing hits.
    """

    input: float
    cached: float
    output: float
    hit_over_miss: float

    def __post_init__(self) -> None:
        total = self.input + self.cached + self.output
        if not abs(total - 1.0) < 1e-9 or min(self.input, self.cached, self.output) < 0:
            raise BadInputError(f"shares of input, cached input and output must sum to 1, not {total:g}.")


@dataclass(frozen=True, slots=True)
class TokenCost:
    """Per million tokens, USD or whatever was shared out. ``cached`` is what a hit costs, also where none happens."""

    input: float
    cached: float
    output: float


def per_million(usd_per_hour: float, shares: Shares, flow: TokenFlow) -> TokenCost:
    """Cost of a million tokens of each sort; weighted by ``flow`` they sum to ``usd_per_hour``.

    >>> per_million(3.6, Shares(0.5, 0.0, 0.5, 0.1), TokenFlow(input=1000.0, cached=0.0, output=250.0))
    TokenCost(input=0.5, cached=0.05, output=2.0)
    """
    if flow.input <= 0 or flow.output <= 0:
        raise BadInputError("no tokens are served, so that a token has no price. Give a rate above zero.")
    miss = usd_per_million(usd_per_hour * shares.input, flow.input)
    hit = usd_per_million(usd_per_hour * shares.cached, flow.cached) if flow.cached > 0 else miss * shares.hit_over_miss
    return TokenCost(miss, hit, usd_per_million(usd_per_hour * shares.output, flow.output))


def flow_of(lengths: Lengths, rate: float) -> TokenFlow:
    """Tokens/s of a stream of ``rate`` requests/s."""
    computed = float(lengths.weight @ lengths.computed)
    return TokenFlow(rate * computed, rate * max(lengths.isl_mean - computed, 0.0), rate * lengths.osl_mean)


def shares_of(prepared: Prepared, state: SteadyState) -> Shares:
    """Shares of the time of a replica that serves both prompts and output, at the load of ``state``."""
    prefill, whole = _prefill_s(prepared, state)
    part = prefill / whole
    cached, hit_over_miss = _cached(prepared, state, prefill)
    return Shares(part * (1.0 - cached), part * cached, 1.0 - part, hit_over_miss)


def pool_shares(prefill: Prepared, state: SteadyState, prefill_frac: float) -> Shares:
    """Shares of a fleet whose prompts are served by a pool of their own that takes ``prefill_frac`` of the whole."""
    if not 0 <= prefill_frac <= 1:
        raise BadInputError(f"the prefill pool's share must be from 0 to 1, not {prefill_frac:g}.")
    cached, hit_over_miss = _cached(prefill, state, _prefill_s(prefill, state)[0])
    return Shares(prefill_frac * (1.0 - cached), prefill_frac * cached, 1.0 - prefill_frac, hit_over_miss)


def _prefill_s(prepared: Prepared, state: SteadyState) -> tuple[float, float]:
    """Seconds that prompts add to the mean step, and the mean step."""
    decode, mixed = steps(prepared, state)
    prefill = state.mixed_frac * max(mixed.seconds - decode.seconds, 0.0)
    return prefill, decode.seconds + prefill


def _cached(prepared: Prepared, state: SteadyState, prefill: float) -> tuple[float, float]:
    """Cached tokens' share of ``prefill``, and a hit's time over a miss's."""
    lengths = prepared.lengths
    computed = float(lengths.weight @ lengths.computed)
    hit = lengths.isl_mean - computed
    factor = computed / lengths.isl_mean if hit > 1e-9 * computed else _ADDED
    other = _prefill_s(replace(prepared, lengths=_prompts(lengths, factor)), state)[0]
    added = max(prefill - other if factor < 1 else other - prefill, 0.0)
    tokens = hit if factor < 1 else (factor - 1.0) * lengths.isl_mean
    share = min(added / prefill, 1.0) if factor < 1 and prefill > 0 else 0.0
    alone = prefill * (1.0 - share) / computed
    return share, added / tokens / alone if alone > 0 else 0.0


def _prompts(lengths: Lengths, factor: float) -> Lengths:
    """Prompts as long times ``factor`` of which as much is computed, and as long a cache to decode with as before."""
    isl = lengths.isl * factor
    return replace(lengths, isl=isl, computed=lengths.computed.clip(max=isl), kept=lengths.kept / factor)
