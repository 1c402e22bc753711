"""The claims in our words: ``claims.toml``, one table a claim, in the order of the essays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from drivetrain.catalogue.files import read_toml
from drivetrain.catalogue.table import Table
from drivetrain.errors import FileError

ESSAYS = {
    "000": "How big a role does AI infrastructure play in model performance?",
    "004": "Inference efficiency does not eliminate infrastructure demand",
}
SEEDS = {"A": "000", "B": "004"}
KINDS = ("mechanism", "figure", "forecast", "advice", "falsifier", "provenance")


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim: where it stands, what kind it is, and what it says.

    ``same_as``: the claim whose finding it repeats; ``reason``: why it cannot be tested here. Neither: it is
    checked.
    """

    id: str
    essay: str
    kind: str
    text: str
    same_as: str = ""
    reason: str = ""


@cache
def claims() -> Mapping[str, Claim]:
    """Every claim by its id.

    >>> claims()["A19"].same_as, claims()["B02"].essay
    ('A02', '004')
    """
    path = files("drivetrain.insight.claims") / "claims.toml"
    found = {name: _read(name, Table(raw, f"{path.name}: {name}")) for name, raw in read_toml(path).items()}
    for one in found.values():
        if one.same_as and (one.same_as not in found or found[one.same_as].same_as):
            raise FileError(f"{path.name}: {one.id}: same_as must name a claim that is itself checked or explained.")
    return found


def _read(name: str, table: Table) -> Claim:
    claim = Claim(
        id=name,
        essay=table.text("essay", among=ESSAYS),
        kind=table.text("kind", among=KINDS),
        text=table.text("text"),
        same_as=table.text("same_as", ""),
        reason=table.text("reason", ""),
    )
    table.done()
    if claim.same_as and claim.reason:
        raise FileError(f"{table.where}: give same_as or reason, not both.")
    return claim
