"""The same accelerators on another network.

A scale-out fabric gives every accelerator one port of its rate (or the rate that is asked for, ``roce-400g:200Gbit/s``)
and its hop latency: what a hop takes longer than on the InfiniBand of the calibrated library is added to every hop
between domains (:mod:`drivetrain.training.links`). EFA is several interfaces of one accelerator: its rate is that of
the cloud instance with this accelerator where the catalogue has one. ``nvlink`` (the accelerator's own scale-up
fabric) joins *all* accelerators of the job in one domain: a bound, since domains of that size are not sold beyond
the part's own.

A tuned RoCE network counts as InfiniBand of its rate: Meta trained on one of each, 24,000 H100 both, and found neither
to hold training back once tuned ("Building Meta's GenAI infrastructure", March 2024). Flows that are placed on equal
paths by their hash alone collide; spreading each over several queue pairs, hashed too, made all-reduce there up to
40 % faster ("RDMA over Ethernet for distributed AI training at Meta scale", SIGCOMM 2024). ``roce-400g:ecmp`` is the
network before that: its rate over :data:`COLLIDES`, a bound. InfiniBand routes adaptively and takes no such ending.

What is not modelled otherwise: congestion by other jobs and oversubscription. State the rate that is measured.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from drivetrain import units
from drivetrain.catalogue import loader
from drivetrain.catalogue.hardware import Accelerator
from drivetrain.cost.hardware import Hardware
from drivetrain.errors import BadInputError, UnitError
from drivetrain.registry import slug

HASHED = ("roce", "tcp", "ethernet")  # fabrics whose switches place flows by hash
ECMP = "ecmp"
COLLIDES = 1.4  # times slower where nothing is done about it, at most
SCALE_UP = ("nvlink", "scale-up", "scaleup")
_CLOUD = {"efa": "aws"}  # fabrics whose ports per accelerator only an instance tells


@dataclass(frozen=True, slots=True)
class Network:
    """A fabric as one accelerator meets it. ``scale_up``: one domain joins all; ``source``: where the rate is from."""

    name: str
    nic_bytes_per_s: float
    scale_up: bool
    source: str
    unverified: bool = False


def network_of(text: str, accelerator: Accelerator) -> Network:
    """Read ``ib-ndr``, ``efa``, ``nvlink``, ``roce-400g:200Gbit/s`` or ``roce-400g:ecmp`` for an accelerator."""
    name, _, asked = (part.strip() for part in text.partition(":"))
    if slug(name) in SCALE_UP or slug(name) == slug(accelerator.scaleup.fabric):
        if asked:
            raise BadInputError(f"--fabric {text}: the scale-up links of {accelerator.name} have one rate; drop ':'.")
        return Network(accelerator.scaleup.fabric, accelerator.scaleout_bytes_per_s, True, "the part's own links")
    fabric = loader.load("fabrics", name)
    if fabric.scope != "scale-out":
        raise BadInputError(
            f"--fabric {name}: '{fabric.name}' links accelerators inside a server, not those of {accelerator.name}. "
            f"Say nvlink for its own ({accelerator.scaleup.fabric}), or a network such as ib-ndr, roce-400g, efa."
        )
    fact = fabric.facts.get("link")
    if asked.lower() == ECMP:
        if not fabric.name.startswith(HASHED):
            raise BadInputError(f"--fabric {text}: {fabric.name} does not place flows by hash alone; drop ':{asked}'.")
        source = f"flows collide on equal paths: all-reduce up to {COLLIDES:g} times slower (Meta, SIGCOMM 2024)"
        return Network(f"{fabric.name}:{ECMP}", fabric.link_bytes_per_s / COLLIDES, False, source)
    if asked:
        try:
            rate = units.parse(asked, "bytes/s")
        except UnitError as error:
            raise BadInputError(
                f"--fabric {text}: {error.args[0]} For example roce-400g:200Gbit/s, or "
                "roce-400g:ecmp for an untuned one."
            ) from None
        if rate <= 0:
            raise BadInputError(f"--fabric {text}: the rate must be above 0.")
        return Network(fabric.name, rate, False, "your choice")
    cloud = next((who for start, who in _CLOUD.items() if fabric.name.startswith(start)), None)
    if cloud and (found := _instance_rate(accelerator, cloud)):
        return Network(fabric.name, found[0], False, found[1])
    return Network(
        fabric.name, fabric.link_bytes_per_s, False, f"one port each ({fact.source})" if fact else "one port each",
        bool(fact and fact.unverified),
    )  # fmt: skip


def on_network(hardware: Hardware, network: Network, n: int) -> Hardware:
    """``hardware`` with ``network`` between its domains; on scale-up links all ``n`` are in one."""
    topology = hardware.topology
    if network.scale_up:
        return replace(hardware, topology=replace(topology, domain=max(n, topology.domain)))
    fabric = network.name.partition(":")[0]
    changed = replace(topology, nic_bytes_per_s=network.nic_bytes_per_s, scaleout_fabric=fabric)
    return replace(hardware, topology=changed)


def _instance_rate(accelerator: Accelerator, provider: str) -> tuple[float, str] | None:
    """Network rate of one accelerator in the whole-server instance with the fastest network."""
    found = [
        i for i in loader.load_all("instances").values()
        if i.accelerator == accelerator.name and i.provider.lower() == provider and i.size != "slice"
    ]  # fmt: skip
    if not found:
        return None
    best = max(found, key=lambda i: (i.nic_bytes_per_s, i.n_accelerators))
    return float(best.nic_bytes_per_s), f"instance {best.name}"
