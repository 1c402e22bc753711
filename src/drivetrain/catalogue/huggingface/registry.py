"""Where families announce themselves: ``@FAMILIES.register("model_type", ...)`` on a builder."""

from __future__ import annotations

from collections.abc import Callable

from drivetrain.catalogue.huggingface.blocks import Built
from drivetrain.catalogue.huggingface.reader import Fields
from drivetrain.registry import Registry

Builder = Callable[[Fields], Built]
FAMILIES: Registry[Builder] = Registry("model family")
