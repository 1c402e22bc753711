"""Every error Drivetrain raises on purpose.

    DrivetrainError            code, message, what to do next; exit code 3
    ├── BadInputError          the user can mend it; exit code 2
    │   ├── UnknownNameError   DT012: no such catalogue entry, with suggestions
    │   ├── UnitError          DT010: a value or unit that cannot be read
    │   ├── FileError          DT020: a file that is missing, unreadable or malformed
    │   ├── UnsupportedError   DT025: an architecture, feature or combination not modelled
    │   ├── PolicyError        DT026: a policy of one's own that raised or gave no answer
    │   ├── LayoutError        DT030: a layout the model or the hardware cannot take
    │   └── DoesNotFitError    DT031: weights and KV cache exceed memory
    └── InfeasibleError        DT040: nothing meets what was asked; exit code 1

Each class owns one code; the message says what is wrong *and* what to do.
"""

from __future__ import annotations

from collections.abc import Iterable


class DrivetrainError(Exception):
    """Base of all deliberate errors: ``code`` is stable, ``exit_code`` is what the CLI returns."""

    code = "DT000"
    exit_code = 3

    def __str__(self) -> str:
        return f"{self.code} {super().__str__()}"


class BadInputError(DrivetrainError):
    """Input that the person can mend: a value out of range, a contradiction, a missing option."""

    code = "DT001"
    exit_code = 2


class UnitError(BadInputError):
    """A quantity that cannot be read: unknown unit, wrong dimension or not a number."""

    code = "DT010"


class UnknownNameError(BadInputError):
    """A name that is in no catalogue; carries up to three close ones."""

    code = "DT012"

    def __init__(self, kind: str, name: str, suggestions: Iterable[str] = (), hint: str = "") -> None:
        self.kind, self.name, self.suggestions = kind, name, tuple(suggestions)
        text = f"unknown {kind} '{name}'."
        if self.suggestions:
            text += f" Did you mean {' or '.join(repr(s) for s in self.suggestions)}?"
        super().__init__(f"{text} {hint}".rstrip())


class FileError(BadInputError):
    """A file that is missing, unreadable or not what its name says."""

    code = "DT020"


class UnsupportedError(BadInputError):
    """Something real that Drivetrain does not model: says what is missing."""

    code = "DT025"


class PolicyError(BadInputError):
    """A policy of one's own that raised, gave no number or chose a dead replica; names policy, request and time."""

    code = "DT026"


class LayoutError(BadInputError):
    """A parallel layout that the model or the hardware cannot take."""

    code = "DT030"


class DoesNotFitError(BadInputError):
    """Weights, activations and at least one sequence's KV cache exceed the memory."""

    code = "DT031"


class InfeasibleError(DrivetrainError):
    """The question is well posed and nothing in the search space answers it."""

    code = "DT040"
    exit_code = 1
