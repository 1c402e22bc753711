"""How many sequences a step trains on where nobody says: the batch that loss likes best, cut to fit the cluster.

Optimal batch in tokens, ``B = 0.58 D^0.571`` for ``D`` training tokens, hardly dependent on the model (Li et al. 2025,
"Predictable Scale", arXiv:2503.04715; fitted on models below 1B parameters and up to 1e11 tokens). Runs of Llama 3
(16 M tokens on 15 T, here 19 M) lie near it, DeepSeek-V3 (63 M on 15 T) three times above. In sequences it becomes a
power of two times the odd part of the cluster, so that data parallelism can divide it.
"""

from __future__ import annotations

import math

SCALE, EXPONENT = 0.58, 0.571
SOURCE = "0.58 D^0.571 tokens (arXiv:2503.04715), a power of two of sequences"


def usual_batch(tokens: float, seq: int, n: int) -> int:
    """Sequences of ``seq`` tokens in a step of a run of ``tokens`` tokens on ``n`` accelerators.

    >>> usual_batch(15e12, 8192, 16_384), usual_batch(1.3e12, 8192, 72)
    (2048, 576)
    """
    odd = n // (n & -n)
    wanted = SCALE * tokens**EXPONENT / seq / odd
    return odd << max(0, round(math.log2(max(wanted, 1.0))))
