"""What happens to the fleet whatever the load: failures, repairs, notices, slow replicas, partitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivetrain.serving.sim.records import DETECT, FAIL, NOTICE, PARTITION, RECOVER, SLOW, Control
from drivetrain.serving.sim.reference.replica import DOWN, DRAINING, OFF, READY, STARTING, Replica

if TYPE_CHECKING:
    from drivetrain.serving.sim.reference.simulation import Simulation


class Faults:
    """Control events, by kind."""

    def __init__(self, simulation: Simulation) -> None:
        self._s = simulation
        for number, control in enumerate(simulation.fleet.controls):
            simulation.timeline.control(control.time_s, number, self._happen, control)

    def _happen(self, control: Control) -> None:
        if control.kind == PARTITION:
            heals = self._s.router.heals_s
            for a, b in ((control.a, control.b), (control.b, control.a)):
                heals[a][b] = max(heals[a][b], control.value)
            return
        replica = self._s.replicas[control.a]
        if control.kind == FAIL:
            self._fail(replica)
        elif control.kind == RECOVER:
            self._recover(replica)
        elif control.kind == DETECT:
            replica.believed = replica.state in (STARTING, READY, DRAINING)
        elif control.kind == NOTICE:
            replica.noticed = True
        elif control.kind == SLOW:
            replica.slowness = control.value

    def _fail(self, replica: Replica) -> None:
        """Everything on it is lost. One that was to be reclaimed, or drained, is not paid for from now on."""
        if replica.state in (OFF, DOWN):
            return
        gone = replica.noticed or replica.state == DRAINING
        for life in self._s.engines.stop(replica, OFF if gone else DOWN):
            self._s.router.retry(life)

    def _recover(self, replica: Replica) -> None:
        if replica.state == DOWN or (replica.state == OFF and replica.noticed):
            replica.become(READY, self._s.timeline.now)
        replica.noticed = False
