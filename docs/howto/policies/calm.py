import numpy as np

from drivetrain.serving.policies import register
from drivetrain.serving.policies.signals import ALIVE, INFLIGHT, KV_FRAC


@register("route")
def calm(request, endpoints, state, draws, scores, *, kv_frac=0.9):
    """The least loaded among replicas whose KV cache is not nearly full."""
    scores[:] = -endpoints[:, INFLIGHT] - 1000 * (endpoints[:, KV_FRAC] > kv_frac)
    scores[endpoints[:, ALIVE] == 0] = -np.inf
