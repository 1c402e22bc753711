"""What a communication group sees: scale-up links inside a domain, a NIC between domains."""

from __future__ import annotations

from dataclasses import dataclass

from drivetrain.catalogue.hardware import Accelerator, LinkKind
from drivetrain.errors import LayoutError


@dataclass(frozen=True, slots=True)
class Topology:
    """The two tiers that collectives run over. All rates are one way, bytes/s, per accelerator or link.

    ``kind``, ``n_links``, ``link_bytes_per_s`` and ``domain`` describe scale-up as in
    :class:`~drivetrain.catalogue.hardware.ScaleUp`; ``nic_bytes_per_s`` is the scale-out rate of one
    accelerator (0 where there is none); ``fabric`` names the scale-up links, ``scaleout_fabric`` the network.
    """

    kind: LinkKind
    n_links: int
    link_bytes_per_s: float
    domain: int
    nic_bytes_per_s: float
    fabric: str
    scaleout_fabric: str = ""

    def group_bytes_per_s(self, n: int) -> float:
        """One-way rate at which one of ``n`` ranks in a domain reaches the others, bytes/s.

        >>> Topology("mesh", 7, 64e9, 8, 50e9, "xgmi").group_bytes_per_s(2)
        64000000000.0
        """
        return self.links_used(n) * self.link_bytes_per_s

    def links_used(self, n: int) -> int:
        """How many of its links one of ``n`` ranks can use at once.

        Switch and PCIe: all. Mesh: one per peer, ``n - 1``. Torus: a dense block of ``n`` has about
        ``log2 n`` neighbours per chip (2 has 1, 2x2 has 2, 2x2x2 has 3, 4x4x4 with its rings closed has 6).
        """
        if self.kind == "mesh":
            return min(n - 1, self.n_links)
        if self.kind == "torus":
            return min((n - 1).bit_length(), self.n_links)
        return self.n_links

    def relays(self, n: int) -> float:
        """Mean links an all-to-all byte travels: a quarter of the ring per axis on a torus, 1 elsewhere."""
        if self.kind != "torus":
            return 1.0
        axes = max(1, (self.links_used(n) + 1) // 2)
        return max(1.0, axes * float(n ** (1 / axes)) / 4)

    def inner_ranks(self, n: int, n_inner: int | None = None) -> int:
        """Ranks of a group of ``n`` that share a domain; the group must tile the domains it spans.

        Raises :class:`~drivetrain.errors.LayoutError` where it does not, or where no network joins them.
        """
        inner = min(n, self.domain) if n_inner is None else n_inner
        if n < 1 or inner < 1:
            raise LayoutError(f"a communication group needs at least 1 rank, not {n if n < 1 else inner}.")
        if inner > self.domain:
            raise LayoutError(
                f"{inner} ranks do not share a scale-up domain of {self.domain}. "
                f"Use at most {self.domain} ranks per domain."
            )
        if n % inner:
            raise LayoutError(
                f"a group of {n} ranks does not tile domains of {inner}. Use a multiple of {inner} "
                f"or at most {self.domain} ranks."
            )
        if n > inner and self.nic_bytes_per_s <= 0:
            raise LayoutError(
                f"a group of {n} ranks spans {n // inner} domains, and there is no scale-out network. "
                f"Give nic_bytes_per_s or keep the group within {self.domain}."
            )
        return inner


def topology_of(
    accelerator: Accelerator,
    *,
    domain: int | None = None,
    nic_bytes_per_s: float | None = None,
    scaleout_fabric: str = "",
) -> Topology:
    """Return what one accelerator sees; a server or rack can set its own ``domain`` and NIC rate."""
    links = accelerator.scaleup
    nic = accelerator.scaleout_bytes_per_s if nic_bytes_per_s is None else nic_bytes_per_s
    return Topology(
        kind=links.kind,
        n_links=links.n_links,
        link_bytes_per_s=links.link_bytes_per_s,
        domain=links.domain if domain is None else domain,
        nic_bytes_per_s=nic,
        fabric=links.fabric,
        scaleout_fabric=scaleout_fabric,
    )
