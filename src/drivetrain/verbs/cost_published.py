"""``cost published``: our cost of owning beside the published ones, one set of terms for each kind of operator.

Where a purchase price is public, both published figures test the terms. Where it is not, it is solved from the
hyperscaler's figure, which then agrees by definition, and the neocloud's is the test.
"""

from __future__ import annotations

import time
from typing import Any

from drivetrain import __version__
from drivetrain.econ.operators import operator_names
from drivetrain.verbs.cost_owner import market, owned_by, owned_fields, solved_for
from drivetrain.verbs.plan_serve import CATALOGUE_DATE

LIMIT_FRAC = 0.12
_SHARES = ("electricity_frac", "electricity_and_facility_frac")


def cost_published() -> dict[str, Any]:
    """Every accelerator and operator with a published hourly cost: ``rows``, ``tests``, ``solved_for``."""
    started = time.perf_counter()
    known = market()
    names = dict.fromkeys(p.accelerator for p in known.prices if p.kind == "tco")
    doubtful = {(p.accelerator, p.terms) for p in known.prices if p.kind == "tco" and p.usd.unverified}
    rows = []
    for name in names:
        for kind in operator_names(known.economics):
            fields = owned_fields(owned_by(name, kind, known))
            if fields["published_usd_per_hour"] is not None:
                told = "definition" if fields["is_definition"] else "test"
                rows.append(fields | {"is": told, "placeholder": (name, kind) in doubtful})
    tests = [row for row in rows if row["is"] == "test" and not row["placeholder"]]
    errors = [abs(row["error_frac"]) for row in tests]
    return {
        "rows": rows,
        "tests": {
            "n": len(tests),
            "n_definitions": sum(row["is"] == "definition" for row in rows),
            "n_placeholders": sum(row["is"] == "test" and row["placeholder"] for row in rows),
            "worst_frac": max(errors, default=None),
            "mean_abs_frac": sum(errors) / len(errors) if errors else None,
            "within_limit": all(error <= LIMIT_FRAC for error in errors),
            "limit_frac": LIMIT_FRAC,
        },
        **{name: [min(row[name] for row in rows), max(row[name] for row in rows)] for name in _SHARES},
        "solved_for": solved_for(rows),
        "elapsed_s": time.perf_counter() - started,
        "meta": {"version": __version__, "catalogue": CATALOGUE_DATE},
    }
