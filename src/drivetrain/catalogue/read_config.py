"""The loader's door to :mod:`drivetrain.catalogue.huggingface`, so that it is imported only when needed."""

from __future__ import annotations

from pathlib import Path

from drivetrain.catalogue.huggingface import import_config
from drivetrain.catalogue.model import Model


def read_config(path: Path) -> Model:
    """The model that a Hugging Face ``config.json`` (or the folder that holds one) describes."""
    return import_config(path)
