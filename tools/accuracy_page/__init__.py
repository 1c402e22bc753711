"""The parts of the accuracy page, one module each; ``tools/accuracy.py`` puts them together."""
