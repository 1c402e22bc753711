"""Which sources of ``compare`` are training questions, and what they ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from drivetrain.errors import BadInputError, DrivetrainError
from drivetrain.scenario import ServeScenario
from drivetrain.scenario_file import SAVED_PLAN, read_table
from drivetrain.training_scenario import TrainScenario, field_called, train_scenario
from drivetrain.verbs.train_file import read_training

Source = str | Path | Mapping[str, Any]
VERBS = ("plan train", "predict train")
_OWN = {field.name for field in fields(TrainScenario)} - {field.name for field in fields(ServeScenario)}
_SERVING = {field.name for field in fields(ServeScenario)}


@dataclass(frozen=True, slots=True)
class TrainQuestion:
    """A verb, its choices by field, and the answer saved with them if any."""

    verb: str
    choices: dict[str, object]
    answer: Mapping[str, Any] | None = None

    @property
    def scenario(self) -> TrainScenario:
        """The choices as a scenario."""
        return train_scenario(self.choices)

    def changed(self, changes: Mapping[str, Any]) -> TrainQuestion:
        """The question with other choices, in any spelling; what fixed the amount gives way to what does now."""
        new = {field_called(name): value for name, value in changes.items()}
        gone = {other for name in new if name in _AMOUNT for other in _AMOUNT if other not in new}
        if new.get("model"):
            gone |= {"experts"}
        if "experts" in new:
            gone |= {"model"}
        kept = {name: value for name, value in self.choices.items() if name not in gone}
        return TrainQuestion(self.verb, kept | new)


_AMOUNT = ("flops", "tokens", "target_loss")


def is_training(source: Source) -> bool:
    """Whether a source asks about training: by its verb, its saved scenario, or a choice that only training has.

    >>> is_training({"budget": "$2M", "accelerator": "h100-sxm"}), is_training({"model": "llama-3.1-8b", "rate": 5})
    (True, False)
    """
    try:
        table = source if isinstance(source, Mapping) else read_table(_file(source))
    except DrivetrainError:
        return False  # told by whoever reads it
    saved = table.get("scenario")
    names = saved if isinstance(saved, Mapping) else table
    verb = table.get("verb")
    if verb in VERBS:
        return True
    return any(_field(str(name)) in _OWN for name in names)


def train_question(source: Source) -> TrainQuestion:
    """Read a scenario file, a saved answer, or a mapping of choices."""
    if isinstance(source, Mapping):
        choices = {field_called(str(name)): value for name, value in source.items() if name != "verb"}
        question = TrainQuestion(_verb(source, choices), choices)
        _ = question.scenario
        return question
    place = _file(source)
    choices = read_training(place)
    table = read_table(place)
    saved = table if isinstance(table.get("scenario"), Mapping) else None
    return TrainQuestion(_verb(table, choices), choices, saved)


def _verb(table: Mapping[str, Any], choices: Mapping[str, object]) -> str:
    """The verb that is said; of a saved answer the one that gave it; ``predict`` of what has a layout and no goal."""
    said = table.get("verb")
    if said is not None:
        found = said if said in VERBS else f"{said} train"
        if found not in VERBS:
            raise BadInputError(f"verb '{said}' is not known. Choose {' or '.join(VERBS)}.")
        return str(found)
    if isinstance(table.get("scenario"), Mapping):
        return VERBS[0] if "feasible" in table else VERBS[1]
    goals = ("flops", "budget_usd", "days", "power_w", "target_loss")
    return VERBS[1] if choices.get("layout") and not any(choices.get(goal) for goal in goals) else VERBS[0]


def _file(source: str | Path) -> Path:
    place = Path(source)
    return place / SAVED_PLAN if place.is_dir() else place


def _field(spelled: str) -> str:
    """The training field that a spelling names, empty where it names a serving one or none."""
    folded = spelled.strip().lower().replace("-", "_")
    if folded in _SERVING or f"{folded}s" in _SERVING:
        return ""
    try:
        return field_called(folded)
    except BadInputError:
        return ""
