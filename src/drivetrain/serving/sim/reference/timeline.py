"""What happens when: one heap of events in the order of docs/method/simulation.md.

An event is a function with its arguments. Events at one time come by class, within a class by two further numbers:
controls in the order given before ticks by kind, step ends and planning by lane, arrivals by row before what was made
during the run in the order of making.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

CONTROL, STEP_END, ARRIVAL, PLAN = range(4)
"""Classes of events at one time, in their order."""

SCRAPE, SAMPLE, SCALE = range(1, 4)
"""Kinds of ticks among controls; 0 are the fleet's own controls."""

_MADE = 1  # within ARRIVAL: after the trace's rows

Action = Callable[..., None]
Event = tuple[float, int, int, int, Action, tuple[Any, ...]]


@dataclass(slots=True)
class Timeline:
    """The events to come. ``now`` is the time of the one that is happening."""

    now: float = 0.0
    _heap: list[Event] = field(default_factory=list)
    _n_made: int = 0
    _n_ticks: int = 0

    def control(self, time_s: float, number: int, action: Action, *arguments: object) -> None:
        """The fleet's control event ``number``."""
        heapq.heappush(self._heap, (time_s, CONTROL, 0, number, action, arguments))

    def tick(self, time_s: float, kind: int, action: Action, *arguments: object) -> None:
        """One of the regular looks at the fleet."""
        self._n_ticks += 1
        heapq.heappush(self._heap, (time_s, CONTROL, kind, 0, action, arguments))

    def step_end(self, time_s: float, lane: int, action: Action, *arguments: object) -> None:
        """The end of the step that ``lane`` is in."""
        heapq.heappush(self._heap, (time_s, STEP_END, lane, 0, action, arguments))

    def arrival(self, time_s: float, row: int, action: Action, *arguments: object) -> None:
        """A row of the trace comes."""
        heapq.heappush(self._heap, (time_s, ARRIVAL, 0, row, action, arguments))

    def make(self, time_s: float, action: Action, *arguments: object) -> None:
        """Anything that follows from what happened before."""
        self._n_made += 1
        heapq.heappush(self._heap, (time_s, ARRIVAL, _MADE, self._n_made, action, arguments))

    def plan(self, lane: int, action: Action, *arguments: object) -> None:
        """The planning of ``lane``'s next step, now."""
        heapq.heappush(self._heap, (self.now, PLAN, lane, 0, action, arguments))

    def over(self) -> bool:
        """Whether nothing but ticks is to come."""
        return len(self._heap) == self._n_ticks

    def next_s(self) -> float:
        """When the next event happens."""
        return self._heap[0][0]

    def happen(self) -> None:
        """Let the next event happen."""
        time_s, kind, order, _, action, arguments = heapq.heappop(self._heap)
        if kind == CONTROL and order > 0:
            self._n_ticks -= 1
        self.now = time_s
        action(*arguments)
