"""``drivetrain claims``: parse, run the ledger, print."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from drivetrain.cli.progress import stages


class ClaimsFormat(StrEnum):
    """How findings are printed."""

    table = "table"
    json = "json"
    md = "md"
    csv = "csv"


class Seed(StrEnum):
    """The essay whose claims are shown."""

    A = "A"
    B = "B"


_SET = "Replace an input of the checks: --set compute_flop=1e24. May be given several times."
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Claims such as A02; all where none is given.",
                                                 show_default=False)]  # fmt: skip
Sets = Annotated[list[str] | None, typer.Option("--set", "-s", metavar="INPUT=VALUE", help=_SET, show_default=False)]
SeedOption = Annotated[Seed | None, typer.Option("--seed", help="Claims of one essay: A (role of infrastructure) or "
                                                 "B (efficiency and demand).", case_sensitive=False,
                                                 show_default=False)]  # fmt: skip
VerdictOption = Annotated[str, typer.Option("--verdict", help="Show claims of one verdict: holds, 'holds under "
                                            "conditions', 'too loose', wrong, outdated, 'not testable here'.",
                                            show_default=False)]  # fmt: skip
FormatOption = Annotated[ClaimsFormat, typer.Option("--format", "-f", help="How to print the findings.")]


def claims_command(
    ids: Ids = None, sets: Sets = None, seed: SeedOption = None, verdict: VerdictOption = "",
    output: FormatOption = ClaimsFormat.table,
) -> None:  # fmt: skip
    """Check what two essays claim: our computed value with its range, a verdict, the evidence and a command.

    Every input is sourced or a stated choice; replace one and see the verdict move.

    [dim]drivetrain claims A02 --set compute_flop=1e26[/dim]

    [dim]drivetrain claims --seed A --verdict wrong[/dim]
    """
    from drivetrain.insight.claims import ledger
    from drivetrain.insight.claims.text import SEEDS, claims
    from drivetrain.report import claims as report
    from drivetrain.report.output import as_csv, as_json

    wanted = [part for text in ids or () for part in text.split(",") if part.strip()]
    shown = ledger.verdict_called(verdict) if verdict else None
    if seed is not None:
        essay = SEEDS[seed.value]
        wanted = [name for name in wanted or claims() if name.upper() in _of(essay) or name.upper() not in claims()]
        if not wanted:
            from drivetrain.errors import BadInputError

            raise BadInputError(f"none of these claims is of essay {essay} (--seed {seed.value}). Leave out --seed.")
    with stages() as tell:
        found = ledger.run(wanted, _given(sets or ()), tell)
    found = [one for one in found if shown in (None, one.verdict)]
    if output is ClaimsFormat.table:
        report.print_findings(found)
    elif output is ClaimsFormat.json:
        typer.echo(as_json([one.row() for one in found]))
    elif output is ClaimsFormat.md:
        typer.echo(report.markdown(found), nl=False)
    else:
        typer.echo(as_csv(report.csv_rows(found)), nl=False)


def _of(essay: str) -> set[str]:
    from drivetrain.insight.claims.text import claims

    return {name for name, claim in claims().items() if claim.essay == essay}


def _given(texts: list[str] | tuple[()]) -> dict[str, str | float]:
    """``name=value`` as a mapping."""
    from drivetrain.errors import BadInputError

    found: dict[str, str | float] = {}
    for text in texts:
        name, sign, value = (part.strip() for part in text.partition("="))
        if not (sign and name and value):
            raise BadInputError(f"--set {text}: write INPUT=VALUE, for example --set compute_flop=1e24.")
        found[name] = value
    return found
