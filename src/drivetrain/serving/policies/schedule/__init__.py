"""Schedule policies: each orders what waits at a core. One file per policy, named like it."""
