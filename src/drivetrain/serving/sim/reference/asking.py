"""Asking policies: the plain Python form of each, with errors that name the policy, the request and the time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from drivetrain.errors import PolicyError
from drivetrain.registry import slug
from drivetrain.serving import policies
from drivetrain.serving.policies import signals as columns
from drivetrain.serving.policies.dispatch import best
from drivetrain.serving.sim.draws import ADMIT, N_DRAWS, ROUTE, SELECT, uniform
from drivetrain.serving.sim.reference.life import Life
from drivetrain.serving.sim.reference.replica import Group

if TYPE_CHECKING:
    from drivetrain.serving.sim.reference.simulation import Simulation

Floats = NDArray[np.float64]


class Asked:
    """The five policies of a fleet, and what they keep between calls."""

    def __init__(self, simulation: Simulation) -> None:
        self._s = simulation
        chosen = simulation.fleet.policies
        self._named = {kind: getattr(chosen, kind) for kind in policies.KINDS}
        self._functions: dict[str, Callable[..., Any]] = {
            kind: policies.python_function(kind, policy.name) for kind, policy in self._named.items()
        }
        self._options = {kind: policies.option_values(kind, policy) for kind, policy in self._named.items()}
        self._admit_state, self._select_state = np.zeros(columns.N_STATE), np.zeros(columns.N_STATE)
        self._scale_states = [np.zeros(columns.N_STATE) for _ in simulation.fleet.pools]

    @property
    def reads(self) -> frozenset[str]:
        """Signals that route and admit look at."""
        route, admit = self._named["route"], self._named["admit"]
        return policies.reads("route", route.name) | policies.reads("admit", admit.name)

    @property
    def scales(self) -> bool:
        """Whether the scale policy is to be asked at all: not where it keeps what is there."""
        return slug(self._named["scale"].name) != "fixed"

    def select(self, life: Life, services: Floats) -> int:
        """The service for a request at its stage, or -1 to keep the answer."""
        draws = self._draws(SELECT, life, life.stage)
        answer = self._ask("select", life, services, self._select_state, draws, self._options["select"])
        service = self._whole("select", answer, life)
        if not (0 if life.stage == 0 else -1) <= service < len(self._s.fleet.services):
            self._fail("select", life, f"chose service {service} of {len(self._s.fleet.services)}")
        return service

    def admit(self, life: Life, endpoints: Floats) -> bool:
        """Whether a request is taken."""
        draws = self._draws(ADMIT, life, 0)
        return bool(self._ask("admit", life, endpoints, self._admit_state, draws, self._options["admit"]))

    def route(self, life: Life, group: Group, endpoints: Floats) -> int:
        """The place in ``group`` of the replica that a request goes to."""
        draws = self._draws(ROUTE, life, life.n_routed)
        life.n_routed += 1
        scores = np.full(len(endpoints), -np.inf)
        self._ask("route", life, endpoints, group.state, draws, self._options["route"], scores)
        if np.isnan(scores).any():
            self._fail("route", life, f"scored replica {group.replicas[int(np.isnan(scores).argmax())].number} nan")
        place: int = best.py_func(scores)
        if place < 0:
            self._fail("route", life, "scored every replica -inf")
        if endpoints[place, columns.ALIVE] == 0.0:
            self._fail("route", life, f"scored replica {group.replicas[place].number} best, which is not alive")
        return place

    def key(self, life: Life) -> float:
        """The place of a request in a core's queue."""
        row = self._request(life)
        row[columns.ENQUEUED_S] = self._s.timeline.now
        try:
            key = float(self._functions["schedule"](row, self._options["schedule"]))
        except Exception as error:
            self._fail("schedule", life, _raised(error), error)
        if math.isnan(key):
            self._fail("schedule", life, "gave nan as the key")
        return key

    def desired(self, pool: int, row: Floats) -> int:
        """Replicas that a pool should have, at least 1 and at most its ``max_replicas``."""
        try:
            answer = float(self._functions["scale"](row, self._scale_states[pool], self._options["scale"]))
        except Exception as error:
            self._fail("scale", None, _raised(error), error)
        if math.isnan(answer):
            self._fail("scale", None, "wants nan replicas")
        most = self._s.fleet.pools[pool].max_replicas
        return math.ceil(min(max(answer, 1.0), float(most)))

    def _ask(self, kind: str, life: Life, *arguments: Any) -> Any:  # noqa: ANN401 - each kind answers with its own
        try:
            return self._functions[kind](self._request(life), *arguments)
        except Exception as error:
            self._fail(kind, life, _raised(error), error)

    def _whole(self, kind: str, answer: Any, life: Life) -> int:  # noqa: ANN401 - whatever it returned
        try:
            return int(answer)
        except (TypeError, ValueError, OverflowError):
            self._fail(kind, life, f"answered {answer!r}, not a whole number")

    def _request(self, life: Life) -> Floats:
        row = np.zeros(columns.N_REQUEST)
        row[columns.ID] = life.row
        row[columns.TIME_S] = self._s.timeline.now
        row[columns.ISL], row[columns.OSL] = life.isl, life.osl
        row[columns.PRIORITY], row[columns.SESSION] = life.priority, life.session
        row[columns.ORIGIN], row[columns.DIFFICULTY] = life.origin, life.difficulty
        row[columns.STAGE], row[columns.ATTEMPT] = life.stage, life.retries
        return row

    def _draws(self, stream: int, life: Life, decision: int) -> Floats:
        first = N_DRAWS * decision
        return np.array([uniform(self._s.options.seed, stream, life.row, first + j) for j in range(N_DRAWS)])

    def _fail(self, kind: str, life: Life | None, what: str, error: Exception | None = None) -> NoReturn:
        where = f" for request {life.row}" if life is not None else ""
        raise PolicyError(
            f"{kind} policy '{self._named[kind].name}' {what}{where} at {self._s.timeline.now:.6g} s. "
            "Mend it: docs/howto/write-a-policy.md."
        ) from error


def _raised(error: Exception) -> str:
    return f"raised {type(error).__name__}: {error}"
