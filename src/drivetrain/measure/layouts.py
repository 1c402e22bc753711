"""The layout of one measured row: from repaired topology columns, else the source's, else tensor parallel over all."""

from __future__ import annotations

from dataclasses import dataclass, replace

from drivetrain.arch.layout import Layout, layout_problem
from drivetrain.catalogue.model import Model, MoE
from drivetrain.errors import LayoutError
from drivetrain.measure.table import Raw


@dataclass(frozen=True, slots=True)
class Placed:
    """One replica's layout and how many replicas share the row's accelerators."""

    layout: Layout
    replicas: int


@dataclass(frozen=True, slots=True)
class _Degrees:
    tp: int
    pp: int
    dp: int
    ep: int


def place(raw: Raw, model: Model, notes: list[str]) -> Placed:
    """Layout and replicas of a row; a :class:`LayoutError` says why the model cannot be cut so."""
    n = raw.whole("n_gpus")
    if n is None:
        raise LayoutError("n_gpus is blank.")
    asked = _asked(raw, n)
    moe = any(isinstance(group.ffn, MoE) for group in model.layers)
    replicas, dp = max(1, n // (asked.tp * asked.pp * asked.dp)), asked.dp
    if not moe and dp > 1:  # without shared experts, data parallel ranks are replicas
        replicas, dp = replicas * dp, 1
    ep = asked.ep if moe else 1
    ranks = asked.tp * dp
    wanted = Layout(asked.tp, asked.pp, dp, ep if ranks % ep == 0 else 1)
    problem = layout_problem(model, wanted)
    for other in (ranks, 1) if problem and moe else ():
        if not layout_problem(model, replace(wanted, ep=other)):
            notes.append(f"ep{wanted.ep} refused ({problem.rstrip('.')}): read as ep{other}")
            return Placed(replace(wanted, ep=other), replicas)
    if problem:
        raise LayoutError(f"{model.name} cannot run as {wanted}: {problem}")
    return Placed(wanted, replicas)


def _asked(raw: Raw, n: int) -> _Degrees:
    """Degrees as the row states them, made to divide ``n``."""
    pp = raw.whole("pp_corrected", "pp", "src_pp_size") or 1
    ep = raw.number("ep_corrected", "ep", "src_moe_ep_size") or 1
    tp = raw.whole("tp_corrected", "tp")
    attention_dp = raw.flag("dp_attention")
    per_stage = max(1, n // pp)
    if attention_dp:
        tp = tp if tp and tp < per_stage and per_stage % tp == 0 else 1
        return _Degrees(tp, pp, per_stage // tp, int(ep))
    if tp is None and attention_dp is None:
        source_tp, source_dp = raw.whole("src_tp_size"), raw.whole("src_attention_dp_size") or 1
        # sources multiply tp by dp or repeat it in both: only what fits the accelerators is taken at its word
        if source_tp and source_tp * source_dp * pp == n:
            return _Degrees(source_tp, pp, source_dp, int(ep))
        tp = source_tp
    if tp is None or tp * pp > n or n % (tp * pp):
        tp = per_stage
    return _Degrees(tp, pp, 1, int(ep))
