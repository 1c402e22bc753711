"""How one replica of a model is cut over accelerators: ``tp8``, ``tp8pp2``, ``dp8ep8``, ``tp2dp4ep8``.

``tp`` cuts every matrix, ``pp`` the list of layers, ``dp`` the requests (attention data parallelism: each rank keeps
its own requests' KV, all share the experts), ``ep`` hands whole experts to ranks. A replica has ``tp * pp * dp``
accelerators; the ``tp * dp`` ranks of a stage hold the experts as ``ep`` groups of ``tp * dp / ep`` slices each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from drivetrain.catalogue.model import Attention, Dense, LatentAttention, Model, MoE, Recurrent
from drivetrain.errors import LayoutError

_TOKEN = re.compile(r"(tp|pp|dp|ep)(\d+)")


@dataclass(frozen=True, slots=True, order=True)
class Layout:
    """Degrees of parallelism of one replica; all at least 1."""

    tp: int = 1
    pp: int = 1
    dp: int = 1
    ep: int = 1

    def __post_init__(self) -> None:
        for axis in ("tp", "pp", "dp", "ep"):
            value = getattr(self, axis)
            if not isinstance(value, int) or value < 1:
                raise LayoutError(f"{axis} must be a whole number from 1 up, not {value!r}.")
        if (self.tp * self.dp) % self.ep:
            raise LayoutError(
                f"layout '{self}': ep{self.ep} does not divide the {self.tp * self.dp} ranks (tp x dp) "
                "that share the experts."
            )

    @property
    def n_accelerators(self) -> int:
        """Accelerators of one replica."""
        return self.tp * self.pp * self.dp

    @property
    def expert_slices(self) -> int:
        """Over how many ranks one expert is cut: ``tp * dp / ep``."""
        return self.tp * self.dp // self.ep

    def __str__(self) -> str:
        parts = [f"{axis}{n}" for axis in ("tp", "pp", "dp", "ep") if (n := getattr(self, axis)) > 1]
        return "".join(parts) or "tp1"


def parse_layout(text: str) -> Layout:
    """Read a layout as it is spelled.

    >>> parse_layout("tp8pp2")
    Layout(tp=8, pp=2, dp=1, ep=1)
    >>> str(parse_layout("dp8ep8"))
    'dp8ep8'
    """
    compact = text.strip().lower().replace(" ", "").replace("-", "").replace("_", "")
    found = _TOKEN.findall(compact)
    axes = [axis for axis, _ in found]
    if not found or "".join(a + n for a, n in found) != compact or len(set(axes)) != len(axes):
        raise LayoutError(f"cannot read layout '{text}'. Write for example tp8, tp8pp2, dp8ep8 or tp2dp4ep8.")
    return Layout(**{axis: int(n) for axis, n in found})


def check_layout(model: Model, layout: Layout) -> None:
    """Raise :class:`LayoutError` when ``model`` cannot be cut this way; the message names the way out."""
    problem = layout_problem(model, layout)
    if problem:
        raise LayoutError(f"{model.name} cannot run as {layout}: {problem}")


def layout_problem(model: Model, layout: Layout) -> str:
    """Why ``model`` cannot be cut this way, or an empty string."""
    if layout.pp > model.n_layers:
        return f"it has {model.n_layers} layers, fewer than {layout.pp} pipeline stages."
    experts = [g.ffn.n_experts for g in model.layers if isinstance(g.ffn, MoE)]
    if not experts and (layout.ep > 1 or layout.dp > 1):
        return "it has no experts to share; use tp or pp, and replicas for more throughput."
    for n in set(experts):
        if n % layout.ep:
            return f"{n} experts do not divide over ep{layout.ep}."
    for group in model.layers:
        for mixer in (group.mixer, group.parallel_mixer):
            if isinstance(mixer, (Attention, LatentAttention, Recurrent)) and mixer.n_heads % layout.tp:
                return f"{mixer.n_heads} heads do not divide over tp{layout.tp}; {_divisors(mixer.n_heads)} do."
            if isinstance(mixer, Attention) and max(mixer.n_kv_heads, layout.tp) % min(mixer.n_kv_heads, layout.tp):
                return f"{mixer.n_kv_heads} KV heads neither divide over nor repeat evenly on tp{layout.tp}."
        widths = []
        if isinstance(group.ffn, Dense):
            widths.append(group.ffn.intermediate)
        if isinstance(group.ffn, MoE) and group.ffn.intermediate % layout.expert_slices:
            return (
                f"an expert's width {group.ffn.intermediate} does not divide over {layout.expert_slices} ranks; "
                "raise ep."
            )
        for width in widths:
            if width % layout.tp:
                return f"the feed-forward width {width} does not divide over tp{layout.tp}."
    return ""


def _divisors(n: int) -> str:
    return ", ".join(f"tp{d}" for d in (1, 2, 4, 8, 16, 32) if n % d == 0)
