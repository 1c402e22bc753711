"""The simulator in machine code: the rules of docs/method/simulation.md over tables, compiled by numba.

From the outside in: ``simulate`` (a trace in memory, or in parts) drives a ``run``; ``loop`` lets events happen.
``router`` sends requests and takes answers by what ``signals`` show, ``withdrawal`` brings them to cores and out;
``plan`` decides a lane's next step (``preempt``, ``admission``), which ``steptime`` and ``leap`` time, and ``step_end``
ends it; ``faults`` and ``ticks`` change and look at the fleet. Below are ``tables`` and what keeps them: ``timed``,
``lanes``, ``queue``, ``members``, ``blocks``, ``prefix``, ``names``, ``memory``.
"""

from drivetrain.serving.sim.kernel.simulate import Part, simulate, stream

__all__ = ["Part", "simulate", "stream"]
