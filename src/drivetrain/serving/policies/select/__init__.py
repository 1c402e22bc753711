"""Select policies: each names the service (model) for a request. One file per policy, named like it."""
