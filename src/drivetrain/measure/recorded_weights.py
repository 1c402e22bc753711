"""In which precision a recorded run held its weights: engines call ``dtype`` what the activations are in."""

from __future__ import annotations

import re

from drivetrain.catalogue.model import Model
from drivetrain.errors import BadInputError
from drivetrain.measure.names import Notes, find_dtype

# Formats that hold any precision: what it is stands in the repository's name.
_CONTAINERS = ("", "auto", "none", "compressed-tensors", "compressed_tensors", "auto-round", "torchao")
_WIDE = ("bf16", "fp16", "fp32")


def find_weights(name: str, stated: str, quantization: str, dtype: str, model: Model, vendor: str, notes: Notes) -> str:
    """Precision of the weights that an engine served.

    As ``stated``; else by the quantisation method; else as the repository ``name`` says; else in the precision of
    ``dtype``, but that engines call so the activations, beside weights that are published narrower only.
    """
    if stated:
        return find_dtype(stated, model, vendor)
    if quantization.lower() not in _CONTAINERS:
        return find_dtype(quantization, model, vendor)
    exact = next((c.weight_dtype for c in model.checkpoints if c.name.lower() == name.strip().lower()), "")
    if exact and exact not in _WIDE:
        return exact
    ending = _ending(name, model, vendor)
    if ending:
        return ending
    first = model.checkpoints[0].weight_dtype
    asked = "" if dtype.lower() in ("", "auto", "none") else find_dtype(dtype, model, vendor)
    if asked and asked not in _WIDE:
        return asked
    if first not in _WIDE and not any(c.weight_dtype in _WIDE for c in model.checkpoints):
        notes.append(f"weights of {model.name} are published in {first} only: taken so")
        return first
    return asked or exact or (first if first in _WIDE else "bf16")


def _ending(name: str, model: Model, vendor: str) -> str:
    """The last precision that a repository's name holds, empty where it holds none."""
    for word in reversed(re.split(r"[-_./]", name.lower())):
        try:
            return find_dtype(word, model, vendor)
        except BadInputError:
            continue
    return ""
