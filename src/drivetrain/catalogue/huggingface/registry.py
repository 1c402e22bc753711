"""Where families announce themselves: ``@family("model_type", ..., default=...)`` on a builder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drivetrain.catalogue.huggingface.blocks import Built
from drivetrain.catalogue.huggingface.reader import Fields
from drivetrain.registry import Registry

Builder = Callable[[Fields], Built]
FAMILIES: Registry[Builder] = Registry("model family")


def family(*model_types: str, **defaults: Any) -> Callable[[Builder], Builder]:  # noqa: ANN401 - JSON values
    """Register a builder under the ``model_types`` it reads, with the family's own field defaults."""

    def decorate(builder: Builder) -> Builder:
        def build(f: Fields) -> Built:
            f.defaults = {**defaults, **f.defaults}
            return builder(f)

        FAMILIES.register(*model_types)(build)
        return builder

    return decorate
