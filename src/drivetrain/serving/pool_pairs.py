"""Which two layouts an engine can hand a request over between."""

from __future__ import annotations

from drivetrain.arch.layout import Layout
from drivetrain.catalogue.disaggregation import Handover
from drivetrain.catalogue.model import Attention, Model, Recurrent


def pair_problem(handover: Handover, model: Model, prefill: Layout, decode: Layout) -> str:
    """Why an engine cannot hand this model over between the two layouts, or an empty string."""
    for axis in ("tp", "pp", "dp", "ep"):
        if axis not in handover.may_differ and getattr(prefill, axis) != getattr(decode, axis):
            return f"{handover.family} needs the same {axis} in both pools."
    mixers = [mixer for g in model.layers for mixer in (g.mixer, g.parallel_mixer) if mixer is not None]
    if handover.same_tp_with_state and any(isinstance(m, Recurrent) for m in mixers) and prefill.tp != decode.tp:
        return f"{handover.family} needs the same tp in both pools for layers that keep recurrent state."
    caches = {(type(m), m.n_kv_heads, m.head_dim) if isinstance(m, Attention) else (type(m),) for m in mixers}
    if handover.uniform_cache and (len(caches) != 1 or any(isinstance(m, Recurrent) for m in mixers)):
        return f"{handover.family} hands over only models whose layers all cache alike."
    return ""
