"""The simulator in plain Python: event by event and step by step, as docs/method/simulation.md says.

It is what the machine code is held to, and what runs custom policies. From the outside in: ``simulation`` has
everything and lets events happen (``timeline``); ``router`` sends requests and takes answers (``life``), by what
``signals`` shows to policies (``asking``); ``engine`` runs replicas (``replica``), whose lanes of cores (``core``)
keep KV blocks (``blocks``), plan steps (``planning``, ``admission``) and take them (``clock``); ``faults`` and
``scaling`` change the fleet; ``ledger`` counts.
"""

from __future__ import annotations

from drivetrain.serving.sim.records import Fleet, Options, Outcome, Requests
from drivetrain.serving.sim.reference.simulation import Observer, Progress, Simulation

__all__ = ["Simulation", "simulate"]


def simulate(
    fleet: Fleet,
    requests: Requests,
    options: Options = Options(),  # noqa: B008 - frozen
    progress: Progress | None = None,
    observe: Observer | None = None,
) -> Outcome:
    """Play ``requests`` through ``fleet``; on Ctrl-C what happened so far, the rest ``UNFINISHED``.

    ``progress`` hears (ended, of, simulated seconds) now and then, ``observe`` sees the state after each event. Input
    is taken as it is: :mod:`drivetrain.serving.sim.check` says whether it is sound.
    """
    return Simulation(fleet, requests, options).run(progress, observe)
