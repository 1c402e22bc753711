"""Values that serve without a fit: rounded pooled fits for switch and PCIe, assumptions for the rest.

Never measured here: *mesh* (AMD xGMI, Gaudi) and *torus* (TPU ICI); give their results a wide range.
*network* follows public runs: 74 % of the NIC rate above 1 GiB, 65-155 microseconds at least on two to four
nodes. High-latency networks (EFA: 12.5 % of the NIC rate at 16 MiB over four nodes) take about twice as long.
"""

from __future__ import annotations

from drivetrain.comms.coefficients import NETWORK, OPS, Coefficients, LinkFit, Regime

US = 1e-6


def _datasheet() -> tuple[LinkFit, ...]:
    # kind: launch, hop, efficiency quick and bulk, host sharing
    kinds = {
        "switch": (7 * US, 0.5 * US, 0.3, 0.85, 0.0),
        "mesh": (9 * US, 0.7 * US, 0.3, 0.75, 0.0),
        "torus": (5 * US, 1.0 * US, 0.4, 0.85, 0.0),
        "pcie": (5 * US, 2.0 * US, 0.3, 0.6, 1.0),
        NETWORK: (25 * US, 10 * US, 0.2, 0.74, 0.0),
    }
    fits: list[LinkFit] = []
    for link, (launch, hop, quick, bulk, sharing) in kinds.items():
        for op in OPS:
            regimes: tuple[Regime, ...] = (
                Regime("ring", launch, hop, quick),
                Regime("ring", 3 * launch, 3 * hop, bulk, 0.3 if link in ("switch", "mesh") else 0.0),
            )
            if op == "all_reduce" and link in ("switch", "mesh"):
                regimes = (Regime("one_shot", 0.6 * launch, 0.2 * US, 0.5), *regimes)
            fits.append(LinkFit(op, link, regimes, sharing))
    return tuple(fits)


DATASHEET = Coefficients("datasheet", _datasheet())
