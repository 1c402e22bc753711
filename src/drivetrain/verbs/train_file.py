"""A training question kept in a file: its choices as TOML or JSON, or those inside a saved answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from drivetrain.errors import BadInputError, DrivetrainError, FileError
from drivetrain.scenario_file import read_table
from drivetrain.training_scenario import field_called, train_scenario

VERBS = ("plan", "predict", "plan train", "predict train")


def read_training(path: str | Path) -> dict[str, object]:
    """Choices by field. A model that is a file beside the scenario file is found there."""
    place = Path(path)
    table = dict(read_table(place))
    try:
        saved = table.get("scenario")
        if isinstance(saved, Mapping):
            table = dict(saved)
        verb = table.pop("verb", None)
        if verb is not None and verb not in VERBS:
            raise BadInputError(f"verb '{verb}' is not known. Choose {', '.join(VERBS[2:])}.")
        named = [(field_called(name), value) for name, value in table.items() if value is not None]
        if len({name for name, _ in named}) < len(named):
            raise BadInputError("a choice is given twice under two spellings. Keep one.")
        found = dict(named)
        train_scenario(found)  # contradictions are the file's, so they are told with its name
    except DrivetrainError as error:
        raise FileError(f"{place}: {error.args[0]}") from None
    model = found.get("model")
    if isinstance(model, str) and model.endswith((".json", ".toml")) and (place.parent / model).is_file():
        found["model"] = str(place.parent / model)
    return found
