"""A simulation kept in a file: its own choices, those inside a saved answer, or the fleet of a saved plan."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drivetrain.arch.pools import spell_pools
from drivetrain.errors import BadInputError, DrivetrainError, FileError
from drivetrain.scenario_file import SAVED_PLAN, read_table
from drivetrain.verbs.simulate_choices import NOT_SIMULATED, split

VERBS = ("simulate", "plan", "predict")
_PATHS = ("model", "trace", "lengths", "policy_file")


def read_simulation(path: str | Path) -> dict[str, object]:
    """Choices by field from a TOML or JSON file, a saved answer or the folder of ``plan serve --save``.

    ``compare`` may be among them. A plan becomes the fleet it recommends, under the traffic it was made for. Files
    that are named and lie beside the file are found there.
    """
    place = Path(path)
    if place.is_dir():
        place /= SAVED_PLAN
    table = dict(read_table(place))
    try:
        saved = table.get("scenario")
        if isinstance(saved, Mapping):
            table = {**saved, **_fleet_of(table)}
        verb = str(table.pop("verb", None) or "simulate")
        if verb not in VERBS:
            raise BadInputError(f"verb '{verb}' is not known. Choose {', '.join(VERBS)}.")
        if verb != "simulate" or isinstance(saved, Mapping):
            table = {name: value for name, value in table.items() if name.replace("-", "_") not in NOT_SIMULATED}
        compare = table.pop("compare", None)
        serve, own = split(table)
    except DrivetrainError as error:
        raise FileError(f"{place}: {error.args[0]}") from None
    found = {**serve, **own} | ({"compare": compare} if compare else {})
    for name in _PATHS:
        value = found.get(name)
        if isinstance(value, str) and value and not Path(value).is_absolute() and (place.parent / value).is_file():
            found[name] = str(place.parent / value)
    return found


def _fleet_of(answer: Mapping[str, Any]) -> dict[str, object]:
    """What the plan in a saved answer recommends; nothing for other answers."""
    best = answer.get("best")
    if not isinstance(best, Mapping):
        if answer.get("feasible") is False:
            raise BadInputError("this plan found nothing feasible, so there is no fleet to simulate.")
        return {}
    layout = best["layout"]
    pools = isinstance(layout, Mapping)
    return {
        "accelerators": (best["accelerator"],), "layouts": (spell_pools(layout) if pools else layout,),
        "engines": (best["engine"],), "weights": best["weight_dtype"], "kv": _kv(best, answer),
        "techniques": best["with"], "max_num_seqs": best["max_concurrency"],
        "max_batched_tokens": best["max_batched_tokens"], **({} if pools else {"replicas": best["replicas"]}),
    }  # fmt: skip


def _kv(best: Mapping[str, Any], answer: Mapping[str, Any]) -> object:
    """The cache's precision as it is chosen: the plan's where it changed it, else as it was asked for."""
    changed = any(str(change).startswith("kv=") for change in best.get("output_changes", ()))
    return best["kv_dtype"] if changed else answer["scenario"].get("kv", "shipped")
