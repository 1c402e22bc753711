"""The pools of a disaggregated plan, for people: what each does, what travels between them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from drivetrain.units import number, show


def pool_lines(f: Mapping[str, Any]) -> list[str]:
    """A line for the prefill pool, the transfer and the decode pool; nothing for an undivided plan."""
    found = f.get("disaggregated")
    if not found:
        return []
    prefill, decode = found["prefill"], found["decode"]
    way = "scale-up links" if found["via"] == "domain" else "the network"
    first = {"prefill": "made by prefill", "decode": "made by decode"}[found["first_token"]]
    return [
        f"prefill   {_pool(prefill)}: {_percent(prefill['utilisation_frac'])} of its capacity used, a prompt "
        f"{show(prefill['prompt_s'], 's')} after {show(max(prefill['wait_s'], 0.0), 's')} of waiting, "
        f"MFU {_percent(prefill['mfu'])} in a step of prompts",
        f"transfer  {show(found['kv_bytes_per_request'], 'bytes')} of cache a request over {way}: "
        f"{show(found['transfer_s'], 's')} beyond the prompt (alone {show(found['transfer_alone_s'], 's')}), "
        f"links {_percent(found['link_use_frac'])} busy; first token {first}",
        f"decode    {_pool(decode)}: {_percent(decode['utilisation_frac'])} of its capacity used, "
        f"{number(decode['batch_mean'])} sequences a replica, admission {show(decode['admission_s'], 's')}",
    ]


def layout_option(f: Mapping[str, Any]) -> str:
    """``-a`` and ``-l`` of the configuration as ``predict serve`` takes them."""
    layout = f["layout"]
    if not isinstance(layout, Mapping):
        return f"-a {f['accelerator']} -l {layout}"
    names = ",".join(dict.fromkeys(pool["accelerator"] for pool in layout.values()))
    text = ", ".join(f"{role}: {pool['layout']} x{pool['replicas']}" for role, pool in layout.items())
    return f"-a {names} -l {shlex.quote(text)}"


def mixed_name(f: Mapping[str, Any]) -> str:
    """What is bought where the pools run on different accelerators; else nothing."""
    bill = f["disaggregated"]["bought"] if f.get("disaggregated") else []
    parts = (f"{line['n_units'] or line['n_accelerators']}x {line['unit'] or line['accelerator']}" for line in bill)
    return " + ".join(parts) if len(bill) > 1 else ""


def cut_name(f: Mapping[str, Any]) -> str:
    """How a plan is cut, short: ``2x tp4``, or ``2x tp4 > 1x tp8`` from prefill to decode."""
    layout = f["layout"]
    if not isinstance(layout, Mapping):
        return f"{f['replicas']}x {layout}"
    return " > ".join(f"{pool['replicas']}x {pool['layout']}" for pool in layout.values())


def _pool(pool: Mapping[str, Any]) -> str:
    return f"{pool['replicas']}x {pool['layout']} on {pool['n_accelerators']} {pool['accelerator']}"


def _percent(frac: float | None) -> str:
    return "–" if frac is None else f"{number(100 * frac, 2)} %"
