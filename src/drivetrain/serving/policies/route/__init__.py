"""Route policies: each names the replica that serves a request. One file per policy, named like it."""
