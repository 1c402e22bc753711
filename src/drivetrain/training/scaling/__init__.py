"""Scaling laws: what loss a model of N parameters reaches on D tokens, and how to spend a budget best.

``law`` and ``optimum`` hold the parametric law and its closed-form optimum; ``lifetime`` adds the compute of serving;
``repeated`` the worth of tokens seen again; ``mixture`` the number of experts; ``uncertainty`` ranges, and what an
answer outside the fitted range is worth; ``known`` reads laws from the catalogue; ``fit`` and ``bootstrap`` refit one.
"""
