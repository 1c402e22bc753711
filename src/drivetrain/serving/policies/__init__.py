"""Policies of a fleet: routing, admission, scheduling, model selection and scaling, one file each.

``signals`` says what a policy sees, ``registry`` who there is, ``parsing`` reads ``name:option=value``, ``dispatch``
calls a built-in by its code in machine code, ``own`` reads a user's file. The same functions run in the simulator's
two forms. How to write one: docs/howto/write-a-policy.md.
"""

from __future__ import annotations

from drivetrain.serving.policies.cache import cache_choice
from drivetrain.serving.policies.entries import Option, Registered
from drivetrain.serving.policies.lookup import code_of, is_custom, listed, option_values, python_function, reads
from drivetrain.serving.policies.names import BUILT_IN, KINDS
from drivetrain.serving.policies.own import load_file
from drivetrain.serving.policies.parsing import parse, written
from drivetrain.serving.policies.registry import everything, found, names, register

__all__ = [
    "BUILT_IN",
    "KINDS",
    "Option",
    "Registered",
    "cache_choice",
    "code_of",
    "everything",
    "found",
    "is_custom",
    "listed",
    "load_file",
    "names",
    "option_values",
    "parse",
    "python_function",
    "reads",
    "register",
    "written",
]
