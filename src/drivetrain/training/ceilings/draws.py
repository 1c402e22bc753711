r"""Joint draws of uncertain quantities, with common random numbers.

A spread is a lognormal of two pieces: ``ln x = ln mid + s z``, z standard normal, with ``s`` such that the stated share
lies between low and high, half of it on either side::

    s = ln(high / mid) / q  above,  ln(mid / low) / q  below,     q = the normal quantile at (1 + share) / 2

Each quantity draws z from a stream of its own, named by the quantity: the same seed gives the same z for it in every
question, so that two answers differ by what was changed and not by chance.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from drivetrain.catalogue.ceilings import Spread, spreads
from drivetrain.errors import BadInputError, UnknownNameError
from drivetrain.registry import suggest

Floats = NDArray[np.float64]
N_DRAWS, SEED = 20_000, 1


class Draws:
    """Draws of every quantity by name, and the same again when asked again."""

    def __init__(self, known: Mapping[str, Spread], n: int = N_DRAWS, seed: int = SEED) -> None:
        if n < 1:
            raise BadInputError(f"{n} draws say nothing; take at least 1.")
        if seed < 0:
            raise BadInputError(f"the seed is {seed}; give a whole number from 0 up.")
        self._known, self.n, self._seed = known, n, seed

    def __getitem__(self, name: str) -> Floats:
        """``n`` draws of the quantity ``name``, SI."""
        if name not in self._known:
            raise UnknownNameError("limit of training runs", name, suggest(name, self._known, 3))
        return drawn(self._known[name], self._normal(name))

    def chance(self, name: str) -> NDArray[np.bool_]:
        """Whether an event of probability ``name`` happens, by draw."""
        quantile = NormalDist().inv_cdf(min(max(self._known[name].mid, 1e-12), 1.0 - 1e-12))
        happens: NDArray[np.bool_] = self._normal(name) < quantile
        return happens

    def rows(self, name: str, n: int) -> NDArray[np.int64]:
        """Which of ``n`` rows each draw takes."""
        return self._stream(name).integers(0, n, self.n)

    def _normal(self, name: str) -> Floats:
        return self._stream(name).standard_normal(self.n)

    def _stream(self, name: str) -> np.random.Generator:
        return np.random.default_rng([self._seed, zlib.crc32(name.encode())])


def drawn(spread: Spread, z: Floats) -> Floats:
    """Values of a spread at standard normal ``z``; rises with z.

    >>> one = Spread("x", "", "1", 1.0, 10.0, 100.0, 0.8, None)
    >>> drawn(one, np.array([-1.28155, 0.0, 1.28155])).round(1).tolist()
    [1.0, 10.0, 100.0]
    """
    quantile = NormalDist().inv_cdf((1.0 + spread.share) / 2.0)
    above, below = np.log(spread.high / spread.mid) / quantile, np.log(spread.mid / spread.low) / quantile
    found: Floats = spread.mid * np.exp(np.where(z > 0.0, above, below) * z)
    return found


def changed(scaled: Mapping[str, float] | None = None) -> dict[str, Spread]:
    """The spreads of the catalogue, those named in ``scaled`` times a factor: what one more of something would do."""
    from dataclasses import replace

    known = dict(spreads())
    for name, factor in (scaled or {}).items():
        if name not in known:
            raise UnknownNameError(
                "limit of training runs", name, suggest(name, known, 3), f"Known: {', '.join(known)}."
            )
        if not (np.isfinite(factor) and factor > 0):
            raise BadInputError(f"the factor on {name} is {factor}; it must be a finite number above 0.")
        one = known[name]
        known[name] = replace(one, low=one.low * factor, mid=one.mid * factor, high=one.high * factor)
    return known
