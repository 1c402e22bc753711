"""What options may be: one line per rule in a policy's ``__post_init__``."""

from __future__ import annotations

import math

from drivetrain.errors import BadInputError


def require(holds: bool, policy: str, rule: str) -> None:
    """Refuse options of ``policy`` that break ``rule``, which is said in words."""
    if not holds:
        raise BadInputError(f"policy '{policy}': {rule}.")


def not_negative(policy: str, **values: float) -> None:
    """Every value must be a number of at least 0."""
    for name, value in values.items():
        require(value >= 0.0 and not math.isnan(value), policy, f"{name} must be at least 0, not {value:g}")


def positive(policy: str, **values: float) -> None:
    """Every value must be above 0."""
    for name, value in values.items():
        require(value > 0.0, policy, f"{name} must be above 0, not {value:g}")
