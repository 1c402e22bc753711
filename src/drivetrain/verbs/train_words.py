"""Words for what limits a training step and what its time goes to."""

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
