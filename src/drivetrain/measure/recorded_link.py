"""How the cards of a recorded run reach each other where PCIe joins them: as stated, else as unswitched hosts let them.

Collectives over PCIe were measured on two servers with peer access (``docs/method/collectives.md``). How fast a group
is elsewhere is a property of the machine, not of the card, and runs seldom record it. Factors on the links' rate::

    1                                the run states peer_access: cards reach each other's memory as on those servers
    1/2                              it states that they do not; or two cards, nothing stated
    (n / 2) ** (own - pooled)        n cards, nothing stated: what groups lose to sharing, both servers pooled
    stated / ours                    it states link_bytes_per_s (of one card, one way), or all_reduce_bytes_per_s
                                     (bytes of a large tensor over the time of its all-reduce)

Engines run kernels of their own where cards reach each other's memory only: elsewhere the collectives are NCCL's.

Half is a round figure for a pair without a PCIe switch, where several things come to about that: eight lanes or a slot
one generation older; NCCL plans 16 GB/s through an AMD CPU (``AMD_BW`` in its ``topo.h``; 37 were measured with peer
access) and stages in host memory on Intel and ARM (``paths.cc``), and vLLM's own kernel runs only after a test of peer
access. The range is from there to the measured rate. Larger groups were measured across host bridges already, with very
different losses on the two servers, ``(2 / n) ** sharing``; the range of their factor spans both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from drivetrain.arch.layout import Layout
from drivetrain.catalogue.hardware import Accelerator
from drivetrain.comms.collectives import all_reduce
from drivetrain.cost.efficiency import collective_coefficients
from drivetrain.cost.hardware import Hardware, hardware_of
from drivetrain.errors import BadInputError
from drivetrain.measure.table import Raw

UNSWITCHED = 0.5
"""Of the measured rate, for a pair of cards where nothing is stated."""
_LARGE_BYTES = 2.0**26
_COLUMNS = ("peer_access", "link_bytes_per_s", "all_reduce_bytes_per_s")
_PAIR = 2
_MOST_CARDS = 16  # of one PCIe server


@dataclass(frozen=True, slots=True)
class Links:
    """A factor on the links' rate, the slowest and the fastest that it could be, and whose collectives run."""

    factor: float
    low: float
    high: float
    library: str


def links_of(raw: Raw, accelerator: Accelerator, layout: Layout, family: str, notes: list[str]) -> Links:
    """The links of a run served by an engine of ``family``; ``notes`` receive what was assumed.

    Factors are 1 where no PCIe link is crossed and none is stated.
    """
    stated = [name for name in _COLUMNS if raw.text(name)]
    if len(stated) > 1:
        raise BadInputError(f"{' and '.join(stated)} say the same thing in two ways; give one of them.")
    if layout.n_accelerators == 1:
        return Links(1.0, 1.0, 1.0, family)
    library = "nccl" if accelerator.scaleup.kind == "pcie" and not raw.flag("peer_access") else family
    if stated:
        known = _stated(raw, stated[0], accelerator, layout, library)
        return Links(known, known, known, library)
    if accelerator.scaleup.kind != "pcie":
        return Links(1.0, 1.0, 1.0, library)
    group = layout.tp * layout.dp
    factor, low, high = (UNSWITCHED, UNSWITCHED, 1.0) if group <= _PAIR else _sharing(accelerator, group)
    notes.append(
        f"how the {layout.n_accelerators} cards reach each other is not recorded: {factor:.2g} of the rate measured on "
        f"a server with them; state it in a column {', '.join(_COLUMNS[:-1])} or {_COLUMNS[-1]}"
    )
    return Links(factor, low, high, library)


def hardware_with(accelerator: Accelerator, layout: Layout, links: float) -> Hardware:
    """The rates of the run's accelerators, all in one server where PCIe joins them, with links of ``links`` times."""
    domain = None
    if accelerator.scaleup.kind == "pcie" and layout.n_accelerators <= _MOST_CARDS:
        domain = max(accelerator.scaleup.domain, layout.n_accelerators)
    found = hardware_of(accelerator, domain=domain)
    if links == 1.0:
        return found
    slower = replace(found.topology, link_bytes_per_s=found.topology.link_bytes_per_s * links)
    return replace(found, topology=slower)


def _sharing(accelerator: Accelerator, group: int) -> tuple[float, float, float]:
    """Factors that turn what a group on this fabric loses to sharing into the pooled, most and least loss measured."""
    known = collective_coefficients("nccl")
    fits = [fit for fit in known.fits if fit.op == "all_reduce" and fit.link.startswith("pcie")]
    own = known.fit("all_reduce", "pcie", accelerator.scaleup.fabric).sharing
    pooled = next((fit.sharing for fit in fits if fit.link == "pcie"), own)
    losses = [fit.sharing for fit in fits]
    pooled, most, least = ((group / 2) ** (own - loss) for loss in (pooled, max(losses), min(losses)))
    return pooled, most, least


def _stated(raw: Raw, name: str, accelerator: Accelerator, layout: Layout, library: str) -> float:
    if name == "peer_access":
        return 1.0 if raw.flag(name) else UNSWITCHED
    if name == "link_bytes_per_s":
        return raw.need(name) / accelerator.scaleup.bytes_per_s
    if layout.tp == 1:
        raise BadInputError(f"all_reduce_bytes_per_s is given, and {layout} has no all-reduce; state link_bytes_per_s.")
    wanted = _LARGE_BYTES / raw.need(name)
    found = _solve(lambda links: _seconds(accelerator, layout, library, links) - wanted)
    if found is None:
        raise BadInputError(
            f"all_reduce_bytes_per_s is {raw.text(name)}: no link of {accelerator.name} gives that among {layout.tp}. "
            "It is bytes of the tensor over seconds, as nccl-tests print under algbw (in GB/s, of 1e9)."
        )
    return found


def _seconds(accelerator: Accelerator, layout: Layout, library: str, links: float) -> float:
    topology = hardware_with(accelerator, layout, links).topology
    return all_reduce(layout.tp, topology, collective_coefficients(library)).seconds(_LARGE_BYTES)


def _solve(excess: Callable[[float], float]) -> float | None:
    """The factor from a thousandth to a thousand where a falling ``excess`` crosses zero, None where it does not."""
    from scipy.optimize import brentq

    low, high = 1e-3, 1e3
    if excess(low) < 0.0 or excess(high) > 0.0:
        return None
    return float(brentq(excess, low, high, rtol=1e-9))
