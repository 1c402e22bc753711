"""A serving fleet request by request: ``reference`` in plain Python, ``kernel`` in machine code, one meaning.

The rules are in docs/method/simulation.md. Neither imports :mod:`drivetrain.serving.steady`: each is a check on the
other; both take their step time from :mod:`drivetrain.cost`.
"""
