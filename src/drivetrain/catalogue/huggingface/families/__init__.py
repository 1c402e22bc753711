"""One module per group of related families; importing this package registers them all."""

from drivetrain.catalogue.huggingface.families import (
    deepseek,
    dense,
    exotic,
    fine_grained,
    gemma,
    gpt,
    hybrid,
    linear,
    llama,
    mixture,
)

__all__ = ["deepseek", "dense", "exotic", "fine_grained", "gemma", "gpt", "hybrid", "linear", "llama", "mixture"]
