"""Scale policies: each says how many replicas a pool should have. One file per policy, named like it."""
