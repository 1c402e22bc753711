"""Words for what limits a training step, what its time goes to, and how it is laid out."""

from __future__ import annotations

RESOURCE = {
    "compute": "matrix and attention units",
    "hbm_bandwidth": "memory bandwidth",
    "scale_up_links": "links inside the scale-up domain",
    "network": "the network between domains",
}
SHARE = {
    "useful": "useful at peak",
    "kernels": "kernels below peak",
    "recompute": "recompute",
    "communication": "waiting for links",
    "bubble": "pipeline bubble",
    "overhead": "overhead",
}
LINK = {
    "tp": "tensor",
    "ep": "experts",
    "cp": "context",
    "pp": "pipeline hand-overs",
    "dp": "data, weights and gradients",
}


def laid_out(layout: str, schedule: str) -> str:
    """A layout with the schedule that its spelling does not tell.

    >>> laid_out("tp8pp4vp2", "interleaved"), laid_out("tp8pp4", "zero-bubble")
    ('tp8pp4vp2', 'tp8pp4 zero-bubble')
    """
    return layout if schedule in ("1f1b", "interleaved") else f"{layout} {schedule}"
