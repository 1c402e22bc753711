"""The built-in policies in the order of their codes, without importing any of them.

A name's place is its code in :mod:`drivetrain.serving.policies.dispatch`; the policy ``power-of-two`` of kind ``route``
is the file ``route/power_of_two.py``.
"""

from __future__ import annotations

KINDS = ("route", "admit", "schedule", "select", "scale")

BUILT_IN: dict[str, tuple[str, ...]] = {
    "route": (
        "round-robin",
        "random",
        "least-loaded",
        "least-tokens",
        "power-of-two",
        "prefix-aware",
        "prefix-events",
        "session",
        "weighted",
        "cheapest-region",
    ),
    "admit": ("always", "token-bucket", "slo-aware"),
    "schedule": ("fcfs", "priority", "shortest"),
    "select": ("one-model", "by-difficulty", "cascade"),
    "scale": ("fixed", "target-concurrency", "target-queue", "predictive"),
}
