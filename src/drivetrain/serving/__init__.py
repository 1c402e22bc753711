"""Serving systems: a stream of requests meets replicas of an engine.

``lengths`` reduces a workload to what the step time needs, ``deployment`` sizes and compiles one way to serve a model,
``kernel`` solves its steady state in machine code, ``steady`` explains one solution, ``slo`` reads targets, ``search``
evaluates deployments by the hundred thousand.
"""
