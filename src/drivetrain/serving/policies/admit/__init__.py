"""Admit policies: each takes or refuses a request. One file per policy, named like it."""
