"""Random numbers for traffic: one generator for each thing that is drawn, so that one choice does not move another."""

from __future__ import annotations

import numpy as np

from drivetrain.serving.traffic.wrong import ChoiceError

# What is drawn.
(ARRIVALS, JITTER, LENGTHS, GAPS, DIFFICULTY, ORIGIN, PRIORITY, PREFIX, CALLS, PROMPTS, THINK) = range(11)


def stream(seed: int, drawn: int) -> np.random.Generator:
    """The generator of what ``drawn`` names under ``seed``.

    >>> stream(1, LENGTHS).random() == stream(1, LENGTHS).random() != stream(1, GAPS).random()
    True
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ChoiceError(lambda say: f"the {say('seed')} is {seed!r}. Give a whole number of at least 0.")
    return np.random.Generator(np.random.PCG64([int(seed), drawn]))
