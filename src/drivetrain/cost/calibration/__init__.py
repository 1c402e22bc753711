"""Fitted coefficients, as TOML files that say what each was fitted on and how well."""
