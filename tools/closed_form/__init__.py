"""The closed form held against the simulator: random configurations, what is true of them, tables."""
